// Drives the real command line in a temporary project, as a user would.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  existsSync,
} from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The compiled command. */
export const MAIN = fileURLToPath(new URL("../../engine/cli/main.js", import.meta.url));

/** How a command ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of one call of the command line. */
export interface CallOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Words put before node: `faketime`, `strace`, … */
  readonly under?: readonly string[];
  readonly cwd?: string;
}

/** A project in a temporary directory. */
export interface TestProject {
  readonly dir: string;
  path(...parts: string[]): string;
  write(path: string, content: string): void;
  read(path: string): string;
  exists(path: string): boolean;
  /** Names in a directory, sorted; none where it is missing. */
  names(path: string): string[];
  /** Runs imagemake to its end. */
  run(...args: string[]): Promise<Ended>;
  call(options: CallOptions, ...args: string[]): Promise<Ended>;
  /** Starts imagemake without waiting. */
  start(options: CallOptions, ...args: string[]): ChildProcess;
  remove(): void;
}

/** Makes a project from files; `Imagefile.ts` gets its import line unless it has one. */
export function makeProject(files: Readonly<Record<string, string>>): TestProject {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-test-"));
  const path = (...parts: string[]): string => join(dir, ...parts);
  const start = (options: CallOptions, ...args: string[]): ChildProcess => {
    const [program = process.execPath, ...words] = [
      ...(options.under ?? []),
      process.execPath,
      MAIN,
      ...args,
    ];
    return spawn(program, words, {
      cwd: options.cwd ?? dir,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  };
  const call = async (options: CallOptions, ...args: string[]): Promise<Ended> =>
    finish(start(options, ...args));
  const project: TestProject = {
    dir,
    path,
    write: (name, content) => {
      mkdirSync(dirname(path(name)), { recursive: true });
      const text =
        /\.[cm]?ts$/.test(name) && !content.includes('from "imagemake"') ? PRELUDE + content : content;
      writeFileSync(path(name), text);
    },
    read: (name) => readFileSync(path(name), "utf8"),
    exists: (name) => existsSync(path(name)),
    names: (name) => (existsSync(path(name)) ? readdirSync(path(name)).sort() : []),
    run: (...args) => call({}, ...args),
    call,
    start,
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  for (const [name, content] of Object.entries(files)) project.write(name, content);
  return project;
}

/** What most Imagefiles of the tests need. */
const PRELUDE = `import { run, files, list, each, env, probe, arg, project, rule } from "imagemake";\n`;

/** Waits for a started command. */
export async function finish(child: ChildProcess): Promise<Ended> {
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => (output[name] += chunk));
  }
  await once(child, "close");
  return { status: child.exitCode, ...output };
}

/** Nothing of the caller's that an Imagefile or a renderer might read. */
function cleanEnvironment(): Record<string, string> {
  const kept = ["PATH", "HOME", "TMPDIR", "USER"];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
