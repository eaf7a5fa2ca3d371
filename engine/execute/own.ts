// Gives what the user should own to who called sudo. It is called when a thing is created, not afterwards, so
// that a kill cannot leave it wrong. It does not know which files those are.
import { fchownSync, lchownSync } from "node:fs";
import { sudoOwner } from "../../cache/write.js";

export { sudoOwner };

/** Gives a path to the user behind sudo, never through a symlink; does nothing without sudo. Throws. */
export function giveToUser(path: string): void {
  const owner = sudoOwner();
  if (owner !== null) lchownSync(path, owner.uid, owner.gid);
}

/** The same for an open file. */
export function giveFdToUser(fd: number): void {
  const owner = sudoOwner();
  if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
}
