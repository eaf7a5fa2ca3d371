// Directories that are worked in by descriptor: whatever takes the place of their names meanwhile, a link above all, nothing
// is done through it. For what root does where somebody else may rename things.
import { chownSync, closeSync, constants, lstatSync, mkdirSync, openSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { codeOf, type Owner } from "./io.js";
import { Exit, heldPaths, stop } from "./problem.js";

/** A directory that stays the same one. */
export interface Held {
  /** Leads into it, for calls of this process and of its children. No name for people. */
  readonly path: string;
  readonly close: () => void;
}

/** How the way to a directory is gone. */
export interface Way {
  /** Users whose links are followed; without them none is. */
  readonly trusted?: readonly number[];
  /** What is missing is made, and belongs to this owner, or to us. */
  readonly make?: { readonly owner: Owner | null; readonly mode?: number };
}

/** Whose links on a way below `dir` are followed: root's, those of its owner, who may have anything run, and our own. */
export const trustedBelow = (dir: string): readonly number[] => [
  0,
  lstatSync(dir).uid,
  process.getuid?.() ?? 0,
];

/** Linux' O_PATH, which node does not name: a descriptor to go on from, whatever the modes. */
export const O_PATH = 0x200000;
const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** Where what a descriptor of ours has open is found, whatever has its name by now; by children too. */
export function pathOf(fd: number): string {
  const path = `/proc/${process.pid}/fd/${fd}`;
  // The number may have been that of a directory which was closed.
  heldPaths.delete(path);
  return path;
}

/**
 * Opens the directory `way` below `base`, part by part. Links on the way to `base`, and itself one, are followed. Exit 2
 * at a link that is not; else throws what the system says.
 */
export function holdDirectory(base: string, way: string, how: Way = {}): Held {
  let at = openSync(base, O_PATH | O_DIRECTORY);
  let shown = base;
  const parts = partsOf(way);
  try {
    for (let followed = 0; parts.length > 0;) {
      const part = parts.shift() ?? "";
      const to = readTrusted(`${pathOf(at)}/${part}`, join(shown, part), how.trusted ?? []);
      if (to === null) {
        at = goInto(at, part, how.make);
        shown = join(shown, part);
        continue;
      }
      followed += 1;
      if (followed > 40) stop(Exit.usage, `${join(shown, part)} is a symbolic link that leads in a circle`);
      parts.unshift(...partsOf(to));
      if (!to.startsWith("/")) continue;
      const root = openSync("/", O_PATH | O_DIRECTORY);
      closeSync(at);
      [at, shown] = [root, "/"];
    }
    const path = pathOf(at);
    heldPaths.set(path, shown);
    return { path, close: () => closeSync(at) };
  } catch (error) {
    closeSync(at);
    throw error;
  }
}

const partsOf = (way: string): string[] => way.split("/").filter((part) => part !== "" && part !== ".");

/** What the link at `path` says; null where there is none. Exit 2 where nobody who is trusted made it. */
function readTrusted(path: string, shown: string, trusted: readonly number[]): string | null {
  for (;;) {
    const before = lstatSync(path, { throwIfNoEntry: false, bigint: true });
    if (before?.isSymbolicLink() !== true) return null;
    if (!trusted.includes(Number(before.uid)))
      stop(
        Exit.usage,
        `${shown} is a symbolic link, and nothing is written through it`,
        "put a directory there",
      );
    const to = readlinkSync(path);
    const after = lstatSync(path, { throwIfNoEntry: false, bigint: true });
    // Else it was another one that was read.
    if (after?.ino === before.ino && after.ctimeNs === before.ctimeNs) return to;
  }
}

/** The directory `part` of an open one, which is closed. */
function goInto(at: number, part: string, make: Way["make"]): number {
  const path = `${pathOf(at)}/${part}`;
  const flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
  let next: number;
  try {
    next = openSync(path, flags);
  } catch (error) {
    if (make === undefined || codeOf(error) !== "ENOENT") throw error;
    mkdirSync(path, make.mode ?? 0o755);
    next = openSync(path, flags);
    try {
      if (make.owner !== null) chownSync(pathOf(next), make.owner.uid, make.owner.gid);
    } catch (refused) {
      closeSync(next);
      throw refused;
    }
  }
  closeSync(at);
  return next;
}
