// Stages, jobs and drivers for tests that run real actions, as other users too: conditions to wait for, never sleeps.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Isolation, Job, Outcome } from "../../engine/execute/local/sandbox.js";
import { ACTION_PATH } from "../../engine/tools.js";
import type { Order } from "./sandbox-driver.js";

/** The project's root, from dist/test/support. */
export const PROJECT = fileURLToPath(new URL("../../../", import.meta.url));
const DRIVER = "dist/test/support/sandbox-driver.js";

/** A stage with a working directory and a directory for layers, and a mark that all its processes carry. */
export interface Trial {
  readonly dir: string;
  readonly work: string;
  readonly layers: string;
  readonly log: string;
  readonly mark: string;
  /** A job in it: `argv` by `sh -eu -c` when it is a string. */
  job(argv: string | readonly string[], extra?: Partial<Job>): Job;
  /** What the command has written so far. */
  said(): string;
}

/** Makes a trial below `parent`; the caller deletes it. Any user may use it. */
export function makeTrial(parent: string = tmpdir()): Trial {
  const dir = mkdtempSync(join(parent, "imagemake-sandbox-"));
  const [work, layers, log] = [join(dir, "work"), join(dir, "layers"), join(dir, "log")];
  for (const path of [work, layers]) mkdirSync(path);
  for (const path of [dir, work, layers]) chmodSync(path, 0o777);
  const mark = randomUUID();
  const job: Trial["job"] = (argv, extra = {}) => ({
    stage: dir,
    cwd: work,
    layersDir: layers,
    argv: typeof argv === "string" ? ["sh", "-eu", "-c", argv] : argv,
    env: { PATH: ACTION_PATH, MARK: mark },
    log,
    mounts: [],
    network: false,
    interactive: false,
    timeoutMs: null,
    ...extra,
  });
  const said = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
  return { dir, work, layers, log, mark, job, said };
}

/** Waits until the condition holds; fails after 20 seconds, saying for what it waited. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What of a process is read to know whose it is. */
type Sign = (read: (name: "environ" | "cmdline") => string) => boolean;

/** Processes of this machine. */
export function processesWith(sign: Sign): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return sign((name) => readFileSync(`/proc/${pid}/${name}`, "latin1"));
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The command and all it started: they have the mark in their environment. */
export const commandsOf = (trial: Trial): readonly number[] =>
  processesWith((read) => read("environ").includes(trial.mark));

/**
 * Those, and who keeps them (they name the log): the keeper and process 1. The keeper's last word is that all in the
 * namespace have ended; it is itself gone a moment later.
 */
export const processesOf = (trial: Trial): readonly number[] =>
  processesWith((read) => read("environ").includes(trial.mark) || read("cmdline").includes(trial.log));

/** Mounts of this namespace below a directory. */
export const mountsOf = (dir: string): readonly string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(dir));

const command = (root: string, order: Order): string[] => [
  process.execPath,
  join(root, DRIVER),
  JSON.stringify(order),
];

/** Starts the driver in a session of its own, so that its group can be killed. */
export const startDriver = (order: Order, before: readonly string[] = []): ChildProcess => {
  const [program = "", ...rest] = [...before, ...command(PROJECT, order)];
  return spawn(program, rest, { detached: true, stdio: "ignore" });
};

/** Runs the driver to its end, behind the words of a wrapper, and returns what it printed. */
export function drive(order: Order, before: readonly string[] = []): unknown {
  const [program = "", ...rest] = [...before, ...command(PROJECT, order)];
  const done = spawnSync(program, rest, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`driver: ${done.error?.message ?? done.stderr}`);
  return JSON.parse(done.stdout);
}

/** `drive` for orders that run a job. */
export const driveJob = (job: Job, before: readonly string[] = [], how?: Isolation): Outcome =>
  drive({ do: "run", job, ...(how === undefined ? {} : { how }) }, before) as Outcome;

/** The shell script, in a mount namespace that dies with it; what follows becomes `"$@"`. */
export const inMounts = (script: string): readonly string[] => [
  "unshare",
  "--mount",
  "sh",
  "-eu",
  "-c",
  `${script}\nexec "$@"`,
  "sh",
];

/** An id that no account of a test machine has. */
export const USER = 61_234;

/** That user, as the machine has him: not named anywhere, without subordinate ids. */
export const asStranger = (): readonly string[] =>
  inMounts(`${openWay()}\nexec setpriv --reuid ${USER} --regid ${USER} --clear-groups -- "$@"`);

/**
 * An ordinary user, with subordinate ids or none, without touching the machine's accounts: passwd, subuid and
 * subgid are bound over in a mount namespace.
 */
export function asUser(trial: Trial, ids: "all" | "one"): readonly string[] {
  const line = (file: string, text: string): string =>
    `cp /etc/${file} ${trial.dir}/${file}; echo '${text}' >> ${trial.dir}/${file}; ` +
    `mount --bind ${trial.dir}/${file} /etc/${file}`;
  const range = ids === "all" ? `tester:${USER * 10}:65536` : "";
  const script = [
    openWay(),
    line("passwd", `tester:x:${USER}:${USER}::/:/bin/sh`),
    line("subuid", range),
    line("subgid", range),
    `exec setpriv --reuid ${USER} --regid ${USER} --clear-groups -- env HOME=/ "$@"`,
  ];
  return inMounts(script.join("\n"));
}

// Lets other users reach the project wherever it was cloned: root's home directory, where it often lies, is
// closed to them. For scripts that run in a mount namespace of their own.

/** The highest directory above `path` that others cannot pass; null where there is none. */
function closedAbove(path: string): string | null {
  const above: string[] = [];
  for (let at = dirname(path); at !== "/"; at = dirname(at)) above.unshift(at);
  return above.find((dir) => (statSync(dir).mode & 0o001) === 0) ?? null;
}

/** Shell lines that leave of a closed directory only what running the tests takes, and open the way to it. */
function openWay(): string {
  const needed = [PROJECT.replace(/\/$/, ""), join(dirname(process.execPath), "..")].flatMap((dir) => {
    const closed = closedAbove(dir);
    return closed === null ? [] : [{ dir, closed }];
  });
  const closed = [...new Set(needed.map((one) => one.closed))];
  return [
    // All is kept before anything is covered.
    ...needed.map(({ dir }, at) => `kept${at}=$(mktemp -d); mount --bind '${dir}' "$kept${at}"`),
    ...closed.map((dir) => `mount -t tmpfs -o mode=755 none '${dir}'`),
    ...needed.map(
      ({ dir }, at) => `mkdir -p '${dir}'; mount --move "$kept${at}" '${dir}'; rmdir "$kept${at}"`,
    ),
  ].join("\n");
}
