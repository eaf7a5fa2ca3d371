// The canonical manifest of a merged tree: one line an entry, sorted bytewise by path, the same for the same
// tree however it is stored. Its SHA-256 is the tree's digest. It knows no layers and reads no tree.
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { hashBytes, hashFileHere } from "../../cache/hash.js";
import { ioProblem, isDirectory, isPlain, temporaryName } from "../../cache/io.js";
import { fail, ok, type Result } from "../problem.js";
import { decodeBody, escapeBytes, pathOfWord, pathWord, unescapeBytes, type Entry } from "./entry.js";

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
    text += `${pathWord(path)} ${group === null ? "" : `=${escapeBytes(group)} `}${body}\n`;
    if (text.length < CHUNK) continue;
    yield text;
    text = "";
  }
  yield text;
}

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
    const space = text.indexOf(" ", at);
    if (space < 0 || space > end) throw new Error(`not a manifest line: ${text.slice(at, end)}`);
    lines.set(pathOfWord(text.slice(at, space)), decodeLine(text.slice(space + 1, end)));
    at = end + 1;
  }
  return { lines };
}

function decodeLine(rest: string): Line {
  if (!rest.startsWith("=")) return { body: rest, group: null };
  const space = rest.indexOf(" ");
  return { body: rest.slice(space + 1), group: unescapeBytes(rest.slice(1, space)) };
}

/** Reads `<digest>` in the directory of manifests; a text with another digest is refused (exit 3). */
export function readManifest(dir: string, digest: string): Result<Manifest> {
  const file = join(dir, digest);
  try {
    const text = readFileSync(file, "latin1");
    if (hashBytes(text) !== digest)
      return fail(3, `the manifest ${file} is damaged`, "`imagemake cache verify`");
    return ok(decodeManifest(text));
  } catch (error) {
    return ioProblem(`read the manifest ${file}`, error);
  }
}

/** The root's entry alone: the first of the manifest, which is not read further, nor digested. */
export function readRootEntry(dir: string, digest: string): Result<Entry> {
  const file = join(dir, digest);
  try {
    const fd = openSync(file, "r");
    try {
      const bytes = Buffer.alloc(65_536);
      const text = bytes.toString("latin1", 0, readSync(fd, bytes, 0, bytes.length, 0));
      const root = entryAt(decodeManifest(text.split("\n", 2).join("\n") + "\n"), "");
      return root === undefined ? fail(3, `the manifest ${file} is damaged`) : ok(root);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return ioProblem(`read the manifest ${file}`, error);
  }
}

/** Writes the manifest as `<its digest>` into the directory, by rename; answers with the digest. */
export function writeManifest(dir: string, manifest: Manifest): Result<string> {
  const digest = manifestDigest(manifest);
  const file = join(dir, digest);
  const temporary = temporaryName(file);
  try {
    if (isPlain(file) && hashFileHere(file) === digest) return ok(digest);
    if (isDirectory(file)) rmSync(file, { recursive: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const fd = openSync(temporary, "wx", 0o444);
    try {
      for (const text of encodeManifest(manifest)) {
        const bytes = Buffer.from(text, "latin1");
        for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
    return ok(digest);
  } catch (error) {
    rmSync(temporary, { force: true });
    return ioProblem(`write the manifest ${file}`, error);
  }
}
