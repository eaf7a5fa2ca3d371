// Runs one prepared action: starts it in namespaces of its own, waits, stops it when asked, says how it ended.
//
// Chain: engine → [unshare --user …] → init.pl → process 1 → command. init.pl does itself what `setpriv
// --pdeathsig KILL -- unshare --mount --pid … --kill-child=SIGKILL` would do, and closes the moment in which
// the engine dies before that is armed.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { PACKAGE } from "../../../cache/installed.js";
import { saidOf } from "../../../cache/io.js";
import { reached } from "../../../cache/steps.js";
import { adviceFor, codeSaid } from "../../../cache/limits.js";
import { tooLong, tooLongTogether, unheld, variableWord } from "../../shell.js";
import { asError, Exit, fail, ok, type Problem, type Result } from "../../problem.js";
import { ACTION_PATH } from "../../tools.js";
import { inUserNamespace, type Ids } from "./ids.js";
import { mountOf, type ActionMount } from "./left-mounted.js";
import { makePlain } from "./plain.js";
import { mountWords, type Mount } from "./mounts.js";
import { reportsOf, type Started, type StartedEnd, Zygote } from "./zygote.js";
import { type Stripped } from "./plain.js";
import { Stopper, stopsWithUs } from "./stop.js";

export type { Mount } from "./mounts.js";

/** One command, ready to run. Paths are absolute. */
export interface Job {
  /** `.imagemake/stage/<build id>`. */
  readonly stage: string;
  /** The root directory; the host's when left out. */
  readonly root?: string;
  /** Inside the stage, as it is seen from the root directory. */
  readonly cwd: string;
  /** A directory of the stage that is seen at an entry of the host's root directory, whether that has such an entry or not. */
  readonly place?: { readonly from: string; readonly to: string };
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
  /** Processors whose programs are emulated, as QEMU calls them. */
  readonly emulated?: readonly string[];
  /** Files, or directories of files, that get rid of their extended attributes when the command succeeds; relative to `cwd`. */
  readonly plain?: readonly string[];
  readonly network: boolean;
  readonly interactive: boolean;
  /** Milliseconds; null for no limit. */
  readonly timeoutMs: number | null;
  /** Milliseconds between TERM and KILL; ten seconds when left out. */
  readonly graceMs?: number;
}

/**
 * How actions are kept apart, found by capability.ts. `root` is who root is inside. Process groups alone are what a
 * person asks for with --no-isolation: the network and the host's /dev are within reach, and trees are copied.
 */
export type Isolation =
  | { readonly kind: "namespaces"; readonly root: "real" }
  | { readonly kind: "namespaces"; readonly root: "user-namespace"; readonly ids: Ids }
  | { readonly kind: "process-groups" };

/**
 * How the command ended. What was sent TERM never counts as `exited`, whatever it returned. A `problem`
 * (exit 3): it could not be started, and did not run.
 */
export type Outcome =
  | ({ readonly kind: "exited"; readonly status: number } & Left)
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "timeout" }
  | { readonly kind: "interrupted" }
  | { readonly kind: "problem"; readonly problem: Problem };

/** What a command that succeeded left behind, beside its outputs' bytes. */
export interface Left {
  readonly stripped: readonly Stripped[];
  readonly mounts: readonly ActionMount[];
}

/** The asset beside the sources; nothing but TypeScript is copied into dist. */
const INIT = fileURLToPath(new URL("engine/execute/local/init.pl", PACKAGE));

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
  const long = longest(job);
  if (long !== null) return problem(`cannot be started: ${long}`, "files can be as long as one likes");
  const begun = how.kind === "namespaces" ? inNamespaces(job, how) : inGroup(job);
  if (!begun.ok) return { kind: "problem", problem: begun.problem };
  const started = begun.value;
  const stopper = new Stopper(job.timeoutMs, job.graceMs, {
    ask: () => started.kill("SIGTERM"),
    // init.pl kills its namespace and waits for the end of it; killed itself, it could not wait.
    force: () => started.kill(how.kind === "namespaces" ? "SIGUSR1" : "SIGKILL"),
    lastResort: () => started.kill("SIGKILL"),
  });
  const goesOn = stopsWithUs({
    suspend: () => {
      stopper.suspend();
      // init.pl stops its namespace; a group has nobody who would.
      started.kill(how.kind === "namespaces" ? "SIGTSTP" : "SIGSTOP");
    },
    resume: () => {
      started.kill("SIGCONT");
      stopper.resume();
    },
  });
  running += 1;
  reached("started", job.stage);
  const end = await stoppable(started, signal, now, stopper).finally(() => {
    running -= 1;
    goesOn();
  });
  reached("ended", job.stage);
  if (end.error !== null) return notStarted(job, end.error.message);
  return outcome(job, end, stopper.because);
}

let running = 0;

/** How many commands run. */
export const jobsRunning = (): number => running;

/** What of a job no kernel hands to a program, and why; null where all can be. */
function longest({ argv, env }: Job): string | null {
  const words = argv.map((word) => ["a word of its command", word] as const);
  const variables = Object.entries(env).map(
    ([name, value]) => [`its variable ${name}`, variableWord(name, value)] as const,
  );
  const all = [...words, ...variables];
  for (const [what, text] of all) {
    const why = unheld(text) ?? tooLong(text);
    if (why !== null) return `${what} has ${why}`;
  }
  const together = tooLongTogether(all.map(([, text]) => text));
  if (together === null) return null;
  const [most] = all.reduce((one, other) => (other[1].length > one[1].length ? other : one));
  return `its command and its variables have ${together}; the longest is ${most}`;
}

/** One zygote for each way into a user namespace, and one for real root. */
const zygotes = new Map<string, Zygote>();

function inNamespaces(job: Job, how: Isolation & { kind: "namespaces" }): Result<Started> {
  const mounts = mountWords(job.mounts, job.layersDir, how.root === "user-namespace");
  if (!mounts.ok) return mounts;
  const setting = ["arch", process.arch, "layers", job.layersDir, "cwd", job.cwd];
  if (!job.network) setting.push("offline");
  if (job.interactive) setting.push("tty");
  if (job.root !== undefined) setting.push("root", job.root);
  if (job.place !== undefined) setting.push("place", job.place.from, job.place.to);
  for (const cpu of job.emulated ?? []) setting.push("emulate", cpu);
  for (const path of job.plain ?? []) setting.push("plain", path);
  for (const device of job.devices ?? []) setting.push("device", device);
  const words = [...setting, ...mounts.value, "--", ...job.argv];
  const outside = how.root === "real" ? [] : inUserNamespace(how.ids);
  const perl = [...outside, "perl", INIT, String(process.pid)];
  const base = { PATH: ACTION_PATH, LC_ALL: "C" };
  if (job.interactive) {
    // The terminal is handed down from parent to child, so that this one gets a perl of its own.
    const env = Object.fromEntries(Object.entries(job.env).map(([name, value]) => [`+${name}`, value]));
    return start(job, [...perl, ...words], { ...base, ...env }, true);
  }
  const id = outside.join(" ");
  const zygote = zygotes.get(id) ?? new Zygote([...perl, "serve", process.arch], base);
  zygotes.set(id, zygote);
  return ok(zygote.start({ log: job.log, env: job.env, words }));
}

function inGroup(job: Job): Result<Started> {
  if (job.mounts.length > 0) {
    return fail(
      Exit.environment,
      `${job.mounts[0]?.to ?? ""} cannot be mounted without namespaces`,
      "run it without --no-isolation",
    );
  }
  return start(job, ["setpriv", "--pdeathsig", "KILL", "--", ...job.argv], job.env, false);
}

/**
 * Starts a process for this action alone. node's own spawn, not execa: that takes twice the engine's time (1.5 ms
 * against 0.7), and all that is wanted here is descriptors and a signal.
 */
function start(
  job: Job,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  reports: boolean,
): Result<Started> {
  let log: number | null = null;
  // The caller's is not the action's.
  const umask = process.umask(0o022);
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
    const group = !reports && !job.interactive;
    const kill = (name: NodeJS.Signals): void => (group ? toGroup(child, name) : void child.kill(name));
    return ok({ kill, ended: ended(child, reports).finally(() => group && toGroup(child, "SIGKILL")) });
  } catch (error) {
    return fail(Exit.environment, `the action could not be started: ${asError(error).message}`);
  } finally {
    process.umask(umask);
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

/** Waits for the end, and stops the action when asked to. */
async function stoppable(
  started: Started,
  signal: AbortSignal,
  now: AbortSignal | undefined,
  stopper: Stopper,
): Promise<StartedEnd> {
  const stop = (): void => stopper.stop("interrupted");
  const kill = (): void => stopper.kill();
  signal.addEventListener("abort", stop);
  now?.addEventListener("abort", kill);
  const end = await started.ended;
  stopper.done();
  signal.removeEventListener("abort", stop);
  now?.removeEventListener("abort", kill);
  return end;
}

async function ended(child: ChildProcess, reports: boolean): Promise<StartedEnd> {
  const reading = reports ? read(child) : null;
  const end = await new Promise<Omit<StartedEnd, "report">>((resolve) => {
    child.once("error", (error) => resolve({ error, status: null, signal: null }));
    child.once("exit", (status, signal) => resolve({ error: null, status, signal }));
  });
  return { ...end, report: end.error === null ? await reading : null };
}

/** What init.pl reports. Its end of the pipe is never the command's, so it closes when process 1 has ended. */
function read(child: ChildProcess): Promise<string> {
  const pipe = reportsOf(child);
  if (pipe === null) return Promise.resolve("");
  return new Promise((resolve) => {
    let text = "";
    pipe.setEncoding("utf8");
    pipe.on("data", (chunk: string) => (text += chunk));
    pipe.once("error", () => resolve(text));
    pipe.once("close", () => resolve(text));
  });
}

function outcome(job: Job, end: StartedEnd, because: Stopper["because"]): Outcome {
  const { report } = end;
  if (because !== null) return { kind: because };
  const lines = (report ?? "").split("\n");
  const [word = "", rest = ""] = (lines.pop() ?? "").split(/ (.*)/s);
  if (word === "exit") {
    const [stripped, mounts] = [lines.flatMap(strippedOf), lines.flatMap(mountOf)];
    return { kind: "exited", status: Number(rest), stripped, mounts };
  }
  if (word === "signal") return { kind: "signal", signal: signalName(Number(rest)) };
  if (word === "problem") return notStarted(job, rest);
  if (end.signal !== null) return { kind: "signal", signal: end.signal };
  if (report === null) {
    const status = end.status ?? 0;
    const stripped = status === 0 ? makePlain(job.cwd, job.plain ?? []) : [];
    return { kind: "exited", status, stripped, mounts: [] };
  }
  // Process 1 was killed from outside, and its keeper saw it go.
  if (end.status === 0) return { kind: "signal", signal: "SIGKILL" };
  return problem(`got no namespace; ${job.log} says why`);
}

/** In the words of init.pl. */
function notStarted({ stage }: Job, why: string): Outcome {
  if (why.startsWith("unshare: ")) return problem(`got no namespace: ${why}`);
  const code = codeSaid(why);
  // Node's own words, not a program's.
  const [, spawned] = /^spawn \S+ (E[A-Z]+)$/.exec(why) ?? [];
  const words = spawned === undefined ? why : saidOf(Object.assign(new Error(why), { code: spawned }));
  return problem(`could not be started: ${words}`, code === null ? undefined : adviceFor(code, stage));
}

/** A line `plain FILE` with the names of attributes, between NULs. */
function strippedOf(line: string): readonly Stripped[] {
  const [path = "", ...names] = line.split("\0");
  return path.startsWith("plain ") ? [{ path: path.slice("plain ".length), names }] : [];
}

const problem = (what: string, hint?: string): Outcome => ({
  kind: "problem",
  problem: { exit: Exit.environment, message: `the action ${what}`, ...(hint === undefined ? {} : { hint }) },
});

/** `SIGTERM` for 15. Real-time signals have no name: `SIG40`. */
function signalName(number: number): string {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return known?.[0] ?? `SIG${number}`;
}
