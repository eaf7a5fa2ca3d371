// The `current` symlink beside collected releases: read, and swapped in one step.
import { lstatSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { giveToUser } from "../execute/own.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { holdPlace, inTheWay } from "./place.js";

/** The link beside a collected directory. */
export const currentLink = (dir: string): string => join(dirname(dir), "current");

/** What it points to; null where there is none. Anything else in its place is refused. */
export function readCurrent(link: string): Result<string | null> {
  const stats = lstatSync(link, { throwIfNoEntry: false });
  if (stats === undefined) return ok(null);
  return stats.isSymbolicLink()
    ? ok(readlinkSync(link))
    : fail(Exit.usage, `${link} is no symbolic link, and is left alone`);
}

/** Points it elsewhere by rename, or takes it away. The directory it is in may be the caller's, and is opened once. */
export function swapCurrent(project: Project, link: string, to: string | null): Result<void> {
  const held = holdPlace(project, dirname(link));
  try {
    const current = join(held.path, basename(link));
    if (to === null) {
      rmSync(current, { force: true });
      return ok(undefined);
    }
    // One name: what an interrupted run left is replaced by the next one.
    const temporary = join(held.path, ".current.making");
    if (lstatSync(temporary, { throwIfNoEntry: false })?.isSymbolicLink() === false)
      return inTheWay(join(dirname(link), ".current.making"));
    rmSync(temporary, { force: true });
    symlinkSync(to, temporary);
    giveToUser(temporary);
    renameSync(temporary, current);
    return ok(undefined);
  } finally {
    held.close();
  }
}
