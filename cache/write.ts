// Writes small files whole, under another name first, then by rename, so that no reader and no crash ever sees half
// of one; and gives what the user should own to who called sudo.
import {
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { hashBytes } from "./hash.js";
import { O_PATH, pathOf } from "./held.js";
import { codeOf, type Owner, temporaryName } from "./io.js";
import { asKnown } from "./problem.js";
import { reached } from "./steps.js";

/** The user who called sudo, when there is one: what users should own is given to them when it is made. */
export function sudoOwner(): Owner | null {
  const uid = Number(process.env["SUDO_UID"]);
  const gid = Number(process.env["SUDO_GID"]);
  return process.getuid?.() === 0 && uid > 0 && Number.isInteger(uid) && Number.isInteger(gid)
    ? { uid, gid }
    : null;
}

/**
 * Who owns what root makes in `dir` of the state directory: whoever owns that, which is the owner of the Imagefile's
 * directory. Null for nobody else.
 */
export function ownerIn(dir: string): Owner | null {
  if (process.getuid?.() !== 0) return null;
  const { uid, gid } = lstatSync(dir);
  return uid === 0 ? null : { uid, gid };
}

/** Makes a directory and those above it that are missing; the user who called sudo gets each one made. */
export function makeOwnDir(dir: string, mode = 0o755): void {
  const first = mkdirSync(dir, { recursive: true, mode });
  const owner = sudoOwner();
  if (first === undefined || owner === null) return;
  for (let at = dir; at.length >= first.length; at = dirname(at)) giveDirectory(at, owner);
}

/** Gives a directory that was made to its owner; nothing else that took its place. */
export function giveDirectory(dir: string, { uid, gid }: Owner): void {
  const fd = openSync(dir, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    chownSync(pathOf(fd), uid, gid);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes `content` to `file`, flushed to the disk, by rename. It belongs to `owner`, or to who called sudo. Throws what
 * the file system says.
 */
export function writeWhole(file: string, content: string | Uint8Array, owner = sudoOwner()): void {
  const temporary = temporaryName(file);
  try {
    const fd = openNew(temporary);
    try {
      if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
      writeFlushed(fd, [content]);
    } finally {
      closeSync(fd);
    }
    reached("file written", asKnown(file));
    renameSync(temporary, file);
    reached("file named", asKnown(file));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Writes a file, piece by piece, that nobody else has made. Throws what the file system says. */
export function writeNew(path: string, pieces: Iterable<string | Uint8Array>, mode = 0o644): void {
  const fd = openSync(path, "wx", mode);
  try {
    writeFlushed(fd, pieces);
  } finally {
    closeSync(fd);
  }
}

function writeFlushed(fd: number, pieces: Iterable<string | Uint8Array>): void {
  for (const piece of pieces) {
    const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  }
  fsyncSync(fd);
}

/** What was written to a file is on the disk. */
export function flush(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const CHECKSUM = '{"checksum":"';

/** The text of a JSON object, with a first member that holds the SHA-256 of the others. It stays JSON. */
export function withChecksum(json: string): string {
  const rest = json.slice(1);
  return `${CHECKSUM}${hashBytes(rest)}",${rest}`;
}

/** Whether a text is as `withChecksum` made it; null where it never was. */
export function checksumHolds(text: string): boolean | null {
  if (!text.startsWith(CHECKSUM)) return null;
  const [from, to] = [CHECKSUM.length, CHECKSUM.length + 64];
  return text.slice(to, to + 2) === '",' && hashBytes(text.slice(to + 2)) === text.slice(from, to);
}

/** A file that nobody else has made: what a crash left under that name gives way. */
function openNew(path: string): number {
  try {
    return openSync(path, "wx", 0o644);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    rmSync(path);
    return openSync(path, "wx", 0o644);
  }
}

/**
 * Gives a file, directory or symlink that we made to the user behind sudo; does nothing without sudo. Throws. What has
 * another name as well is somebody's that took its place. It is called when a thing is created, not afterwards, so that a
 * kill cannot leave it wrong.
 */
export function giveToUser(path: string): void {
  const owner = sudoOwner();
  if (owner === null) return;
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    const stats = fstatSync(fd);
    if (stats.isDirectory() || stats.nlink === 1) chownSync(pathOf(fd), owner.uid, owner.gid);
  } finally {
    closeSync(fd);
  }
}

/** The same for an open file. */
export function giveFdToUser(fd: number): void {
  const owner = sudoOwner();
  if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
}
