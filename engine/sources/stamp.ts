// How a file looks from outside, and whether that may be believed; and the stamps that a decision rests on. It reads
// no contents.
import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import type { Index, Stamp } from "../../cache/index.js";
import { codeOf, problemIn, temporaryName } from "../../cache/io.js";
import { tellsChanges } from "./telling.js";

/** A digest taken within this many milliseconds of a file's change is not used again: a later edit could look the same. */
const RACY_MS = 3000;

/** The stamp that these stats are. */
export const stampOfStats = (stats: Stats): Stamp => ({
  size: stats.size,
  mtime: stats.mtimeMs,
  ctime: stats.ctimeMs,
  ino: stats.ino,
  mode: stats.mode,
});

/** What a path leads to; undefined where that is nothing: no such name, a name beneath a file, or a circle of links. */
export const statOf = (path: string): Stats | undefined => there(statSync, path);

/** The same of the path itself, symlink or not. */
export const lstatOf = (path: string): Stats | undefined => there(lstatSync, path);

function there(look: typeof statSync, path: string): Stats | undefined {
  try {
    return look(path, { throwIfNoEntry: false });
  } catch (error) {
    if (["ENOTDIR", "ELOOP"].includes(codeOf(error))) return undefined;
    throw error;
  }
}

/** The stamp of what the path leads to; null where there is nothing. */
export function stampOf(path: string): Stamp | null {
  const stats = statOf(path);
  return stats === undefined ? null : stampOfStats(stats);
}

/** The stamp of the path itself, symlink or not. */
export function ownStamp(path: string): Stamp | null {
  const stats = lstatOf(path);
  return stats === undefined ? null : stampOfStats(stats);
}

/** Compared for equality only: clocks jump, and files may come from the future. */
export const sameStamp = (a: Stamp, b: Stamp): boolean =>
  a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime && a.ino === b.ino && a.mode === b.mode;

/** Whether another change might leave the same stamp: it changed very lately (`now` is the file system's), or never tells. */
export const isDoubtful = (path: string, stamp: Stamp, now: number): boolean =>
  Math.abs(now - stamp.mtime) < RACY_MS ||
  Math.abs(now - stamp.ctime) < RACY_MS ||
  !tellsChanges(path, stamp.mtime, stamp.ctime, stamp.mode);

/**
 * The same of a file that we have just made and nobody else knew: only where the clock is as coarse as a second, and is not
 * asked where it is not. `state` is a directory to ask it in.
 */
export const isOwnDoubtful = (path: string, stamp: Stamp, state: string): boolean =>
  stamp.ctime % 1000 === 0 && isDoubtful(path, stamp, fileSystemNow(state));

/** Notes what a file of ours has that looks so (null: it is gone); not where it could be another that looks so. */
export function noteOwn(
  index: Index,
  path: string,
  digest: string,
  state: string,
  stamp: Stamp | null = ownStamp(path),
): void {
  if (stamp !== null && !isOwnDoubtful(path, stamp, state)) index.setStamp(path, stamp, digest);
}

/** Linux' flag for a file without a name (open(2)); node has no name for it. Its number is the same on all its machines. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * The file system's own clock, in milliseconds: the time it gives to a file made just now. The process's
 * clock may be another (a network file system, a faked clock).
 */
export function fileSystemNow(dir: string): number {
  try {
    // A kill leaves nothing of what has no name.
    return madeAt(dir, O_TMPFILE | constants.O_WRONLY);
  } catch (error) {
    if (problemIn(error) === null) throw error;
  }
  // Network file systems have no such files.
  const path = temporaryName(join(dir, ".now"));
  try {
    return madeAt(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY);
  } catch (error) {
    // On a full disk the process's clock has to do.
    if (problemIn(error) === null) throw error;
    return Date.now();
  } finally {
    rmSync(path, { force: true });
  }
}

/** The time that a file gets which is made by opening it, in milliseconds. */
function madeAt(path: string, flags: number): number {
  const fd = openSync(path, flags, 0o600);
  try {
    return fstatSync(fd).mtimeMs;
  } finally {
    closeSync(fd);
  }
}

/** How long a reading of the file system's clock is carried on, in milliseconds. */
const CARRIED_ON_MS = 1000;

/** The same for many questions: it is asked anew after a second, and carried on from there in between. */
export function fileSystemClock(dir: string): () => number {
  let [now, asked] = [0, -Infinity];
  return () => {
    const at = performance.now();
    if (at - asked > CARRIED_ON_MS) [now, asked] = [fileSystemNow(dir), at];
    return now + (at - asked);
  };
}

// Everything a decision rested on, collected while deciding: while none of it has changed, a later run need not decide
// again (quick.ts, known.ts). It holds data only.

/** What was looked at for one source. `null` is a thing that was not there. */
export class Grounds {
  readonly files = new Map<string, Stamp | null>();
  /** Symlinks, looked at as they are. */
  readonly links = new Map<string, Stamp>();
  /** No later look can confirm it: something was too fresh to be believed, or a command said it. */
  doubtful = false;
  /** There is something to say of it in each run. */
  told = false;

  file(path: string, stamp: Stamp | null): void {
    this.files.set(path, stamp);
  }
}

/** The same for a whole run: what is no single source's, and what was found out beside files. */
export class Facts extends Grounds {
  readonly env = new Map<string, string | null>();
}
