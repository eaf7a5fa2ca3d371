// From a layer on the disk to the digest of the merged tree. It runs where the owners look as they do inside the
// tree: as root, or in the user namespace (seal-main.ts). It moves nothing into the store but the manifest.
import { linkSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { addTo } from "../../cache/grouped.js";
import { bytePath, hashMany, toByteString } from "../../cache/hash.js";
import { ioProblem } from "../../cache/io.js";
import type { Form } from "../../cache/layers.js";
import { complaint } from "../../cache/limits.js";
import { runProgram } from "../../cache/program.js";
import { checkTreeGuards, type TreeGuards } from "../execute/guards.js";
import { mountsBelow } from "../execute/local/mountinfo.js";
import type { Notice } from "../notice.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { contentAttributes, readAttributes, type TreeAttributes } from "./attributes.js";
import { type Attributes, dirOf, encodeBody, type Entry, escapeBytes } from "./entry.js";
import {
  bytesOf,
  type LayerEntry,
  type Manifest,
  manifestDigest,
  mergeLayer,
  partedNames,
  readManifest,
  writeManifest,
} from "./manifest.js";
import { isWhiteoutNode, type Node, pathIn, scan } from "./scan.js";
import { settleAttributes } from "./settle-attributes.js";
import { clampedBy, clampTimes, dropUnwanted, setTime } from "./settle.js";

/** What to seal; plain data, because it crosses threads and processes. Paths absolute. */
export interface SealRequest {
  /** The layer, or the whole tree where there is no parent. */
  readonly upper: string;
  /** Digest of the tree beneath; its manifest is read. */
  readonly parent: string | null;
  /** Where manifests lie. */
  readonly manifests: string;
  /** Seconds since 1970; null looks at a layer that is sealed already and changes and writes nothing. */
  readonly epoch: number | null;
  /** Whether the attributes of a layer that is sealed already are set anew all the same: it was unpacked, in whatever order. */
  readonly unpacked?: boolean;
  /** Whose overlay attributes count: `trusted.overlay.*` or `user.overlay.*`. */
  readonly form: Form;
  readonly guards: TreeGuards;
}

/** The merged tree. Sizes in bytes. */
export interface Sealed {
  readonly digest: string;
  readonly bytes: number;
  readonly entries: number;
  /** What is wrong with it; then its manifest was not written. */
  readonly broken: readonly string[];
  readonly notices: readonly Notice[];
}

/** Settles, digests and merges a layer. Every failure is a problem of the environment (exit 3). */
export async function sealLayer(request: SealRequest): Promise<Result<Sealed>> {
  try {
    return await seal(request);
  } catch (error) {
    return ioProblem(`seal the tree in ${request.upper}`, error);
  }
}

async function seal(request: SealRequest): Promise<Result<Sealed>> {
  const { upper, parent, manifests, epoch, guards } = request;
  const mounted = mountsBelow(upper);
  if (mounted.length > 0)
    return fail(
      Exit.environment,
      `something is still mounted in the tree: ${mounted.map(escapeBytes).join(", ")}`,
    );
  const beneath = parent === null ? ok(null) : readManifest(manifests, parent);
  if (!beneath.ok) return beneath;
  const settled = await settle(request, beneath.value);
  if (!settled.ok) return settled;
  const { layer } = settled.value;
  if (!layer.ok) return epoch === null ? ok(CHANGED) : layer;
  const merged = mergeLayer(beneath.value, layer.value);
  const notices = [...settled.value.notices, ...partedNames(beneath.value, layer.value, merged)];
  const broken = [
    ...checkTreeGuards(merged, guards),
    ...(guards.lossless === true ? notices.map(({ message }) => message) : []),
  ];
  return finish(merged, manifests, epoch !== null, broken, notices);
}

/** Brings the layer into its form, unless it has that, and looks at everything in it. */
async function settle(
  { upper, parent, epoch, form, unpacked }: SealRequest,
  beneath: Manifest | null,
): Promise<Result<{ readonly layer: Result<LayerEntry[]>; readonly notices: readonly Notice[] }>> {
  // getfattr walks in another process meanwhile.
  let reading = readAttributes(upper);
  let scanned = scan(upper);
  const shared = epoch === null ? [] : sharedWithOthers(scanned);
  if (shared.length > 0) {
    await reading;
    const own = breakOff(upper, shared, scanned);
    if (!own.ok) return own;
    reading = readAttributes(upper);
    scanned = scan(upper);
  }
  const read = await reading;
  if (!read.ok) return read;
  const settled =
    epoch === null && unpacked !== true
      ? ok({ attributes: read.value, notices: [] })
      : settleAttributes(upper, read.value, parent === null ? null : overlayPrefix(form));
  if (!settled.ok) return settled;
  const { attributes } = settled.value;
  const isOpaque = opacityOf(attributes, form);
  const { nodes, notices } =
    epoch === null ? { nodes: scanned, notices: [] } : dropUnwanted(upper, scanned, beneath, isOpaque, epoch);
  const hashing = digestsOf(upper, nodes);
  // Awaited below, unless clamping throws first.
  hashing.catch(() => undefined);
  if (epoch !== null) clampTimes(upper, nodes, epoch);
  const layer = layerEntries(nodes, attributes, await hashing, epoch, form);
  return ok({ layer, notices: [...settled.value.notices, ...notices] });
}

function finish(
  merged: Manifest,
  manifests: string,
  write: boolean,
  broken: readonly string[],
  notices: readonly Notice[],
): Result<Sealed> {
  const digest = write && broken.length === 0 ? writeManifest(manifests, merged) : ok(manifestDigest(merged));
  if (!digest.ok) return digest;
  return ok({ digest: digest.value, bytes: bytesOf(merged), entries: merged.lines.size, broken, notices });
}

/** Digests of files, in the order of `nodes`; empty for all else. A file with several names is read once. */
async function digestsOf(upper: string, nodes: readonly Node[]): Promise<readonly string[]> {
  const files: Node[] = [];
  const named = new Map<string, number>();
  const places = nodes.map((node) => {
    if (node.type !== "file") return -1;
    const known = node.inode === null ? undefined : named.get(node.inode);
    if (known !== undefined) return known;
    const place = files.push(node) - 1;
    if (node.inode !== null) named.set(node.inode, place);
    return place;
  });
  const digests = await hashMany(files, `${toByteString(upper)}/`);
  return places.map((place) => digests[place] ?? "");
}

/** What a layer that was sealed once never is. */
const CHANGED: Sealed = { digest: "", bytes: 0, entries: 0, broken: [], notices: [] };

const NO_ATTRIBUTES: Attributes = new Map();

const overlayPrefix = (form: Form): string => (form === "root" ? "trusted.overlay." : "user.overlay.");

/** Whether a directory of the layer hides what lies beneath at its path ("y", here in hexadecimal). */
const opacityOf =
  (attributes: TreeAttributes, form: Form) =>
  (dir: string): boolean =>
    attributes.get(dir)?.get(`${overlayPrefix(form)}opaque`) === "79";

function layerEntries(
  nodes: readonly Node[],
  attributes: TreeAttributes,
  digests: readonly string[],
  epoch: number | null,
  form: Form,
): Result<LayerEntry[]> {
  const overlay = overlayPrefix(form);
  const isOpaque = opacityOf(attributes, form);
  const clamped = clampedBy(epoch);
  const layer: LayerEntry[] = [];
  for (const [index, node] of nodes.entries()) {
    const all = attributes.get(node.path) ?? NO_ATTRIBUTES;
    const foreign = ["redirect", "metacopy"].find((name) => all.has(overlay + name));
    if (foreign !== undefined) {
      return fail(
        Exit.environment,
        `${escapeBytes(node.path)} in the layer needs its lower layers (overlay.${foreign})`,
      );
    }
    const whiteout =
      isWhiteoutNode(node) || (node.type === "file" && node.size === 0 && all.has(`${overlay}whiteout`));
    layer.push({
      path: node.path,
      body: whiteout
        ? null
        : encodeBody(entryOf(node, clamped(node.mtime), contentAttributes(all), digests[index] ?? "")),
      transparent: node.type === "dir" && !isOpaque(node.path),
      inode: node.inode,
    });
  }
  return ok(layer);
}

function entryOf(node: Node, mtime: bigint, attributes: Attributes, digest: string): Entry {
  const { path, mode, uid, gid, type } = node;
  const common = { path, mode, uid, gid, mtime, attributes, group: null };
  switch (type) {
    case "file":
      return { ...common, type, size: node.size, digest };
    case "symlink":
      return { ...common, type, target: node.target };
    case "char":
    case "block":
      return { ...common, type, major: node.major, minor: node.minor };
    case "dir":
    case "fifo":
    case "socket":
      return { ...common, type };
  }
}

// Gives a tree files of its own where an action left hard links to files outside of it (`cp -al` does): whatever is set on
// them while the tree is sealed would be set on the others' as well.

/** Files that have more names than the tree has of them, all their names in the tree together. */
function sharedWithOthers(nodes: readonly Node[]): readonly (readonly Node[])[] {
  const names = new Map<string, Node[]>();
  for (const node of nodes) {
    // Overlayfs links its marks for what was deleted to one of its own.
    if (node.inode === null || isWhiteoutNode(node)) continue;
    addTo(names, node.inode, node);
  }
  return [...names.values()].filter((group) => group.length < (group[0]?.links ?? 0));
}

/** Puts copies in the place of such files, with all that cp -a keeps. Throws system errors. */
function breakOff(root: string, shared: readonly (readonly Node[])[], nodes: readonly Node[]): Result<void> {
  const at = (path: string): string | Buffer => bytePath(pathIn(root, path));
  // By numbers: no program takes names that are not text.
  const [theirs, ours] = [".imagemake-theirs", ".imagemake-ours"];
  for (const dir of [theirs, ours]) mkdirSync(at(dir));
  for (const [number, [first]] of shared.entries())
    if (first !== undefined) renameSync(at(first.path), at(`${theirs}/${number}`));
  const argv = ["-a", "--preserve=xattr", "--reflink=auto", "--", `${root}/${theirs}/.`, `${root}/${ours}`];
  const { status, said } = runProgram("cp", argv);
  if (status !== 0) {
    const what = `the tree in ${root} has hard links to files outside of it, which could not be copied`;
    return fail(Exit.environment, ...complaint(what, said, root));
  }
  for (const [number, [first, ...others]] of shared.entries()) {
    if (first === undefined) continue;
    renameSync(at(`${ours}/${number}`), at(first.path));
    for (const { path } of others) {
      rmSync(at(path));
      linkSync(at(first.path), at(path));
    }
  }
  for (const dir of [theirs, ours]) rmSync(at(dir), { recursive: true });
  const touched = new Set(["", ...shared.flat().map(({ path }) => dirOf(path))]);
  for (const node of nodes) if (touched.has(node.path)) setTime(root, node);
  return ok(undefined);
}
