// Looks at every path of a directory once: types, modes, owners, times, targets, inode numbers. It reads no
// contents and no extended attributes, and does not know layers.
import { lstatSync, readdirSync, readlinkSync, type BigIntStats } from "node:fs";
import { bytePath, toByteString } from "../../cache/hash.js";
import type { EntryType } from "./entry.js";

/** One path as the file system shows it. */
export interface Node {
  /** Relative to the directory; empty for itself. Bytes. */
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** In bytes. */
  readonly size: number;
  /** Equal for names of the same file; null for directories, and for what has one name alone. */
  readonly inode: string | null;
  /** How many names it has, those outside of the directory among them. */
  readonly links: number;
  readonly major: number;
  readonly minor: number;
  /** Of a symlink; bytes. */
  readonly target: string;
}

/** A device number that overlay uses for "nothing here": character 0:0. */
export const isWhiteoutNode = (node: Node): boolean =>
  node.type === "char" && node.major === 0 && node.minor === 0;

/** Byte path of something in the tree at `root` (text). */
export const pathIn = (root: string, path: string): string =>
  path === "" ? toByteString(root) : `${toByteString(root)}/${path}`;

/** Every node beneath `root`, itself first, each directory before what it holds. Throws system errors. */
export function scan(root: string): Node[] {
  const base = toByteString(root);
  const nodes = [nodeAt(base, "")];
  const pending = [""];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    const names = readdirSync(bytePath(dir === "" ? base : `${base}/${dir}`), { encoding: "latin1" });
    for (const name of names) {
      const node = nodeAt(base, dir === "" ? name : `${dir}/${name}`);
      nodes.push(node);
      if (node.type === "dir") pending.push(node.path);
    }
  }
  return nodes;
}

function nodeAt(base: string, path: string): Node {
  const full = bytePath(path === "" ? base : `${base}/${path}`);
  const stats = lstatSync(full, { bigint: true });
  const type = typeOf(stats);
  const { major, minor } = type === "char" || type === "block" ? deviceOf(stats.rdev) : NO_DEVICE;
  return {
    path,
    type,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtime: stats.mtimeNs,
    size: Number(stats.size),
    inode: type === "dir" || stats.nlink === 1n ? null : `${stats.dev}:${stats.ino}`,
    links: Number(stats.nlink),
    major,
    minor,
    target: type === "symlink" ? readlinkSync(full, { encoding: "latin1" }) : "",
  };
}

const NO_DEVICE = { major: 0, minor: 0 };

function typeOf(stats: BigIntStats): EntryType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "dir";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "char";
  if (stats.isBlockDevice()) return "block";
  return stats.isFIFO() ? "fifo" : "socket";
}

/** Twelve low bits of the major, eight of the minor, then the rest of both: gnu_dev_makedev of the C library. */
const deviceOf = (rdev: bigint): { major: number; minor: number } => ({
  major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
  minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
});
