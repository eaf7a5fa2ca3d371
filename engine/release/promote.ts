// The `current` symlink beside collected releases: read, and swapped in one step. It knows no state.
import { lstatSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { giveToUser } from "../execute/own.js";
import { fail, ok, type Result } from "../problem.js";

/** The link beside a collected directory. */
export const currentLink = (dir: string): string => join(dirname(dir), "current");

/** What it points to; null where there is none. Anything else in its place is refused. */
export function readCurrent(link: string): Result<string | null> {
  const stats = lstatSync(link, { throwIfNoEntry: false });
  if (stats === undefined) return ok(null);
  return stats.isSymbolicLink()
    ? ok(readlinkSync(link))
    : fail(2, `${link} is no symbolic link, and is left alone`);
}

/** Points it elsewhere by rename, or takes it away. */
export function swapCurrent(link: string, to: string | null): void {
  if (to === null) {
    rmSync(link, { force: true });
    return;
  }
  // One name: what an interrupted run left is replaced by the next one.
  const temporary = join(dirname(link), ".current.making");
  rmSync(temporary, { force: true });
  symlinkSync(to, temporary);
  giveToUser(temporary);
  renameSync(temporary, link);
}
