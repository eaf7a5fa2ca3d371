// Whether what a file system says of a file differs after every change of it. It reads no contents, and imports next to
// nothing: a run with nothing to do asks for it.
import { statfsSync } from "node:fs";
import { dirname } from "node:path";

/** Where there is no change time: what is said to be one is the modification time, which anybody sets (statfs(2)). */
const WITHOUT: ReadonlySet<number> = new Set([
  0x73717368, // squashfs
  0xe0f5e1e2, // EROFS
  0x9660, // ISO 9660
  0x28cd3d45, // cramfs
  0x7275, // romfs
  0x4d44, // FAT
  0x2011bab0, // exFAT
]);

/** Where the kernel sets one, in whole seconds on the older of them. */
const WITH: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x9123683e, // btrfs
  0x58465342, // XFS
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x6969, // NFS
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0xca451a4e, // bcachefs
]);

const [TYPE, LINK] = [0o170000, 0o120000];

/**
 * Whether each change of a thing shows in its change time (`ctime`, like `mtime` in milliseconds since 1970). An image of
 * files (squashfs, ISO 9660, …) has none, and two of them with times of one constant look the same. The upper part of what
 * is put together of several (overlay, FUSE) may be one: whole seconds tell.
 */
export function tellsChanges(path: string, mtime: number, ctime: number, mode: number): boolean {
  if (mtime !== ctime) return true;
  try {
    const { type } = statfsSync((mode & TYPE) === LINK ? dirname(path) : path);
    return WITH.has(type) || (!WITHOUT.has(type) && ctime % 1000 !== 0);
  } catch {
    // It vanished, or may not be looked at.
    return false;
  }
}
