// What the fault tests share: actions that wait for the test, and the state a project has to be in afterwards.
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execFileSync, type ChildProcess } from "node:child_process";
import { expect } from "@jest/globals";
import type { TestProject } from "./cli.js";
import { mountsOf, until } from "./sandbox.js";

/** A part of a command that counts its runs and then waits until the test lets it go on. */
export interface Puppet {
  /** Shell text, to stand at the command's beginning. Signals that are caught do not end the waiting, the end of the test does. */
  readonly cmd: string;
  /** Shell text that only counts. */
  readonly note: string;
  /** How many times it was started. */
  runs(): number;
  /** Waits until it was started that often; fails when `child` ends before. */
  started(times?: number, child?: ChildProcess): Promise<void>;
  /** Lets one run go on, now or when it comes. */
  release(): void;
  close(): void;
}

/** Makes a puppet; its files lie outside the project. */
export function makePuppet(): Puppet {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-puppet-"));
  const [runs, go] = [join(dir, "runs"), join(dir, "go")];
  execFileSync("mkfifo", [go]);
  // Held open for reading and writing: neither side ever waits in open.
  const fd = openSync(go, "r+");
  const count = (): number => (existsSync(runs) ? readFileSync(runs, "utf8").length : 0);
  return {
    note: `printf . >> ${runs}`,
    cmd: `printf . >> ${runs}; until read -r _ < ${go}; do [ -e ${go} ]; done; `,
    runs: count,
    started: (times = 1, child) =>
      until(`the action was started ${times} times`, () => {
        if (child !== undefined && (child.exitCode !== null || child.signalCode !== null))
          throw new Error(`imagemake ended with ${child.exitCode ?? child.signalCode} before the action ran`);
        return count() >= times;
      }),
    release: () => void writeSync(fd, "go\n"),
    close: () => {
      closeSync(fd);
      rmSync(dir, { recursive: true });
    },
  };
}

/** Processes that know the directory: by their environment, their words, where they are or what is mounted for them. */
export function processesIn(dir: string): string[] {
  const read = (pid: string, file: string): string => {
    try {
      return file === "cwd"
        ? readlinkSync(`/proc/${pid}/cwd`)
        : readFileSync(`/proc/${pid}/${file}`, "latin1");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc").filter(
    (pid) =>
      /^\d+$/.test(pid) &&
      Number(pid) !== process.pid &&
      (["environ", "cmdline", "cwd"].some((file) => read(pid, file).includes(dir)) ||
        // Of a file system of its own the path begins there.
        read(pid, "mountinfo").includes(`/${basename(dir)}/`)),
  );
}

/** Waits until nothing of a project runs any more: what was killed takes a moment to die. */
export const noneLeft = (project: TestProject): Promise<void> =>
  until(`no process of ${project.dir} is left`, () => processesIn(project.dir).length === 0);

/** Temporary files anywhere in the state and output directories. */
export function temporaries(project: TestProject): string[] {
  const below = (dir: string): string[] =>
    existsSync(project.path(dir))
      ? readdirSync(project.path(dir), { withFileTypes: true }).flatMap((entry) =>
          entry.isDirectory() ? below(`${dir}/${entry.name}`) : [`${dir}/${entry.name}`],
        )
      : [];
  return [...below("out"), ...below(".imagemake")].filter((path) => /\.tmp$|\/\.now/.test(path));
}

/**
 * A successful run must leave nothing to do: asked with these words, the next run says so and exits 0. Nothing that
 * a run needs only for a while is still there.
 */
export async function expectSettled(project: TestProject, ...words: string[]): Promise<void> {
  const { status, stdout, stderr } = await project.run(...words);
  expect(stderr).toMatch(/^release \S+ \(opened .*\)\nnothing to do\n$/);
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  expect(project.names(".imagemake/stage")).toEqual([]);
  expect(temporaries(project)).toEqual([]);
  expect(mountsOf(project.dir)).toEqual([]);
}

/** Builds, insists that it works and that these and only these actions ran, and that nothing is left to do. */
export async function expectBuilds(
  project: TestProject,
  built: readonly string[],
  ...words: string[]
): Promise<void> {
  const told = await project.events({}, ...words);
  expect({ status: told.status, stderr: told.stderr, failed: told.which("failed") }).toEqual({
    status: 0,
    stderr: "",
    failed: [],
  });
  expect(told.which("built")).toEqual(built);
  await expectSettled(project, ...words);
}
