// What evaluating an Imagefile read, and whether any of it changed since. It is on the path of a run with nothing to
// do, so it imports next to nothing.
import { lstatSync, readFileSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { tellsChanges } from "../sources/telling.js";
import { short } from "./place.js";

/** What the file system says of a path. Sizes in bytes, times in milliseconds since 1970. */
interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
  readonly mode: number;
}

/** What was asked about a path, and so what has to be the same: of `exists` only whether there is anything. */
export type Use = "exists" | "stat" | "lstat" | "read" | "list" | "readlink" | "realpath";

/** One question evaluation asked the file system. */
export interface FileRead {
  /** Absolute. */
  readonly path: string;
  readonly use: Use;
  /** Taken just before the answer was given; null where there was nothing. */
  readonly stat: Stamp | null;
  /** The directory's names were read. */
  readonly listed: boolean;
  /** Another change might not show in the stamp: it was taken too soon after one, or never tells. */
  readonly racy: boolean;
  /** Of what was read: contents up to 1 MiB, names, the link's target; null where only the stamp counts. */
  readonly digest: string | null;
}

/** Everything outside the engine that an evaluation depended on, as plain data. */
export interface Reads {
  /** Absolute paths, the Imagefile first; each is among `files` too. */
  readonly modules: readonly string[];
  /** The working directory, where something depended on it. */
  readonly cwd: string | null;
  /** Variables and VAR= names, with their values; null for what was not set. */
  readonly env: Readonly<Record<string, string | null>>;
  /** The environment was enumerated; then `envDigest` is over all of it. */
  readonly envAll: boolean;
  readonly envDigest: string | null;
  readonly files: readonly FileRead[];
  /** Uses of the clock, random numbers, the network and child processes: with one, nothing may be reused. */
  readonly unsnapshottable: readonly { readonly what: string; readonly at: string }[];
}

/** Files above this size are compared by their stamp alone. Bytes. */
const DIGEST_UP_TO = 1024 * 1024;
/** A change within this time of the stamp may be followed by one that the stamp does not show. Milliseconds. */
const RACY = 3000;

/**
 * The first thing that is not as it was when the Imagefile was evaluated, in words (`env CI`,
 * `lists/base.list`), or null. `args` are the VAR=value words of this run. A new stamp on the same contents
 * is no change.
 */
export function readsChanged(reads: Reads, args: Readonly<Record<string, string>> = {}): string | null {
  const use = reads.unsnapshottable[0];
  if (use !== undefined) return use.what;
  if (reads.cwd !== null && reads.cwd !== process.cwd()) return "the working directory";
  for (const [name, value] of Object.entries(reads.env)) {
    if (valueOf(name, args) !== value) return `env ${name}`;
  }
  if (reads.envAll && environmentDigest(args) !== reads.envDigest) return "the environment";
  const changed = reads.files.find((file) => !asBefore(file, stampOf(file.path, file.use)));
  return changed === undefined ? null : short(changed.path);
}

/**
 * The reads with the stamps of now, where that spares the next run comparing contents; null where nothing is
 * to gain. Only for reads that did not change.
 */
export function restamped(reads: Reads): Reads | null {
  const files = reads.files.map(restampedFile);
  return files.some((file, i) => file !== reads.files[i]) ? { ...reads, files } : null;
}

function restampedFile(file: FileRead): FileRead {
  const stat = stampOf(file.path, file.use);
  if (stat === null || file.stat === null || file.digest === null) return file;
  const racy = isRacy(file.path, file.use, stat);
  if (same(stat, file.stat) && (!file.racy || racy)) return file;
  // Contents are compared after the stamp was taken, so it cannot be of later ones.
  return digestOf(file.path, file.use) === file.digest ? { ...file, stat, racy } : file;
}

/** Asks the file system now; for the recorder. */
export function fileRead(path: string, use: Use): FileRead {
  const stat = stampOf(path, use);
  const digest = stat === null ? null : digestOf(path, use);
  return { path, use, stat, listed: use === "list", racy: stat !== null && isRacy(path, use, stat), digest };
}

/** Digest over all of the environment, with VAR=value words in it. */
export function environmentDigest(args: Readonly<Record<string, string>> = {}): string {
  const all = Object.entries({ ...process.env, ...args });
  return sha256(JSON.stringify(all.sort(([a], [b]) => (a < b ? -1 : 1))));
}

const valueOf = (name: string, args: Readonly<Record<string, string>>): string | null =>
  (Object.hasOwn(args, name) ? args[name] : process.env[name]) ?? null;

function asBefore(file: FileRead, now: Stamp | null): boolean {
  if (now === null || file.stat === null) return now === file.stat;
  if (file.use === "exists") return true;
  if (!file.racy && same(now, file.stat)) return true;
  return file.digest !== null && digestOf(file.path, file.use) === file.digest;
}

const same = (a: Stamp, b: Stamp): boolean =>
  a.size === b.size &&
  a.mtimeMs === b.mtimeMs &&
  a.ctimeMs === b.ctimeMs &&
  a.ino === b.ino &&
  a.mode === b.mode;

/** Also where the file is from the future: then nothing can be said. Who asked for no more than the stamp has the same answer. */
const isRacy = (path: string, use: Use, { mtimeMs, ctimeMs, mode }: Stamp): boolean =>
  !["exists", "stat", "lstat"].includes(use) &&
  (Date.now() - Math.max(mtimeMs, ctimeMs) < RACY || !tellsChanges(path, mtimeMs, ctimeMs, mode));

function stampOf(path: string, use: Use): Stamp | null {
  const stat = use === "lstat" || use === "readlink" ? lstatSync : statSync;
  let found: Stats | undefined;
  try {
    found = stat(path, { throwIfNoEntry: false });
  } catch {
    // No permission, or a loop of links: as good as nothing there.
  }
  if (found === undefined) return null;
  const { size, mtimeMs, ctimeMs, ino, mode } = found;
  return { size, mtimeMs, ctimeMs, ino, mode };
}

/** Null where the stamp is all there is to compare. */
function digestOf(path: string, use: Use): string | null {
  try {
    switch (use) {
      case "read": {
        // A pipe in the place of a file would be waited for.
        const stats = statSync(path);
        return !stats.isFile() || stats.size > DIGEST_UP_TO ? null : sha256(readFileSync(path));
      }
      case "list":
        return sha256(JSON.stringify(names(path)));
      case "readlink":
        return readlinkSync(path);
      case "realpath":
        return realpathSync(path);
      case "exists":
      case "stat":
      case "lstat":
        return null;
    }
  } catch {
    // It vanished, or may not be read: nothing to compare.
    return null;
  }
}

/** Names with what they are, since a listing can tell both. */
const names = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true })
    .map((entry) => `${entry.name}\0${entry.isDirectory() ? "d" : entry.isSymbolicLink() ? "l" : "f"}`)
    .sort();

/** Loaded when first needed: most runs compare only stamps, and node:crypto takes its time. */
const sha256 = (data: string | Buffer): string =>
  process.getBuiltinModule("node:crypto").createHash("sha256").update(data).digest("hex");
