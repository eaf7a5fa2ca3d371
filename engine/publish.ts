// From a finished action to artifacts: guards, digest, rename into the store, one transaction, and links in
// the output directory. Until the transaction is through, nothing that was made is believed.
import { basename, join } from "node:path";
import { lstatSync, statSync } from "node:fs";
import { hashFile } from "../cache/hash.js";
import type { ArtifactId, ArtifactRow, BuildRow, Index } from "../cache/index.js";
import { deleteLayer } from "../cache/layers.js";
import { reached } from "../cache/steps.js";
import type { Linked } from "../cache/store.js";
import { isFree } from "./build/claims.js";
import type { Decider } from "./decide.js";
import { checkFileGuards } from "./execute/guards.js";
import { displacedBy, findFile } from "./execute/local/outputs.js";
import { removeTree } from "./execute/local/remove.js";
import type { Isolation } from "./execute/local/sandbox.js";
import type { Staged, StagedOutput } from "./execute/staged.js";
import type { Action } from "./model.js";
import { isDiskImage } from "./names.js";
import type { Notice } from "./notice.js";
import { asError, ok, type Problem, type Result } from "./problem.js";
import type { Failure } from "./reason.js";
import { isOwnDoubtful, noteOwn, ownStamp, sameStamp } from "./sources/stamp.js";
import { sealTree } from "./tree/seal.js";

/** What publishing needs beyond the decider's context. */
export interface PublishContext {
  readonly decider: Decider;
  readonly isolation: Isolation;
}

/** How the run went: what a build row says. Times in milliseconds. */
export interface RunRecord {
  readonly started: number;
  readonly duration: number;
  readonly log: string;
}

/** The artifacts, or what forbade them. */
export type Published =
  | {
      readonly kind: "published";
      readonly outputs: Readonly<Record<string, ArtifactId>>;
      /** What a person should know of the outputs. */
      readonly notices: readonly Notice[];
    }
  | { readonly kind: "failure"; readonly failure: Failure };

/** Publishes every output of a finished action, or none. */
export async function publish(
  context: PublishContext,
  action: Action,
  staged: Staged,
  run: RunRecord,
): Promise<Published> {
  const { index } = context.decider.context;
  const displaced = displacedBy(staged);
  if (displaced !== null) {
    const { output, at } = displaced;
    const message = `the action put something else in the place of the directory ${at}: it must leave that as it is`;
    return { kind: "failure", failure: { kind: "guard", output, message } };
  }
  const artifacts: ArtifactRow[] = [];
  const outputs: Record<string, ArtifactId> = {};
  const notices: Notice[] = [];
  for (const output of action.outputs) {
    if (output.kind === "verdict") {
      artifacts.push({ id: "v:pass", kind: "verdict", size: 0, layer: null, parent: null, form: null });
      outputs[output.name] = "v:pass";
    }
  }
  for (const wanted of staged.outputs) {
    const stored =
      wanted.output.kind === "tree"
        ? await storeTree(context, action, staged, wanted)
        : await storeFile(context, action, staged, wanted);
    if ("failure" in stored) return { kind: "failure", failure: stored.failure };
    artifacts.push(stored.row);
    for (const notice of stored.notices) notices.push(notice);
    outputs[wanted.output.name] = stored.row.id;
  }
  reached("outputs stored", action.id);
  const { history } = context.decider;
  const replaces = history.before(action, staged.components)?.id ?? null;
  const row = buildRow(context.decider, action, staged, run, {
    status: "built",
    failure: null,
    replaces,
  });
  index.transaction(() => {
    for (const artifact of artifacts) index.addArtifact(artifact);
    index.addBuild(row, staged.components, outputs);
    reached("recording", action.id);
  });
  reached("recorded", action.id);
  history.publish(new Map([[action, row]]));
  return { kind: "published", outputs, notices };
}

/** Keeps a failed run's row, so that `why` and `log` know of it. */
export function recordFailure(
  decider: Decider,
  action: Action,
  staged: Staged,
  failure: Failure,
  run: RunRecord,
): void {
  const { index } = decider.context;
  const end = { status: "failed", failure: JSON.stringify(failure), replaces: null } as const;
  const row = buildRow(decider, action, staged, run, end);
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
    return { problem: { exit: 1, message, hint: "change what it is made from" } };
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
    const linked = await linkInto(decider, id, path);
    if (!linked.ok) return { problem: linked.problem };
    if (linked.value === "copy" && !isDiskImage(path)) copied ??= path;
    // Our own link changed the change time: nobody has to digest it again for that.
    const now = ownStamp(store.path(id));
    if (held !== null && now !== null && known !== undefined && sameStamp(held, known))
      noteOwn(index, store.path(id), known.digest, project.state, now);
    const stamp = ownStamp(path);
    if (stamp === null) return { problem: { exit: 3, message: `${path} vanished right after it was made` } };
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

type Stored =
  { readonly row: ArtifactRow; readonly notices: readonly Notice[] } | { readonly failure: Failure };

async function storeFile(
  context: PublishContext,
  action: Action,
  staged: Staged,
  wanted: StagedOutput,
): Promise<Stored> {
  const { index, store, datecode, project } = context.decider.context;
  const found = findFile(action, staged, wanted, datecode);
  if (found.kind === "failure") return found;
  const wrong = checkFileGuards(found.path, action.guards);
  if (wrong !== null) return { failure: { kind: "guard", output: wanted.output.name, message: wrong } };
  try {
    const stats = statSync(found.path);
    const executable = (stats.mode & 0o100) !== 0;
    const digest = await hashFile(found.path, stats.size);
    const id = `${executable ? "x" : "f"}:${digest}`;
    reached("digested", action.id);
    const added = await store.addFile(found.path, id);
    if (!added.ok) return { failure: { kind: "problem", problem: added.problem } };
    reached("stored", action.id);
    noteOwn(index, store.path(id), digest, project.state);
    return {
      row: { id, kind: "file", size: stats.size, layer: null, parent: null, form: null },
      notices: [],
    };
  } catch (error) {
    return { failure: ioFailure(error) };
  }
}

async function storeTree(
  context: PublishContext,
  action: Action,
  staged: Staged,
  wanted: StagedOutput,
): Promise<Stored> {
  const { project } = context.decider.context;
  const { whole } = context.decider;
  const stats = lstatSync(wanted.path, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) {
    const did = stats === undefined ? "removed it" : "put something else in its place";
    const message = `$OUT was a directory, and the command ${did}`;
    return { failure: { kind: "guard", output: wanted.output.name, message } };
  }
  try {
    const request = {
      project,
      isolation: context.isolation,
      upper: wanted.path,
      parent: wanted.parent,
      epoch: staged.epoch,
      guards: action.guards,
      output: wanted.output.name,
      scratch: staged.dir,
    };
    const sealed = await sealTree(request);
    if ("failure" in sealed) return sealed;
    if (!sealed.kept) {
      await whole.note(sealed.row);
      return sealed;
    }
    // A layer of that name lay there: it must be what this action made, on trees that are known. The same tree may have been
    // made on others before the index was lost.
    if (isChained(context.decider.context.index, sealed.row) && (await whole.layerHolds(sealed.row)))
      return sealed;
    const { layer } = sealed.row;
    const removed = layer === null ? ok(undefined) : await deleteLayer(project.layers, layer, removeTree);
    if (!removed.ok) return { failure: { kind: "problem", problem: removed.problem } };
    const again = await sealTree(request);
    if (!("failure" in again)) await whole.note(again.row);
    return again;
  } catch (error) {
    return { failure: ioFailure(error) };
  }
}

/** Whether every tree beneath is known. */
function isChained(index: Index, { parent }: ArtifactRow): boolean {
  for (let at = parent; at !== null;) {
    const row = index.artifact(at);
    if (row?.layer === undefined || row.layer === null) return false;
    at = row.parent;
  }
  return true;
}

const ioFailure = (error: unknown): Failure => ({
  kind: "problem",
  problem: { exit: 3, message: `the output could not be stored: ${asError(error).message}` },
});

function buildRow(
  decider: Decider,
  action: Action,
  staged: Staged,
  run: RunRecord,
  end: Pick<BuildRow, "status" | "failure" | "replaces">,
): BuildRow {
  const { project, datecode } = decider.context;
  return {
    id: staged.id,
    line: project.line,
    action: action.id,
    key: staged.key,
    started: run.started,
    duration: run.duration,
    release: datecode,
    log: run.log,
    epoch: staged.epoch,
    ...end,
  };
}
