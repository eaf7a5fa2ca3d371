// Gives what the user should own to who called sudo. It is called when a thing is created, not afterwards, so that a
// kill cannot leave it wrong.
import { chownSync, closeSync, fchownSync, fstatSync, openSync, constants } from "node:fs";
import { O_PATH, pathOf } from "../../cache/held.js";
import { sudoOwner } from "../../cache/write.js";

export { sudoOwner };

/**
 * Gives a file, directory or symlink that we made to the user behind sudo; does nothing without sudo. Throws. What has
 * another name as well is somebody's that took its place.
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
