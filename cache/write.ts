// Writes small files whole: under another name first, then by rename, so that no reader and no crash ever
// sees half of one.
import {
  closeSync,
  fchownSync,
  fsyncSync,
  lchownSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { hashBytes } from "./hash.js";
import { temporaryName } from "./io.js";

/** The user who called sudo, when there is one: what users should own is given to them when it is made. */
export function sudoOwner(): { readonly uid: number; readonly gid: number } | null {
  const uid = Number(process.env["SUDO_UID"]);
  const gid = Number(process.env["SUDO_GID"]);
  return process.getuid?.() === 0 && uid > 0 && Number.isInteger(uid) && Number.isInteger(gid)
    ? { uid, gid }
    : null;
}

/** Makes a directory and those above it that are missing; the user who called sudo gets each one made. */
export function makeOwnDir(dir: string, mode = 0o755): void {
  const first = mkdirSync(dir, { recursive: true, mode });
  const owner = sudoOwner();
  if (first === undefined || owner === null) return;
  for (let at = dir; at.length >= first.length; at = dirname(at)) lchownSync(at, owner.uid, owner.gid);
}

/** Writes `content` to `file`, flushed to the disk, by rename. Throws what the file system says. */
export function writeWhole(file: string, content: string | Uint8Array): void {
  const temporary = temporaryName(file);
  try {
    const fd = openSync(temporary, "w", 0o644);
    try {
      const owner = sudoOwner();
      if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
      const bytes = typeof content === "string" ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
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
