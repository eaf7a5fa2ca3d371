// Runs one prepared action: starts it in namespaces of its own, waits, stops it when asked, says how it
// ended. It does not know what the command does, how the stage was filled, or what becomes of the result.
//
// Chain: engine → [unshare --user …] → init.pl → process 1 → command. init.pl does itself what `setpriv
// --pdeathsig KILL -- unshare --mount --pid … --kill-child=SIGKILL` would do, and closes the moment in which
// the engine dies before that is armed.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { asError, fail, ok, type Problem, type Result } from "../problem.js";
import { ACTION_PATH } from "../tools.js";
import { inUserNamespace, type Ids } from "./ids.js";
import { mountWords, type Mount } from "./mounts.js";
import { Stopper } from "./stop.js";

export type { Mount } from "./mounts.js";

/** One command, ready to run. Paths are absolute. */
export interface Job {
  /** `.imagemake/stage/<build id>`. */
  readonly stage: string;
  /** Inside the stage. */
  readonly cwd: string;
  /** Where layers lie; the directory is current while mounting, so that their names stay short. */
  readonly layersDir: string;
  readonly argv: readonly string[];
  /** Complete: nothing of the engine's environment is added. */
  readonly env: Readonly<Record<string, string>>;
  /** Appended. An interactive command writes to the terminal instead. */
  readonly log: string;
  readonly mounts: readonly Mount[];
  /** Nodes under /dev beyond the standard ones, as paths or by name below it (see devices.ts). */
  readonly devices?: readonly string[];
  readonly network: boolean;
  readonly interactive: boolean;
  /** Milliseconds; null for no limit. */
  readonly timeoutMs: number | null;
  /** Milliseconds between TERM and KILL; ten seconds when left out. */
  readonly graceMs?: number;
}

/** How actions are kept apart, found by capability.ts. `root` is who root is inside. */
export type Isolation =
  | { readonly kind: "namespaces"; readonly root: "real" }
  | { readonly kind: "namespaces"; readonly root: "user-namespace"; readonly ids: Ids }
  | { readonly kind: "process-groups"; readonly why: string };

/**
 * How the command ended. What was sent TERM never counts as `exited`, whatever it returned. A `problem`
 * (exit 3): it could not be started, and did not run.
 */
export type Outcome =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "timeout" }
  | { readonly kind: "interrupted" }
  | { readonly kind: "problem"; readonly problem: Problem };

/** The asset beside the sources; nothing but TypeScript is copied into dist. */
const INIT = fileURLToPath(new URL("../../../engine/execute/init.pl", import.meta.url));

/**
 * Runs the job. `signal` asks it to stop: TERM, and KILL after the grace time; `now` does not wait. Must be
 * called from the main thread: the kernel kills the action when the thread that started it ends.
 */
export async function runJob(
  job: Job,
  how: Isolation,
  signal: AbortSignal,
  now?: AbortSignal,
): Promise<Outcome> {
  if (signal.aborted) return { kind: "interrupted" };
  const prepared = how.kind === "namespaces" ? inNamespaces(job, how) : inGroup(job);
  if (!prepared.ok) return { kind: "problem", problem: prepared.problem };
  const { argv, reports } = prepared.value;
  const started = start(job, prepared.value);
  if (!started.ok) return { kind: "problem", problem: started.problem };
  const child = started.value;
  const group = !reports && !job.interactive;
  const send = (name: NodeJS.Signals): void => (group ? toGroup(child, name) : void child.kill(name));
  const stopper = new Stopper(job.timeoutMs, job.graceMs, {
    ask: () => send("SIGTERM"),
    // init.pl kills its namespace and waits for the end of it; killed itself, it could not wait.
    force: () => send(reports ? "SIGUSR1" : "SIGKILL"),
    lastResort: () => send("SIGKILL"),
  });
  const reading = read(child);
  const end = await ended(child, signal, now, stopper);
  if (group) toGroup(child, "SIGKILL");
  if (end.error !== null)
    return problem(`could not be started: ${end.error.message}`, `is ${argv[0] ?? ""} installed?`);
  return outcome(job, reports ? await reading : null, end, stopper.because);
}

/** What is started, and whether it reports on descriptor 3. */
interface Prepared {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly reports: boolean;
}

function inNamespaces(job: Job, how: Isolation & { kind: "namespaces" }): Result<Prepared> {
  const mounts = mountWords(job.mounts, job.layersDir, how.root === "user-namespace");
  if (!mounts.ok) return mounts;
  const words = ["arch", process.arch, "layers", job.layersDir, "cwd", job.cwd];
  if (!job.network) words.push("offline");
  if (job.interactive) words.push("tty");
  for (const device of job.devices ?? []) words.push("device", device);
  const outside = how.root === "real" ? [] : inUserNamespace(how.ids);
  const argv = [...outside, "perl", INIT, String(process.pid), ...words, ...mounts.value, "--", ...job.argv];
  const env: Record<string, string> = { PATH: ACTION_PATH, LC_ALL: "C" };
  for (const [name, value] of Object.entries(job.env)) env[`+${name}`] = value;
  return ok({ argv, env, reports: true });
}

function inGroup(job: Job): Result<Prepared> {
  if (job.mounts.length > 0) {
    return fail(3, `${job.mounts[0]?.to ?? ""} cannot be mounted: this machine gives actions no namespaces`);
  }
  return ok({ argv: ["setpriv", "--pdeathsig", "KILL", "--", ...job.argv], env: job.env, reports: false });
}

/**
 * node's own spawn, not execa: that takes twice the engine's time an action (1.5 ms against 0.7), and all that
 * is wanted here is descriptors and a signal.
 */
function start(job: Job, { argv, env, reports }: Prepared): Result<ChildProcess> {
  let log: number | null = null;
  try {
    // The log is given away as a descriptor: with a pipe, whoever kept it open would hold us up.
    log = job.interactive ? null : openSync(job.log, "a", 0o644);
    const [stdin, out] = log === null ? (["inherit", "inherit"] as const) : (["ignore", log] as const);
    const child = spawn(argv[0] ?? "", argv.slice(1), {
      // init.pl goes to the working directory itself, and says so when it cannot.
      cwd: reports ? "/" : job.cwd,
      env,
      detached: !job.interactive,
      stdio: reports ? [stdin, out, out, "pipe"] : [stdin, out, out],
    });
    return ok(child);
  } catch (error) {
    return fail(3, `the action could not be started: ${asError(error).message}`);
  } finally {
    if (log !== null) closeSync(log);
  }
}

/** A group may be gone already. */
function toGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // Nobody left.
  }
}

/** How the started process ended; `error` when there never was one. */
interface End {
  readonly error: Error | null;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

function ended(
  child: ChildProcess,
  signal: AbortSignal,
  now: AbortSignal | undefined,
  stopper: Stopper,
): Promise<End> {
  return new Promise((resolve) => {
    const stop = (): void => stopper.stop("interrupted");
    const kill = (): void => stopper.kill();
    const finish = (end: End): void => {
      stopper.done();
      signal.removeEventListener("abort", stop);
      now?.removeEventListener("abort", kill);
      resolve(end);
    };
    signal.addEventListener("abort", stop);
    now?.addEventListener("abort", kill);
    child.once("error", (error) => finish({ error, status: null, signal: null }));
    child.once("exit", (status, by) => finish({ error: null, status, signal: by }));
  });
}

/** What init.pl reports. Its end of the pipe is never the command's, so it closes when process 1 has ended. */
function read(child: ChildProcess): Promise<string> {
  const pipe = child.stdio[3];
  if (!(pipe instanceof Readable)) return Promise.resolve("");
  return new Promise((resolve) => {
    let text = "";
    pipe.setEncoding("utf8");
    pipe.on("data", (chunk: string) => (text += chunk));
    pipe.once("error", () => resolve(text));
    pipe.once("close", () => resolve(text));
  });
}

/** `report` is what init.pl said, null where the command was started without it. */
function outcome(job: Job, report: string | null, end: End, because: Stopper["because"]): Outcome {
  if (because !== null) return { kind: because };
  const [word = "", rest = ""] = (report ?? "").split(/ (.*)/s);
  if (word === "exit") return { kind: "exited", status: Number(rest) };
  if (word === "signal") return { kind: "signal", signal: signalName(Number(rest)) };
  if (word === "problem") return problem(`got no namespace: ${rest}`);
  if (end.signal !== null) return { kind: "signal", signal: end.signal };
  if (report === null) return { kind: "exited", status: end.status ?? 0 };
  // Process 1 was killed from outside, and its keeper saw it go.
  if (end.status === 0) return { kind: "signal", signal: "SIGKILL" };
  return problem(`got no namespace; ${job.log} says why`);
}

const problem = (what: string, hint?: string): Outcome => ({
  kind: "problem",
  problem: { exit: 3, message: `the action ${what}`, ...(hint === undefined ? {} : { hint }) },
});

/** `SIGTERM` for 15. Real-time signals have no name: `SIG40`. */
function signalName(number: number): string {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return known?.[0] ?? `SIG${number}`;
}
