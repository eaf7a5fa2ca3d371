// The canonical manifest of a merged tree: one line an entry, sorted bytewise by path, the same for the same tree
// however it is stored; and of a layer on its parent. Its SHA-256 is the tree's digest; cache/manifests.ts keeps the
// texts.
import { createHash } from "node:crypto";
import { ioProblem } from "../../cache/io.js";
import { readManifestHead, readManifestText, storeManifest } from "../../cache/manifests.js";
import { type Notice, noticeOf } from "../notice.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { decodeBody, dirOf, type Entry, escapeBytes, pathOfWord, pathWord, unescapeBytes } from "./entry.js";

/** First line of every manifest. Another form of line is another number, and so another digest for every tree. */
const HEADER = "imagemake-tree 1";

/** An entry before it is decoded: `body` as `encodeBody` writes it, `group` the first path of its hard links. */
export interface Line {
  readonly body: string;
  readonly group: string | null;
}

/** Lines by path (bytes), in order of path; the root's path is empty. */
export interface Manifest {
  readonly lines: ReadonlyMap<string, Line>;
}

/** The entry at a path (bytes), if there is one. */
export function entryAt(manifest: Manifest, path: string): Entry | undefined {
  const line = manifest.lines.get(path);
  return line && decodeBody(path, line.body, line.group);
}

/** Every entry, decoded, in order. */
export function* entriesOf(manifest: Manifest): Generator<Entry> {
  for (const [path, { body, group }] of manifest.lines) yield decodeBody(path, body, group);
}

/** Bytes in all files, those with several names counted once. */
export function bytesOf(manifest: Manifest): number {
  let bytes = 0;
  for (const [path, { body, group }] of manifest.lines) {
    if (body.startsWith("f") && (group === null || group === path)) bytes += sizeIn(body);
  }
  return bytes;
}

/** The size in a file's body: its fourth word. */
function sizeIn(body: string): number {
  let from = 0;
  for (let words = 0; words < 3; words++) from = body.indexOf(" ", from) + 1;
  return Number(body.slice(from, body.indexOf(" ", from)));
}

/** Characters of a manifest that are made at once: that of a large tree is never held as a whole. */
const CHUNK = 1 << 16;

/** The canonical text, piece by piece; plain ASCII. Each line: path, `=<group>` for a hard link, body. */
export function* encodeManifest(manifest: Manifest): Generator<string> {
  let text = `${HEADER}\n`;
  for (const [path, { body, group }] of manifest.lines) {
    text += `${lineText(path, { body, group })}\n`;
    if (text.length < CHUNK) continue;
    yield text;
    text = "";
  }
  yield text;
}

/** One line of the text. */
export const lineText = (path: string, { body, group }: Line): string =>
  `${pathWord(path)} ${group === null ? "" : `=${escapeBytes(group)} `}${body}`;

/** The tree's digest: that of the manifest's text. */
export function manifestDigest(manifest: Manifest): string {
  const hash = createHash("sha256");
  for (const text of encodeManifest(manifest)) hash.update(text, "latin1");
  return hash.digest("hex");
}

/** Reads canonical text; throws on anything else. */
export function decodeManifest(text: string): Manifest {
  const lines = new Map<string, Line>();
  let at = HEADER.length + 1;
  if (text.slice(0, at) !== `${HEADER}\n`) throw new Error("it does not begin as a manifest");
  if (!text.endsWith("\n")) throw new Error("its end is missing");
  while (at < text.length) {
    const end = text.indexOf("\n", at);
    const [path, line] = lineIn(text, at, end);
    lines.set(path, line);
    at = end + 1;
  }
  return { lines };
}

/** The line that `lineText` wrote, between two places of a text; throws on anything else. */
export function lineIn(text: string, at: number, end: number): readonly [path: string, line: Line] {
  const space = text.indexOf(" ", at);
  if (space < 0 || space > end) throw new Error(`not a manifest line: ${text.slice(at, end)}`);
  return [pathOfWord(text.slice(at, space)), decodeLine(text.slice(space + 1, end))];
}

function decodeLine(rest: string): Line {
  if (!rest.startsWith("=")) return { body: rest, group: null };
  const space = rest.indexOf(" ");
  return { body: rest.slice(space + 1), group: unescapeBytes(rest.slice(1, space)) };
}

/** Reads the stored manifest with this digest (exit 3 where it is damaged). */
export function readManifest(dir: string, digest: string): Result<Manifest> {
  const text = readManifestText(dir, digest);
  return text.ok ? decoded(text.value, `read the manifest ${digest}`, decodeManifest) : text;
}

/** The root's entry alone: the first of the manifest, which is not read further, nor digested. */
export function readRootEntry(dir: string, digest: string): Result<Entry> {
  const head = readManifestHead(dir, digest);
  if (!head.ok) return head;
  const root = decoded(head.value, `read the manifest ${digest}`, (text) =>
    entryAt(decodeManifest(text), ""),
  );
  if (!root.ok) return root;
  return root.value === undefined
    ? fail(Exit.environment, `the manifest ${digest} is damaged`)
    : ok(root.value);
}

function decoded<T>(text: string, doing: string, decode: (text: string) => T): Result<T> {
  try {
    return ok(decode(text));
  } catch (error) {
    return ioProblem(doing, error);
  }
}

/** Stores the manifest under its digest, by rename; answers with the digest. */
export const writeManifest = (dir: string, manifest: Manifest): Result<string> =>
  storeManifest(dir, manifestDigest(manifest), encodeManifest(manifest));

// What overlayfs shows when a layer lies on a tree, computed from the tree's manifest and the layer's entries
// alone. Rules: Documentation/filesystems/overlayfs.rst of Linux, with redirect_dir, metacopy
// and index off.

/** One path of a layer. */
export interface LayerEntry {
  readonly path: string;
  /** As `encodeBody` writes it; null for a whiteout: what lies beneath is gone. */
  readonly body: string | null;
  /** A directory through which what lies beneath at its path is still seen. */
  readonly transparent: boolean;
  /** Equal for names of the same file; null for what has one name alone. */
  readonly inode: string | null;
}

/** Of the layer, or of what is seen through it: then the inode is the group there. */
type Merged = Pick<LayerEntry, "path" | "inode"> & { readonly body: string };

/**
 * The manifest of the merged tree. Entries of the layer hide those beneath; a group of hard links that the layer
 * breaks is what is left of it, on either side.
 */
export function mergeLayer(parent: Manifest | null, layer: readonly LayerEntry[]): Manifest {
  const merged: Merged[] = layer.filter((entry): entry is LayerEntry & Merged => entry.body !== null);
  if (parent !== null) {
    for (const [path, { body, group }] of visible(parent, layer)) {
      merged.push({ path, body, inode: group && `beneath ${group}` });
    }
  }
  merged.sort((a, b) => (a.path < b.path ? -1 : 1));
  return regroup(merged);
}

/** The entries of the parent that the layer does not hide. */
function* visible(parent: Manifest, layer: readonly LayerEntry[]): Generator<[string, Line]> {
  const over = new Map(layer.map((entry) => [entry.path, entry]));
  const hidden = new Set<string>();
  // Each directory comes before what it holds: bytewise order puts a prefix first.
  for (const [path, line] of parent.lines) {
    const here = over.get(path);
    if (hidden.has(dirOf(path)) && path !== "") {
      hidden.add(path);
      continue;
    }
    if (here === undefined) yield [path, line];
    else if (!here.transparent) hidden.add(path);
  }
}

/** Names each group by its first path; a group of one is none. */
function regroup(merged: readonly Merged[]): Manifest {
  const groups = new Map<string, { readonly first: string; count: number }>();
  for (const { path, inode } of merged) {
    if (inode === null) continue;
    const group = groups.get(inode);
    if (group === undefined) groups.set(inode, { first: path, count: 1 });
    else group.count++;
  }
  const lines = new Map<string, Line>();
  for (const { path, body, inode } of merged) {
    const group = inode === null ? undefined : groups.get(inode);
    lines.set(path, { body, group: group !== undefined && group.count > 1 ? group.first : null });
  }
  return { lines };
}

/**
 * What is said where a layer changed a file of the tree beneath under one of its names and not under others: overlayfs copies
 * a file when it is changed, under the name that it is changed by, so `chmod` of one does not reach the others as it would on a disk.
 * A name that now stands for another file would be said too: nothing tells it from a changed one.
 */
export function partedNames(
  parent: Manifest | null,
  layer: readonly LayerEntry[],
  merged: Manifest,
): readonly Notice[] {
  const over = new Map(layer.map(({ path, body }) => [path, body]));
  const groups = new Map<string, { readonly changed: string[]; readonly left: string[] }>();
  for (const [path, { body, group }] of parent?.lines ?? []) {
    if (group === null || !merged.lines.has(path)) continue;
    const names = groups.get(group) ?? { changed: [], left: [] };
    groups.set(group, names);
    const now = over.get(path);
    if (now === undefined) names.left.push(path);
    // A file that gave way to a link or a directory was not changed.
    else if (now !== null && now !== body && now.startsWith(body.charAt(0))) names.changed.push(path);
  }
  const words = [...groups.values()]
    .filter(({ changed, left }) => changed.length > 0 && left.length > 0)
    .map(({ changed, left }) => `${changed.map(pathWord).join(", ")}, not ${left.map(pathWord).join(", ")}`);
  if (words.length === 0) return [];
  return [
    noticeOf(
      (some) =>
        `of files with several names (hard links) some names were changed, and the others are as they were (${some(words)}): ` +
        "change each of them, or remove them and link them again",
    ),
  ];
}
