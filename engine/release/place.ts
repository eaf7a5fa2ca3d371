// Where a release was collected, as far as its file can be believed (people copy and clone release files, and under
// sudo they are the caller's, who may not edit the Imagefile); and the `current` link beside it.
import { lstatSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { type Held, holdDirectory, trustedBelow } from "../../cache/held.js";
import { leadsTo } from "../../cache/layout.js";
import { giveToUser, sudoOwner } from "../../cache/write.js";
import { withDate } from "../names.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { isWithin } from "../sources/globs.js";
import { isSignature, sumsText } from "./check.js";
import type { Collected, Release } from "./record.js";

/** Where the Imagefile says that a release is collected. */
export const ownPlace = (project: Project, into: string | null, datecode: string): string =>
  into?.includes("{date}") === true
    ? resolve(project.dir, withDate(into, datecode))
    : resolve(project.dir, into ?? ".", datecode);

/** Whether a directory's name has that date in it, and no respin's. */
const isOfDate = (name: string, datecode: string): boolean =>
  name
    .split(datecode)
    .some((before, i, all) => i < all.length - 1 && !/\d$/.test(before) && !/^\.?\d/.test(all[i + 1] ?? ""));

/** As the release's file keeps it: a copy of the project has a place of its own. */
export function kept(project: Project, { dir, sums, form }: Collected): Collected {
  return isBelow(project.dir, dir)
    ? { dir: relative(project.dir, dir), sums, form }
    : { dir, sums, form, of: real(project.dir) };
}

/** Whether who called sudo may not edit the Imagefile, and so must gain nothing by the release's file. */
export function isLimited(project: Project): boolean {
  const caller = sudoOwner();
  return caller !== null && lstatSync(project.dir).uid !== caller.uid;
}

/** Exit 2 where `isLimited`, for what root does not do for such a caller, `because`. */
export function requireOwner(
  project: Project,
  does: string,
  because = "what is built as root would rest on it",
): Result<void> {
  return isLimited(project)
    ? fail(
        Exit.usage,
        `who may not edit the Imagefile may not ${does} under sudo: ${because}`,
        `the owner of ${project.dir} can`,
      )
    : ok(undefined);
}

/** Refuses to remove what lies under one of our temporary names and is not ours; `path` as people know it. */
export const inTheWay = (path: string): Result<never> =>
  fail(Exit.usage, `${path} is in the way, and imagemake did not make it`, "move it away");

/** Whether the place is outside and not this project's: that of what it was copied from, say. */
export function isElsewhere(project: Project, { dir, of }: Collected): boolean {
  const at = resolve(project.dir, dir);
  if (isBelow(project.dir, at) || isBelow(real(project.dir), join(real(dirname(at)), basename(at))))
    return false;
  return of !== real(project.dir);
}

/**
 * The place of a collected release, with its directory absolute. `own` is what the Imagefile says now; null where nobody
 * needs to ask it.
 */
export function collectedPlace(project: Project, release: Release, own: string | null): Result<Collected> {
  const { collected, datecode, artifacts } = release;
  if (collected === null) return fail(Exit.usage, `release ${datecode} is not collected`);
  const dir = resolve(project.dir, collected.dir);
  const plain = [collected.sums, ...Object.values(artifacts).map(({ name }) => name)].every(
    (name) => name !== "" && name !== "." && name !== ".." && !name.includes("/"),
  );
  if (!plain || !isOfDate(basename(dir), datecode))
    return fail(
      Exit.usage,
      `the release file of ${datecode} names files or a directory that are none of a release`,
    );
  if (own !== null && dir !== resolve(own))
    return fail(
      Exit.usage,
      `release ${datecode} was collected elsewhere (${dir}), and the Imagefile names ${own}`,
      "under sudo only that place is used; release.into names another",
    );
  if (own === null && isElsewhere(project, collected))
    return fail(
      Exit.usage,
      `release ${datecode} was collected elsewhere (${dir}): this copy of the project, ${project.dir}, leaves that alone`,
      "imagemake release reopen opens it here and touches nothing there; then collect again",
    );
  const link = linkIn(project, dir);
  return link === null
    ? ok({ ...collected, dir })
    : fail(
        Exit.usage,
        `${link} is a symbolic link, and a release is never changed through it`,
        "put the directory back",
      );
}

/** The first link on the way that may not be followed: the last part, or one below the project that a stranger made. */
export function linkIn(project: Project, dir: string): string | null {
  const trusted = [0, lstatSync(project.dir).uid];
  for (let at = dir; at !== dirname(at) && (at === dir || isBelow(project.dir, at)); at = dirname(at)) {
    const stats = lstatSync(at, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink() === true && (at === dir || !trusted.includes(stats.uid))) return at;
  }
  return null;
}

/**
 * The directory in which a release is collected, or its keys lie, opened once: below the project through no link but its
 * owner's and root's, and made where it is missing.
 */
export function holdPlace(project: Project, dir: string, mode = 0o755): Held {
  const trusted = trustedBelow(project.dir);
  const base = dir === project.dir || isBelow(project.dir, dir) ? project.dir : "/";
  return holdDirectory(base, relative(base, dir), { trusted, make: { owner: sudoOwner(), mode } });
}

/**
 * Works in a collected directory, opened once with the one above it, since under sudo both may be the caller's: `work` is
 * given the paths of both.
 */
export function inPlace<T>(project: Project, dir: string, work: (inside: string, above: string) => T): T {
  const above = holdPlace(project, dirname(dir));
  try {
    const inside = holdDirectory(above.path, basename(dir));
    try {
      return work(inside.path, above.path);
    } finally {
      inside.close();
    }
  } finally {
    above.close();
  }
}

/** Of the checksum file and its signature those that are what imagemake wrote. */
export function ownFiles({ dir, sums, form }: Collected, release: Release, signature: string): string[] {
  const listed = new Map(Object.values(release.artifacts).map(({ name, digest }) => [name, digest]));
  const found = [
    [join(dir, signature), isSignature] as const,
    [join(dir, sums), (text: string) => text === sumsText(listed, form)] as const,
  ];
  return found
    .filter(
      ([path, isOurs]) =>
        lstatSync(path, { throwIfNoEntry: false })?.isFile() === true && isOurs(readFileSync(path, "utf8")),
    )
    .map(([path]) => path);
}

const isBelow = (dir: string, path: string): boolean => isWithin(dir, path) && relative(dir, path) !== "";

/** Where a path leads; itself where it is not there. */
export const real = (path: string): string => leadsTo(path) ?? path;

// The `current` symlink beside collected releases: read, and swapped in one step.

/** The link beside a collected directory. */
export const currentLink = (dir: string): string => join(dirname(dir), "current");

/** What it points to; null where there is none. Anything else in its place is refused. */
export function readCurrent(link: string): Result<string | null> {
  const stats = lstatSync(link, { throwIfNoEntry: false });
  if (stats === undefined) return ok(null);
  return stats.isSymbolicLink()
    ? ok(readlinkSync(link))
    : fail(Exit.usage, `${link} is not a symbolic link, and is left alone`);
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
