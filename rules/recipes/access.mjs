// POSIX access lists, as acl(5) has them and linux/posix_acl_xattr.h stores them.
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import process from "node:process";

export const ACCESS = "system.posix_acl_access";
export const DEFAULT = "system.posix_acl_default";

/** @param {Buffer} value */
export function* aclEntries(value) {
  for (let at = 4; at + 8 <= value.length; at += 8) {
    yield {
      tag: value.readUInt16LE(at),
      permissions: value.readUInt16LE(at + 2),
      id: value.readUInt32LE(at + 4),
    };
  }
}

/**
 * Permissions. Where there is an access list, stat has its mask in the group's place: who knows no lists would widen what
 * the group may do to it.
 * @param {number} mode
 * @param {Buffer | undefined} list
 */
export function modeWithout(mode, list) {
  if (list === undefined) return mode & 0o7777;
  for (const { tag, permissions } of aclEntries(list)) {
    if (tag === 4) return (mode & 0o7707) | (permissions << 3);
  }
  return mode & 0o7777;
}

/**
 * The permissions of one file, as `modeWithout` has them.
 * @param {string} path
 * @param {number} mode
 */
export function ownMode(path, mode) {
  const name = ACCESS.replaceAll(".", "\\.");
  const argv = ["-h", "-e", "hex", "-d", "-m", `^${name}$`, "--absolute-names", "--", path];
  const ran = spawnSync("getfattr", argv, { encoding: "latin1", env: { ...process.env, LC_ALL: "C" } });
  if (ran.status !== 0) throw new Error(`getfattr failed: ${ran.error?.message ?? ran.stderr.trim()}`);
  const hex = new RegExp(`^${name}=0x([0-9a-f]+)$`, "m").exec(ran.stdout)?.[1];
  return modeWithout(mode, hex === undefined ? undefined : Buffer.from(hex, "hex"));
}
