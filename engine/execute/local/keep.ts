// From what a finished action left in its stage to artifacts in the store: found, guarded, digested, taken by rename. All of
// its outputs get rows, or none does: what was taken before another failed is nobody's, and gc's.
import { lstatSync, statSync } from "node:fs";
import { hashFile } from "../../../cache/hash.js";
import type { ArtifactId, ArtifactRow, Index } from "../../../cache/index.js";
import { deleteLayer } from "../../../cache/layers.js";
import { reached } from "../../../cache/steps.js";
import { fileId } from "../../../cache/store.js";
import type { Notice } from "../../notice.js";
import { asError, Exit, ok } from "../../problem.js";
import type { Failure } from "../../reason.js";
import { noteOwn } from "../../sources/stamp.js";
import { sealTree } from "../../tree/seal.js";
import type { Whole } from "../../whole.js";
import type { Outcome, StagedAction } from "../executor.js";
import { checkFileGuards } from "../guards.js";
import { displacedBy, findFile, type PlacedFile } from "./outputs.js";
import type { Placed, PlaceContext, PlacedOutput } from "./place.js";
import { removeTree } from "./remove.js";

/** Where outputs go. */
export type KeepContext = Pick<PlaceContext, "layout" | "index" | "store" | "isolation"> & {
  readonly whole: Whole;
};

/** Keeps every output of a finished action, or says what forbids it. */
export async function keepOutputs(
  context: KeepContext,
  staged: StagedAction,
  placed: Placed,
): Promise<Extract<Outcome, { kind: "made" }> | Failure> {
  const displaced = displacedBy(placed);
  if (displaced !== null) {
    const { output, at } = displaced;
    const message = `the action put something else in the place of the directory ${at}: it must leave that as it is`;
    return { kind: "guard", output, message };
  }
  const rows: ArtifactRow[] = [];
  const outputs: Record<string, ArtifactId> = {};
  const notices: Notice[] = [];
  for (const wanted of placed.outputs) {
    const { output } = wanted;
    const kept =
      output.kind === "tree"
        ? await keepTree(context, staged, placed, wanted)
        : await keepFile(context, staged, placed, { ...wanted, output });
    if ("failure" in kept) return kept.failure;
    for (const notice of kept.notices) notices.push(notice);
    rows.push(kept.row);
    outputs[output.name] = kept.row.id;
  }
  reached("outputs stored", staged.action.id);
  const { index } = context;
  index.transaction(() => {
    for (const row of rows) index.addArtifact(row);
  });
  return { kind: "made", outputs, notices };
}

type Kept =
  { readonly row: ArtifactRow; readonly notices: readonly Notice[] } | { readonly failure: Failure };

async function keepFile(
  { index, layout, store }: KeepContext,
  staged: StagedAction,
  placed: Placed,
  wanted: PlacedFile,
): Promise<Kept> {
  const { action } = staged;
  const found = findFile(staged, placed.work, wanted);
  if (found.kind === "failure") return found;
  const wrong = checkFileGuards(found.path, action.guards);
  if (wrong !== null) return { failure: { kind: "guard", output: wanted.output.name, message: wrong } };
  try {
    const stats = statSync(found.path);
    const digest = await hashFile(found.path, stats.size);
    const id = fileId(digest, (stats.mode & 0o100) !== 0);
    reached("digested", action.id);
    const added = await store.addFile(found.path, id);
    if (!added.ok) return { failure: { kind: "problem", problem: added.problem } };
    reached("stored", action.id);
    noteOwn(index, store.path(id), digest, layout.state);
    return {
      row: { id, kind: "file", size: stats.size, layer: null, parent: null, form: null },
      notices: [],
    };
  } catch (error) {
    return { failure: ioFailure(error) };
  }
}

async function keepTree(
  context: KeepContext,
  staged: StagedAction,
  placed: Placed,
  { output, path, parent }: PlacedOutput,
): Promise<Kept> {
  const { index, isolation, layout, whole } = context;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) {
    const did = stats === undefined ? "removed it" : "put something else in its place";
    const message = `$OUT was a directory, and the command ${did}`;
    return { failure: { kind: "guard", output: output.name, message } };
  }
  try {
    const request = {
      ...{ project: layout, isolation, upper: path, parent, epoch: staged.epoch },
      ...{ guards: staged.action.guards, output: output.name, scratch: placed.dir },
    };
    const sealed = await sealTree(request);
    if ("failure" in sealed) return sealed;
    if (!sealed.kept) {
      await whole.note(sealed.row);
      return sealed;
    }
    // A layer of that name lay there: it must be what this action made, on trees that are known. The same tree may have been
    // made on others before the index was lost.
    if (isChained(index, sealed.row) && (await whole.layerHolds(sealed.row))) return sealed;
    const { layer } = sealed.row;
    const removed = layer === null ? ok(undefined) : await deleteLayer(layout.layers, layer, removeTree);
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
  problem: { exit: Exit.environment, message: `the output could not be stored: ${asError(error).message}` },
});
