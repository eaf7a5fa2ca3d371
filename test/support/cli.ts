// Drives the real command line in a temporary project, as a user would.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { beginSchema, type BuildEvent, eventSchema } from "../../engine/events.js";

/** The compiled command. */
export const MAIN = fileURLToPath(new URL("../../run/imagemake.js", import.meta.url));

/** How a command ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A build as its events tell it, by action. */
export interface Told {
  readonly status: number | null;
  readonly stderr: string;
  readonly events: readonly BuildEvent[];
  /** Actions that ended with an event of this type, in order of their names. */
  readonly which: (type: "built" | "restored" | "up-to-date" | "failed" | "skipped") => string[];
  /** The event of this type about an action. */
  readonly about: <T extends BuildEvent["type"]>(
    type: T,
    target?: string,
  ) => Extract<BuildEvent, { type: T }> | undefined;
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
  /** SHA-256 of each file in out/, by name. */
  outputs(): Readonly<Record<string, string>>;
  /** Runs imagemake to its end. */
  run(...args: string[]): Promise<Ended>;
  call(options: CallOptions, ...args: string[]): Promise<Ended>;
  /** Runs imagemake and insists that it succeeds: what it said is in the error. */
  good(...args: string[]): Promise<Ended>;
  /** Builds with --progress json. */
  events(options: CallOptions, ...args: string[]): Promise<Told>;
  /** Starts imagemake without waiting. */
  start(options: CallOptions, ...args: string[]): ChildProcess;
  remove(): void;
}

/** Where a project lies, if not in a new temporary directory. */
export interface Place {
  /** As the test sees it. */
  readonly dir: string;
  /** Words before every command, that bring it there. */
  readonly under: readonly string[];
}

/** Makes a project from files; `Imagefile.ts` gets its import line unless it has one. */
export function makeProject(files: Readonly<Record<string, string>>, place?: Place): TestProject {
  const dir = place?.dir ?? mkdtempSync(join(tmpdir(), "imagemake-test-"));
  const path = (...parts: string[]): string => join(dir, ...parts);
  const start = (options: CallOptions, ...args: string[]): ChildProcess => {
    const [program = process.execPath, ...words] = [
      ...(place?.under ?? []),
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
    outputs: () =>
      Object.fromEntries(project.names("out").map((name) => [name, digest(readFileSync(path("out", name)))])),
    run: (...args) => call({}, ...args),
    call,
    good: async (...args) => {
      const ended = await call({}, ...args);
      if (ended.status !== 0)
        throw new Error(`${args.join(" ")}: exit status ${ended.status}\n${ended.stderr}`);
      return ended;
    },
    events: async (options, ...args) => told(await call(options, "--progress", "json", ...args)),
    start,
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  for (const [name, content] of Object.entries(files)) project.write(name, content);
  return project;
}

const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

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

/** What its events say. */
export function told({ status, stdout, stderr }: Ended): Told {
  const events = eventsIn(stdout.split("\n").filter((line) => line !== ""));
  return {
    status,
    stderr,
    events,
    which: (type) => events.flatMap((event) => (event.type === type ? [event.target] : [])).sort(),
    about: <T extends BuildEvent["type"]>(type: T, target?: string) =>
      events.find(
        (event): event is Extract<BuildEvent, { type: T }> =>
          event.type === type && (target === undefined || ("target" in event && event.target === target)),
      ),
  };
}

/** Words before a command that runs under another clock; it goes on from `moment`, an ISO time. */
export const atTime = (moment: string): readonly string[] => [
  "faketime",
  new Date(moment)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC"),
];

/** Nothing of the caller's that an Imagefile or a renderer might read. */
function cleanEnvironment(): Record<string, string> {
  const kept = ["PATH", "HOME", "TMPDIR", "USER"];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

// Lines of the stream of events, held against its declaration: nothing else is in them, and nothing is missing.

/** A line of it but the first. */
export function eventIn(line: string): BuildEvent {
  const event: unknown = JSON.parse(line);
  const parsed = eventSchema.parse(event);
  // What is not declared is left out there.
  if (!isDeepStrictEqual(parsed, event)) throw new Error(`an event has what no declaration says: ${line}`);
  return parsed;
}

/** The lines of one run; none where it did not come so far. */
export function eventsIn([first, ...lines]: readonly string[]): BuildEvent[] {
  if (first === undefined) return [];
  beginSchema.parse(JSON.parse(first));
  return lines.map(eventIn);
}
