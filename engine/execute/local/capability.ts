// Finds out what this machine allows, by trying it: namespaces for actions, and a directory that can carry
// overlays. It reads no version numbers and knows no distribution.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { problemIn } from "../../../cache/io.js";
import { makeTrial, trialsIn } from "../../../cache/layout.js";
import { adviceFor, codeSaid } from "../../../cache/limits.js";
import { asError, Exit, fail, ok, type Problem, type Result } from "../../problem.js";
import { ACTION_PATH } from "../../tools.js";
import { ownIds } from "./ids.js";
import { removeTree } from "./remove.js";
import { WORK_INSIDE } from "./within.js";
import { runJob, type Isolation, type Job, type Mount, type Outcome } from "./sandbox.js";

let known: Promise<Result<Isolation>> | undefined;

/**
 * The best isolation that works here, tried once in a process (about 10 ms) in `dir`, which exists and can be written.
 * A Problem (exit 3) where there is none: actions never run with less by themselves.
 */
export const probeIsolation = (dir: string): Promise<Result<Isolation>> => (known ??= probe(dir));

async function probe(dir: string): Promise<Result<Isolation>> {
  let refused: Refusal = { why: "", advice: null };
  for (const how of candidates()) {
    const tried = await tryOut(dir, how, ["true"], (trial) => [
      { kind: "bind", from: trial, to: join(trial, "bound"), readOnly: true },
    ]);
    if (tried.kind === "works") return ok(how);
    // With less isolation it would not work either, and that is not what helps.
    if (tried.kind === "scarce") return { ok: false, problem: tried.problem };
    refused = tried;
  }
  return fail(
    Exit.environment,
    `actions cannot be isolated here: ${refused.why}`,
    `${refused.advice ?? "allow namespaces to this user or container"}; --no-isolation runs actions with the network and ` +
      "the machine's /dev within their reach, and marks what they make",
  );
}

function candidates(): readonly Isolation[] {
  if (process.getuid?.() === 0) return [{ kind: "namespaces", root: "real" }];
  const one = { kind: "namespaces", root: "user-namespace", ids: "one" } as const;
  return ownIds() === "all" ? [{ ...one, ids: "all" }, one] : [one];
}

/** An attribute that whoever may make trees may set, in a user namespace too: `cap_net_raw+ep`. */
const ATTRIBUTE = /* sh */ `setfattr -n security.capability -v 0x0100000200200000000000000000000000000000`;
/** With all that a layer needs of its upper directory: whiteouts, attributes, and directories that hide others. */
const OVERLAY = /* sh */ `${ATTRIBUTE} merged/old; rm merged/old; echo x > merged/new; test -c upper/old -a -f upper/new
rm -r merged/dir; mkdir merged/dir; test -z "$(ls merged/dir)"`;

/**
 * Whether upper directories of overlays can lie in `dir` (writable, exists; not where it is itself on an overlay, as in
 * most containers), and why not. A Problem where trees cannot be made there: its file system is full, or does not hold
 * extended attributes, and tools that find none make another tree (a program that is setuid instead of having a capability).
 */
export async function canHoldTrees(
  dir: string,
  how: Isolation,
  layered: boolean,
): Promise<Result<{ readonly overlays: boolean; readonly because: string }>> {
  let because = "overlays need namespaces";
  if (layered && how.kind === "namespaces") {
    const tried = await tryOut(dir, how, ["sh", "-euc", OVERLAY], (trial) => {
      for (const name of ["layer/dir", "upper", "work", "merged"])
        mkdirSync(join(trial, name), { recursive: true });
      for (const name of ["old", "dir/old"]) writeFileSync(join(trial, "layer", name), "");
      const [upper, work, to] = [join(trial, "upper"), join(trial, "work"), join(trial, "merged")];
      return [{ kind: "overlay", layers: ["layer"], upper, work, to }];
    });
    if (tried.kind === "works") return ok({ overlays: true, because: "" });
    if (tried.kind === "scarce") return { ok: false, problem: tried.problem };
    because = tried.why;
  }
  // Who is nobody's root cannot set any.
  const able = how.kind === "namespaces" || process.getuid?.() === 0;
  const tried = able
    ? await tryOut(dir, how, ["sh", "-euc", /* sh */ `: > file; ${ATTRIBUTE} file`], () => [])
    : null;
  if (tried?.kind === "scarce") return { ok: false, problem: tried.problem };
  return tried?.kind === "refused"
    ? fail(
        Exit.environment,
        `the file system of ${dir} does not hold the extended attributes of trees (${tried.why})`,
        "let .imagemake be a link to an empty directory on one that does (ext4, xfs, btrfs, tmpfs)",
      )
    : ok({ overlays: false, because });
}

/** Removes what is left in `dir` of trials whose process was killed. */
export async function clearTrials(dir: string): Promise<void> {
  for (const { path, process: pid } of trialsIn(dir))
    if (!existsSync(`/proc/${pid}`)) await removeTree(path, { unmount: true });
}

/** What the machine said no to, and what may help. */
interface Refusal {
  readonly why: string;
  readonly advice: string | null;
}

/** How a trial went. `scarce`: nothing is known of what was tried, because something ran out. */
type Tried =
  | { readonly kind: "works" }
  | ({ readonly kind: "refused" } & Refusal)
  | { readonly kind: "scarce"; readonly problem: Problem };

/** Runs `argv` in a new directory below `dir`, with mounts; deletes the directory. */
async function tryOut(
  dir: string,
  how: Isolation,
  argv: readonly string[],
  mounts: (trial: string) => readonly Mount[],
): Promise<Tried> {
  let trial: string | undefined;
  try {
    trial = makeTrial(dir);
    const log = join(trial, "log");
    const job: Job = {
      ...{ stage: trial, cwd: trial, layersDir: trial, argv, log, mounts: mounts(trial) },
      ...(how.kind === "namespaces" ? { place: { from: trial, to: WORK_INSIDE } } : {}),
      ...{ env: { PATH: ACTION_PATH }, network: false, interactive: false, timeoutMs: 10_000 },
    };
    const outcome = await runJob(job, how, new AbortController().signal);
    if (outcome.kind === "exited" && outcome.status === 0) return { kind: "works" };
    return judge(dir, reason(outcome, log));
  } catch (error) {
    const problem = problemIn(error) ?? { exit: Exit.environment, message: asError(error).message };
    return { kind: "scarce", problem };
  } finally {
    if (trial !== undefined) await removeTree(trial);
  }
}

/** A limit of namespaces has the words of a full disk (unshare(2)). */
const NAMESPACES_UP = /unshare(?: failed)?: No space left on device/;

function judge(dir: string, why: string): Tried {
  if (NAMESPACES_UP.test(why))
    return {
      kind: "refused",
      why,
      advice: "raise the limits of namespaces (sysctl user.max_user_namespaces and the like)",
    };
  const code = codeSaid(why);
  if (code === null) return { kind: "refused", why, advice: null };
  const hint = adviceFor(code, dir);
  const message = `an action cannot be tried in ${dir}: ${why}`;
  return {
    kind: "scarce",
    problem: { exit: Exit.environment, message, ...(hint === undefined ? {} : { hint }) },
  };
}

function reason(outcome: Outcome, log: string): string {
  const [said] = existsSync(log) ? readFileSync(log, "utf8").split("\n") : [];
  if (said !== undefined && said !== "") return said;
  if (outcome.kind === "problem") return outcome.problem.message;
  return outcome.kind === "exited"
    ? `the trial ended with status ${outcome.status}`
    : `the trial ended with ${outcome.kind}`;
}
