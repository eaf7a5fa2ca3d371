// Trees on their way between stores: files out of layers, and a layer made of a manifest and the files that it names. What
// comes from elsewhere is believed only once its layer, digested here, shows the tree that was promised.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Giving } from "../../cache/content-store.js";
import { hashBytes, misnamed } from "../../cache/hash.js";
import type { ArtifactId, ArtifactRow, Index } from "../../cache/index.js";
import { ioProblem } from "../../cache/io.js";
import { layerChain, layerPath, MAX_LAYERS, storedLayer, storeLayer } from "../../cache/layers.js";
import type { Trees } from "../../cache/local/contents.js";
import { storeManifest } from "../../cache/manifests.js";
import { digestOf } from "../../cache/store.js";
import { removeTree } from "../execute/local/remove.js";
import type { Isolation } from "../execute/local/sandbox.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { dirOf, type Entry } from "./entry.js";
import { decodeManifest, encodeManifest, entriesOf, readManifest, type Manifest } from "./manifest.js";
import { archiveOf, type Packed } from "./pax.js";
import { copyOut, runSeal, unpackInto } from "./run-seal.js";
import { formOf, insideOf, verifyTree } from "./seal.js";

/** Where layers and manifests lie. */
interface Place {
  readonly layers: string;
  readonly manifests: string;
}

/** How trees come into layers and out of them here. */
export const travelling = (place: Place, index: Index, isolation: Isolation): Trees => ({
  take: (giving, manifest, scratch) => takeTree({ place, index, isolation }, giving, manifest, scratch),
  copy: (tree, manifest, files) => copyFrom({ place, index, isolation }, tree.id, manifest, files),
  isWhole: (tree) => verifyTree(place, tree, isolation),
  isOurs: ({ form }) => form === formOf(isolation),
  remove: (path) => removeTree(path),
});

interface Context {
  readonly place: Place;
  readonly index: Index;
  readonly isolation: Isolation;
}

function copyFrom(
  { place, index, isolation }: Context,
  tree: ArtifactId,
  text: string,
  files: ReadonlyMap<string, string>,
): Promise<Result<void>> {
  const layers = layerChain(tree, (id) => index.artifact(id)).map((layer) => layerPath(place.layers, layer));
  const left = new Map(files);
  const wanted: (readonly [string, string])[] = [];
  for (const entry of entriesOf(decodeManifest(text))) {
    const to = entry.type === "file" ? left.get(entry.digest) : undefined;
    if (entry.type !== "file" || to === undefined) continue;
    wanted.push([entry.path, to]);
    left.delete(entry.digest);
  }
  return copyOut({ layers, files: wanted }, insideOf(isolation));
}

async function takeTree(
  context: Context,
  giving: Giving,
  text: string,
  scratch: string,
): Promise<Result<ArtifactRow>> {
  const { place, index, isolation } = context;
  const { id, size } = giving;
  const form = formOf(isolation);
  const manifest = trustedManifest(id, text);
  if (!manifest.ok) return manifest;
  const beneath = giving.parent === null ? null : storedLayer(place.layers, giving.parent, form);
  const known = beneath !== null && index.artifact(beneath.tree)?.layer === beneath.layer;
  const on =
    known && beneath.depth < MAX_LAYERS ? readManifest(place.manifests, digestOf(beneath.tree)) : null;
  const parent = on?.ok === true && beneath !== null ? beneath.tree : null;
  const entries =
    parent === null || on?.ok !== true ? [...entriesOf(manifest.value)] : differing(on.value, manifest.value);
  const [upper, blobs] = [join(scratch, "tree"), join(scratch, "blobs")];
  for (const dir of [upper, blobs]) mkdirSync(dir, { mode: 0o755 });
  const received = await receive(giving, entries, blobs);
  if (!received.ok) return received;
  const unpacked = await unpackInto(
    upper,
    archiveOf(entries, (digest) => join(blobs, digest)),
    insideOf(isolation),
  );
  if (!unpacked.ok) return unpacked;
  const stored = storeManifest(place.manifests, digestOf(id), encodeManifest(manifest.value));
  if (!stored.ok) return stored;
  const look = {
    ...{ upper, manifests: place.manifests, epoch: null, unpacked: true, form, guards: {} },
    parent: parent === null ? null : digestOf(parent),
  };
  const seen = await runSeal(look, insideOf(isolation));
  if (!seen.ok) return seen;
  if (seen.value.digest !== digestOf(id))
    return fail(Exit.environment, `the tree ${id} could not be made here as it was there`);
  const layer = await storeLayer(place.layers, upper, { tree: id, parent, form }, removeTree);
  if (!layer.ok) return layer;
  return ok({ id, kind: "tree", size, layer: layer.value.layer, parent: layer.value.parent, form });
}

/** A manifest that is what its digest says, and names no place outside of its tree: it comes from anybody. */
function trustedManifest(id: ArtifactId, text: string): Result<Manifest> {
  const wrong = fail(Exit.environment, `the manifest of ${id} is not what its digest says`);
  if (hashBytes(Buffer.from(text, "latin1")) !== digestOf(id)) return wrong;
  try {
    const manifest = decodeManifest(text);
    let again = "";
    for (const piece of encodeManifest(manifest)) again += piece;
    const types = new Map<string, Entry["type"]>();
    for (const { path, type, group } of entriesOf(manifest)) {
      const names = path.split("/");
      const isPlain = path === "" || names.every((name) => name !== "" && name !== "." && name !== "..");
      const lies = path === "" || types.get(names.slice(0, -1).join("/")) === "dir";
      const linked = group === null || manifest.lines.get(group)?.group === group;
      if (!isPlain || !lies || !linked || path.includes("\0"))
        return fail(Exit.environment, `the manifest of ${id} names what is in no tree`);
      types.set(path, type);
    }
    return again === text && types.get("") === "dir" ? ok(manifest) : wrong;
  } catch (error) {
    return ioProblem(`read the manifest of ${id}`, error);
  }
}

/** What a layer on the parent has to hold: what is new or other, with the directories that lead there, and marks for what is gone. */
function differing(parent: Manifest, tree: Manifest): Packed[] {
  const wanted = new Set<string>([""]);
  const want = (path: string): void => {
    for (let at = path; at !== "" && !wanted.has(at); at = dirOf(at)) wanted.add(at);
  };
  const groups = new Set<string>();
  const before = membersOf(parent);
  const after = membersOf(tree);
  for (const [path, { body, group }] of tree.lines) {
    const old = parent.lines.get(path);
    const same = old?.body === body && (old.group === null) === (group === null);
    const together = group === null || before.get(old?.group ?? "") === after.get(group);
    if (same && together) continue;
    want(path);
    if (group !== null) groups.add(group);
  }
  for (const [path, { group }] of tree.lines) if (group !== null && groups.has(group)) want(path);
  const gone = [...parent.lines.keys()].filter((path) => {
    const above = dirOf(path);
    return path !== "" && !tree.lines.has(path) && tree.lines.get(above)?.body.startsWith("d") === true;
  });
  for (const path of gone) want(dirOf(path));
  return [
    ...[...entriesOf(tree)].filter(({ path }) => wanted.has(path)),
    ...gone.map((path) => ({ whiteout: path })),
  ];
}

/** All names of each group of hard links, by the group's. */
function membersOf({ lines }: Manifest): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  for (const [path, { group }] of lines)
    if (group !== null) members.set(group, `${members.get(group) ?? ""}\0${path}`);
  return members;
}

/** The files that the entries need, digested. */
async function receive(giving: Giving, entries: readonly Packed[], blobs: string): Promise<Result<void>> {
  const sizes = new Map<string, number>();
  for (const entry of entries)
    if ("type" in entry && entry.type === "file" && entry.size > 0) sizes.set(entry.digest, entry.size);
  const files = new Map([...sizes.keys()].map((digest) => [digest, join(blobs, digest)]));
  const copied = await giving.copy(files);
  if (!copied.ok) return copied;
  try {
    const wrong = await misnamed(files);
    return wrong === null ? ok(undefined) : fail(Exit.environment, `${wrong} is not what its digest says`);
  } catch (error) {
    return ioProblem(`take ${giving.id}`, error);
  }
}
