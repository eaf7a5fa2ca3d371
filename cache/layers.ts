// Layers of trees in the store: a directory each, under a short name, with a record beside it that says which
// tree it shows on which parent. It mounts nothing and does not know what is in a tree.
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runBeside } from "./program.js";
import { Exit, fail, ok, stop, type Result } from "./problem.js";
import type { ArtifactId } from "./index.js";
import { codeOf, ioProblem, isDirectory, isThere, readPlain, temporaryName } from "./io.js";
import { fields, jsonOf, matching, oneOf, orNull, size } from "./shape.js";
import { reached } from "./steps.js";
import { digestOf } from "./store.js";
import { ownerIn, writeWhole } from "./write.js";

/**
 * How a layer lies on the disk: with real owners and `trusted.overlay.*`, or with those of a user namespace and
 * `user.overlay.*`. Each is mounted in its own form only.
 */
export type Form = "root" | "user";

/** One stored layer. */
export interface LayerRecord {
  /** The merged tree that the layer shows on its parent. */
  readonly tree: ArtifactId;
  readonly parent: ArtifactId | null;
  readonly form: Form;
  /** Name of the directory. */
  readonly layer: string;
  /** Layers in the chain, with this one. */
  readonly depth: number;
}

/** Chains do not get longer: mount options end at 4 KiB, and each layer costs every look-up. */
export const MAX_LAYERS = 30;

/** 25 characters: thirty of them are a fifth of what mount(2) takes, and no two digests share 96 bits. */
export const layerName = (tree: ArtifactId, form: Form): string =>
  digestOf(tree).slice(0, 24) + (form === "root" ? "r" : "u");

/** Where the layer of that name lies, or would. */
export const layerPath = (dir: string, layer: string): string => join(dir, layer);

const recordOf = (dir: string, layer: string): string => join(dir, `${layer}.json`);

/** The record of a stored layer whose directory and whole chain are there, else null. */
export function storedLayer(dir: string, tree: ArtifactId, form: Form): LayerRecord | null {
  const layer = layerName(tree, form);
  const record = readRecord(dir, layer);
  if (record?.tree !== tree || !isDirectory(join(dir, layer))) return null;
  if (record.parent === null) return record.depth === 1 ? record : null;
  // Depth falls by one at each step, so that records which name each other come to an end too.
  const parent = record.depth > 1 ? storedLayer(dir, record.parent, form) : null;
  return parent !== null && parent.depth === record.depth - 1 ? record : null;
}

const treeId = matching(/^t:[0-9a-f]{64}$/);
/** What storeLayer writes. */
const isRecord = fields({
  tree: treeId,
  parent: orNull(treeId),
  form: oneOf({ root: true, user: true } satisfies Record<Form, true>),
  layer: matching(/^[0-9a-f]{24}[ru]$/),
  depth: size,
});

function readRecord(dir: string, layer: string): LayerRecord | null {
  try {
    return jsonOf(readPlain(recordOf(dir, layer))?.toString("utf8"), isRecord) as LayerRecord | null;
  } catch {
    return null;
  }
}

/**
 * Takes the directory `upper` (on the same file system) as the layer of `tree` on `parent`, whose layer must be
 * stored. A tree that is stored already keeps its layer, and `upper` stays where it is, for the caller to remove.
 * Exit 3 on failure.
 */
export async function storeLayer(
  dir: string,
  upper: string,
  what: Pick<LayerRecord, "tree" | "parent" | "form">,
  remove: Remove,
): Promise<Result<LayerRecord>> {
  const stored = storedLayer(dir, what.tree, what.form);
  if (stored !== null) return ok(stored);
  const parent = what.parent === null ? null : storedLayer(dir, what.parent, what.form);
  if (what.parent !== null && parent === null) {
    return fail(Exit.environment, `the layers beneath ${upper} are no longer in the store`);
  }
  const layer = layerName(what.tree, what.form);
  const record: LayerRecord = { ...what, layer, depth: (parent?.depth ?? 0) + 1 };
  const place = join(dir, layer);
  try {
    // Overlay was told not to sync (`volatile`): everything is on the disk before the layer has its name.
    const synced = await syncFileSystem(upper);
    if (!synced.ok) return synced;
    // Another action may have made the same tree meanwhile, and somebody may have its layer mounted by now.
    const meanwhile = storedLayer(dir, what.tree, what.form);
    if (meanwhile !== null) return ok(meanwhile);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (isThere(place) && !setAside(place, temporaryName(place))) {
      const removed = await remove(place);
      if (!removed.ok) return removed;
    }
    if (isDirectory(recordOf(dir, layer))) rmSync(recordOf(dir, layer), { recursive: true });
    writeWhole(recordOf(dir, layer), JSON.stringify(record), ownerIn(dir));
    reached("layer recorded", layer);
    moveDirectory(upper, place);
    reached("layer stored", layer);
    return ok(record);
  } catch (error) {
    return ioProblem(`store the layer ${upper}`, error);
  }
}

async function syncFileSystem(dir: string): Promise<Result<void>> {
  const { status, said, error } = await runBeside("sync", ["-f", "--", dir]);
  if (error !== null) return ioProblem(`write ${dir} to the disk`, error);
  return status === 0 ? ok(undefined) : fail(Exit.environment, `cannot write ${dir} to the disk: ${said}`);
}

/** A directory that its owner may not write (a root of mode 0555) cannot be moved by an ordinary user. */
function moveDirectory(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error;
    const { mode } = lstatSync(from);
    chmodSync(from, mode | 0o200);
    renameSync(from, to);
    chmodSync(to, mode & 0o7777);
  }
}

/**
 * False where overlay does not move a directory that has come with its lower layers: a state directory in a container's
 * image. Nobody has mounted a layer of that, since an overlay is none to lie on.
 */
function setAside(place: string, aside: string): boolean {
  try {
    moveDirectory(place, aside);
    return true;
  } catch (error) {
    if (codeOf(error) !== "EXDEV") throw error;
    return false;
  }
}

/** What deletes trees (engine/execute/local/remove.ts). */
type Remove = (path: string) => Promise<Result<void>>;

/** What a chain is made of: rows of the index. */
export interface Link {
  readonly layer: string | null;
  readonly parent: ArtifactId | null;
}

/** Names of the layers that make up `tree`, topmost first. Throws a ProblemError where one is not known. */
export function layerChain(tree: ArtifactId, lookup: (tree: ArtifactId) => Link | undefined): string[] {
  const chain: string[] = [];
  for (let at: ArtifactId | null = tree; at !== null;) {
    const link = lookup(at);
    if (link?.layer === undefined || link.layer === null || chain.length > MAX_LAYERS) {
      return stop(
        Exit.environment,
        `the layers of the tree ${tree} are not all in the store`,
        "`imagemake cache verify`",
      );
    }
    chain.push(link.layer);
    at = link.parent;
  }
  return chain;
}

/** The chain of a stored layer by the records beside the layers, for when there is no index to ask. */
export const storedChain = (dir: string, record: LayerRecord): string[] =>
  layerChain(record.tree, (tree) => storedLayer(dir, tree, record.form) ?? undefined);

/** Every layer with a record, in order of name. */
export function listLayers(dir: string): LayerRecord[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .flatMap((name) => readRecord(dir, name.slice(0, -".json".length)) ?? []);
}

/** Deletes a layer; nobody sees half of one, since one without a record is none. */
export async function deleteLayer(dir: string, layer: string, remove: Remove): Promise<Result<void>> {
  const place = join(dir, layer);
  const aside = temporaryName(place);
  try {
    rmSync(recordOf(dir, layer), { force: true, recursive: true });
    if (!isThere(place)) return ok(undefined);
    return await remove(setAside(place, aside) ? aside : place);
  } catch (error) {
    return ioProblem(`delete the layer ${place}`, error);
  }
}

/** What a crash, or a layer that had to give way, left behind: directories and files; only while the lock is held. */
export const leftoverLayers = (dir: string): string[] =>
  existsSync(dir) ? readdirSync(dir).flatMap((name) => (name.endsWith(".tmp") ? [join(dir, name)] : [])) : [];
