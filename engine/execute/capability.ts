// Finds out what this machine allows, by trying it: namespaces for actions, and a directory that can carry
// overlays. It reads no version numbers and knows no distribution.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asError, fail, ok, type Result } from "../problem.js";
import { ACTION_PATH } from "../tools.js";
import { ownIds } from "./ids.js";
import { removeTree } from "./remove.js";
import { runJob, type Isolation, type Job, type Mount, type Outcome } from "./sandbox.js";

let known: Promise<Result<Isolation>> | undefined;

/**
 * The best isolation that works here, tried once in a process (about 10 ms) in `dir`, which exists and can be written.
 * A Problem (exit 3) where there is none: actions never run with less by themselves.
 */
export const probeIsolation = (dir: string): Promise<Result<Isolation>> => (known ??= probe(dir));

async function probe(dir: string): Promise<Result<Isolation>> {
  let why = "";
  for (const how of candidates()) {
    const tried = await tryOut(dir, how, ["true"], (trial) => [
      { kind: "bind", from: trial, to: join(trial, "bound"), readOnly: true },
    ]);
    if (tried.ok) return ok(how);
    why = tried.problem.hint ?? tried.problem.message;
  }
  return fail(
    3,
    `actions cannot be isolated here: ${why}`,
    "allow namespaces to this user or container; --no-isolation runs actions with the network and the machine's /dev " +
      "within their reach, and marks what they make",
  );
}

function candidates(): readonly Isolation[] {
  if (process.getuid?.() === 0) return [{ kind: "namespaces", root: "real" }];
  const one = { kind: "namespaces", root: "user-namespace", ids: "one" } as const;
  return ownIds() === "all" ? [{ ...one, ids: "all" }, one] : [one];
}

/**
 * Whether upper directories of overlays can lie in `dir` (writable, exists): not where it is itself on an
 * overlay, as in most containers. A Problem says why not.
 */
export function canOverlay(dir: string, how: Isolation): Promise<Result<void>> {
  if (how.kind === "process-groups") return Promise.resolve(fail(3, "overlays need namespaces"));
  const script =
    "test -e merged/old && rm merged/old && echo x > merged/new && test -c upper/old -a -f upper/new";
  return tryOut(dir, how, ["sh", "-eu", "-c", script], (trial) => {
    for (const name of ["layer", "upper", "work", "merged"]) mkdirSync(join(trial, name));
    writeFileSync(join(trial, "layer", "old"), "");
    const [upper, work, to] = [join(trial, "upper"), join(trial, "work"), join(trial, "merged")];
    return [{ kind: "overlay", layers: ["layer"], upper, work, to }];
  });
}

/** Removes what is left in `dir` of trials whose process was killed. */
export async function clearTrials(dir: string): Promise<void> {
  for (const name of readdirSync(dir)) {
    const pid = /^probe-(\d+)-\w{6}$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      await removeTree(join(dir, name), { unmount: true });
  }
}

/** Runs `argv` in a new directory below `dir`, with mounts; deletes the directory. */
async function tryOut(
  dir: string,
  how: Isolation,
  argv: readonly string[],
  mounts: (trial: string) => readonly Mount[],
): Promise<Result<void>> {
  let trial: string | undefined;
  try {
    trial = mkdtempSync(join(dir, `probe-${process.pid}-`));
    const log = join(trial, "log");
    const job: Job = {
      ...{ stage: trial, cwd: trial, layersDir: trial, argv, log, mounts: mounts(trial) },
      ...{ env: { PATH: ACTION_PATH }, network: false, interactive: false, timeoutMs: 10_000 },
    };
    const outcome = await runJob(job, how, new AbortController().signal);
    if (outcome.kind === "exited" && outcome.status === 0) return ok(undefined);
    return fail(3, `a trial in ${dir} failed`, reason(outcome, log));
  } catch (error) {
    return fail(3, `a trial in ${dir} failed`, asError(error).message);
  } finally {
    if (trial !== undefined) await removeTree(trial);
  }
}

function reason(outcome: Outcome, log: string): string {
  const [said] = existsSync(log) ? readFileSync(log, "utf8").split("\n") : [];
  if (said !== undefined && said !== "") return said;
  return outcome.kind === "problem" ? outcome.problem.message : `the trial ended with ${outcome.kind}`;
}
