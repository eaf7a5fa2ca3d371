// From what an executor made to what counts: one transaction, and links in the output directory. Until the transaction is
// through, nothing that was made is believed.
import { basename, join } from "node:path";
import type { ArtifactId, ArtifactRow, BuildRow } from "../cache/index.js";
import { reached } from "../cache/steps.js";
import type { Linked } from "../cache/store.js";
import { isFree } from "./build/claims.js";
import type { Decider } from "./decide.js";
import type { StagedAction } from "./execute/executor.js";
import type { Action } from "./model.js";
import { isDiskImage } from "./names.js";
import { Exit, type Problem, type Result } from "./problem.js";
import type { Failure } from "./reason.js";
import { isOwnDoubtful, noteOwn, ownStamp, sameStamp } from "./sources/stamp.js";

/** How the run went: what a build row says. Times in milliseconds. */
export interface RunRecord {
  readonly started: number;
  readonly duration: number;
  readonly log: string;
}

/** Publishes what an action made, in one transaction. */
export function publish(
  decider: Decider,
  staged: StagedAction,
  made: Readonly<Record<string, ArtifactId>>,
  run: RunRecord,
): Readonly<Record<string, ArtifactId>> {
  const { action } = staged;
  const { index } = decider.context;
  const verdicts = action.outputs.filter(({ kind }) => kind === "verdict").map(({ name }) => [name, PASS.id]);
  const outputs = { ...(Object.fromEntries(verdicts) as Record<string, ArtifactId>), ...made };
  const { history } = decider;
  const replaces = history.before(action, staged.components)?.id ?? null;
  const row = buildRow(decider, staged, run, { status: "built", failure: null, replaces });
  index.transaction(() => {
    if (verdicts.length > 0) index.addArtifact(PASS);
    index.addBuild(row, staged.components, outputs);
    reached("recording", action.id);
  });
  reached("recorded", action.id);
  history.publish(new Map([[action, row]]));
  return outputs;
}

/** That a check passed: the same whatever it was about. */
const PASS: ArtifactRow = { id: "v:pass", kind: "verdict", size: 0, layer: null, parent: null, form: null };

/** Keeps a failed run's row, so that `why` and `log` know of it. */
export function recordFailure(
  decider: Decider,
  staged: StagedAction,
  failure: Failure,
  run: RunRecord,
): void {
  const { index } = decider.context;
  const end = { status: "failed", failure: JSON.stringify(failure), replaces: null } as const;
  const row = buildRow(decider, staged, run, end);
  index.transaction(() => index.addBuild(row, staged.components, {}));
}

/** Links the file outputs of an action into the output directory. Returns their paths, and which is a copy for want of links. */
export async function linkOutputs(
  decider: Decider,
  action: Action,
  outputs: Readonly<Record<string, ArtifactId>>,
): Promise<
  | { readonly paths: readonly string[]; readonly sizes: readonly number[]; readonly copied: string | null }
  | { readonly problem: Problem }
> {
  const rejected = decider.rejected(action, outputs);
  if (rejected?.kind === "rejected") {
    const message = `${rejected.target} is again what was rejected: ${rejected.because}`;
    return { problem: { exit: Exit.failed, message, hint: "change what it is made from" } };
  }
  const { index, store, project, datecode, facts } = decider.context;
  const paths: string[] = [];
  const sizes: number[] = [];
  let copied: string | null = null;
  for (const { output, path } of decider.outPaths(action)) {
    const id = outputs[output];
    if (id === undefined) continue;
    // It may have come while the action ran, or nobody could say before what is made.
    const free = index.link(path) === undefined ? await isFree(decider.context, path, id) : null;
    if (free?.ok === false) return { problem: free.problem };
    const [held, known] = [ownStamp(store.path(id)), index.stamp(store.path(id))];
    const linked = await decider.whole.linking(id, () => linkInto(decider, id, path));
    if (!linked.ok) return { problem: linked.problem };
    if (linked.value === "copy" && !isDiskImage(path)) copied ??= path;
    // Our own link changed the change time: nobody has to digest it again for that.
    const now = ownStamp(store.path(id));
    if (held !== null && now !== null && known !== undefined && sameStamp(held, known))
      noteOwn(index, store.path(id), known.digest, project.state, now);
    const stamp = ownStamp(path);
    if (stamp === null)
      return { problem: { exit: Exit.environment, message: `${path} vanished right after it was made` } };
    facts.file(path, stamp);
    const target = decider.targetOf(action, output);
    const { size, mtime, ino } = stamp;
    const ctime = isOwnDoubtful(path, stamp, project.state) ? NO_TIME : stamp.ctime;
    index.setLink({
      path,
      line: project.line,
      release: datecode,
      target,
      artifact: id,
      size,
      mtime,
      ctime,
      ino,
    });
    reached("linked", path);
    sizes.push(size);
    paths.push(path);
  }
  return { paths, sizes, copied };
}

/** Of a file that is digested when it is looked at next. */
const NO_TIME = -1;

async function linkInto(decider: Decider, id: ArtifactId, path: string): Promise<Result<Linked>> {
  const held = decider.out.hold(path);
  if (!held.ok) return held;
  try {
    const how = { diskImage: isDiskImage(path), shown: path };
    return await decider.context.store.linkOut(id, join(held.value.path, basename(path)), how);
  } finally {
    held.value.close();
  }
}

function buildRow(
  decider: Decider,
  staged: StagedAction,
  run: RunRecord,
  end: Pick<BuildRow, "status" | "failure" | "replaces">,
): BuildRow {
  const { project, datecode } = decider.context;
  return {
    id: staged.build,
    line: project.line,
    action: staged.action.id,
    key: staged.key,
    started: run.started,
    duration: run.duration,
    release: datecode,
    log: run.log,
    epoch: staged.epoch,
    ...end,
  };
}
