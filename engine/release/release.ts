// The files of releases: found, read, written, and which of them a run or a command means. Explicit ones are beside
// the Imagefile, implicit ones in the state directory; the database is never needed to join one.
import { constants, existsSync, lstatSync, openSync, readdirSync, renameSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { UTCDate } from "@date-fns/utc";
import { lightFormat } from "date-fns/lightFormat";
import { holdDirectory, O_PATH, trustedBelow } from "../../cache/held.js";
import { readOwned } from "../../cache/io.js";
import { implicitFile } from "../../cache/layout.js";
import { checksumHolds, ownerIn, sudoOwner, withChecksum, writeWhole } from "../../cache/write.js";
import { compareDatecodes, isDatecode, respinOf } from "../names.js";
import { asError, Exit, fail, ok, type Result, stop, unwrap } from "../problem.js";
import type { Project } from "../project.js";
import { CLOCKS_MS } from "../quick.js";
import {
  type Fields,
  fieldsOf,
  FOUND,
  type Found,
  joined,
  type Release,
  type ReleaseState,
  standing,
} from "./record.js";
import { wrongField } from "./shape.js";

/** An implicit release is joined while its last build is younger than this, in milliseconds. */
export const JOIN_MS = 12 * 3600 * 1000;

/** Today's datecode, in UTC. */
export const today = (now: number): string => lightFormat(new UTCDate(now), "yyyyMMdd");

/** A new, empty release. */
export function newRelease(datecode: string, now: number, more: Partial<Release> = {}): Release {
  const at = new Date(now).toISOString();
  return {
    [FOUND]: { file: null, fields: {}, home: null },
    imagemake: 1,
    datecode,
    state: "open",
    explicit: false,
    byName: false,
    opened: at,
    lastBuild: at,
    roster: null,
    atStart: null,
    commit: null,
    snapshots: {},
    closures: {},
    artifacts: {},
    dropped: [],
    rejected: [],
    accepted: [],
    verdicts: {},
    waived: [],
    ticked: {},
    history: [],
    collected: null,
    signature: null,
    previous: null,
    ...more,
  };
}

/** Where the release's file is. */
export const releaseFile = (project: Project, release: Pick<Release, "datecode" | "explicit">): string =>
  release.explicit
    ? join(project.releases, `${release.datecode}.json`)
    : implicitFile(project, release.datecode);

/** Writes the release's file whole, by rename. One that is ours alone has a checksum in it; people edit the others. */
export function saveRelease(project: Project, release: Release): void {
  const file = releaseFile(project, release);
  const [found, ours] = [release[FOUND], fieldsOf(release)];
  const home = homeOf(project);
  if (found.home !== null && found.home !== home)
    stop(
      Exit.environment,
      `${project.dir} is another directory than when this began, and release ${release.datecode} is not written there`,
      "run imagemake where the project is now: what was built is kept with it",
    );
  const remember = (): void => void Object.assign(found, { file, fields: ours, home });
  const textOf = (fields: Fields): string => `${JSON.stringify(fields, null, 1)}\n`;
  if (!release.explicit) {
    writeWhole(file, withChecksum(textOf(ours)), ownerIn(dirname(file)));
    remember();
    return;
  }
  // Under sudo the directory is the caller's, who may put a link to anywhere in its place.
  const trusted = trustedBelow(project.dir);
  const way = relative(project.dir, dirname(file));
  const held = holdDirectory(project.dir, way, { trusted, make: { owner: sudoOwner() } });
  try {
    const path = join(held.path, basename(file));
    writeWhole(path, textOf(withTheirs(path, file, found, ours)), sudoOwner());
    remember();
  } finally {
    held.close();
  }
}

/** What is to be written: ours, with what somebody else wrote into the file since we read it. `path`: where it lies now. */
function withTheirs(path: string, file: string, found: Found, ours: Fields): Fields {
  const since = found.file === file;
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
    return since
      ? stop(Exit.environment, `${file} was removed while this ran, and is not made again`, PUT_BACK)
      : ours;
  if (!since)
    return stop(
      Exit.environment,
      `${file} was made by somebody else while this ran, and is left as it is`,
      AGAIN,
    );
  const theirs = unwrap(readRelease(path, basename(file, ".json"), true));
  const both = joined(found.fields, ours, fieldsOf(theirs));
  if ("fields" in both) return both.fields;
  return stop(
    Exit.environment,
    `${file} was changed by somebody else while this ran (${both.both}), and is left as it is`,
    AGAIN,
  );
}

const PUT_BACK = "put it back and run it again: what was built is kept";
const AGAIN = "run it again: what was built is kept";

/** Which directory it is, whatever it is called. */
function homeOf({ dir }: Project): string {
  // File systems that number directories as they are looked up (FUSE, overlays) keep the number of an open one.
  if (!opened.has(dir)) opened.set(dir, openSync(dir, O_PATH | constants.O_DIRECTORY));
  const { dev, ino } = statSync(dir);
  return `${dev}:${ino}`;
}

/** Projects whose directories are open, until the process ends. */
const opened = new Map<string, number>();

/** Renames implicit releases that are damaged, and says so; only while the lock is held. */
export function setDamagedAside(project: Project, notice: (message: string) => void): void {
  if (!existsSync(project.implicit)) return;
  for (const name of readdirSync(project.implicit)) {
    const datecode = datecodeOf(name);
    if (datecode === null) continue;
    const file = implicitFile(project, datecode);
    const read = readRelease(file, datecode, false);
    if (read.ok) continue;
    renameSync(file, `${file}.set-aside`);
    notice(
      `${read.problem.message}; it was set aside as ${file}.set-aside, and what it held is found out again`,
    );
  }
}

/** The datecode that a file of this name is the release of. */
function datecodeOf(name: string): string | null {
  const datecode = name.replace(/\.json$/, "");
  return datecode !== name && isDatecode(datecode) ? datecode : null;
}

/**
 * All releases of the line, oldest first. A damaged file is a problem that names it, but for an implicit release, which
 * costs time only: it is passed over here, and set aside by the next build.
 */
export function readReleases(project: Project): Result<Release[]> {
  const found: Release[] = [];
  const home = homeOf(project);
  const owners = process.getuid?.() === 0 ? [0, lstatSync(project.dir).uid] : undefined;
  for (const dir of [project.implicit, project.releases]) {
    if (!existsSync(dir)) continue;
    for (const name of readdirSync(dir)) {
      const datecode = datecodeOf(name);
      if (datecode === null) continue;
      const explicit = dir === project.releases;
      const read = readRelease(join(dir, name), datecode, explicit, explicit ? owners : undefined);
      if (!read.ok && explicit) return read;
      if (!read.ok) continue;
      read.value[FOUND].home = home;
      found.push(read.value);
    }
  }
  // A release made explicit leaves its implicit file behind if a crash came between: the explicit one counts.
  const explicit = new Set(found.filter((release) => release.explicit).map((release) => release.datecode));
  return ok(
    found
      .filter((release) => release.explicit || !explicit.has(release.datecode))
      .sort((a, b) => (a.opened < b.opened ? -1 : 1)),
  );
}

/** One release file; `datecode` is what it must be called. In the file of any but its `owners` it is foreign. */
export function readRelease(
  file: string,
  datecode: string,
  explicit: boolean,
  owners?: readonly number[],
): Result<Release> {
  try {
    // Under sudo the release files are the caller's, who may put a link there.
    const read = readOwned(file);
    if (read === null)
      return fail(Exit.usage, `${file} is not a regular file, and release files are never followed as links`);
    const text = read.bytes.toString();
    const value = parsed(text);
    // What is no release file may be anything: nothing of it is shown.
    if (value === null)
      return fail(Exit.usage, `${file} cannot be read as a release file`, "it is not a JSON object");
    if (!explicit && checksumHolds(text) === false)
      return fail(Exit.usage, `the release file ${file} is damaged`);
    delete value.checksum;
    Reflect.deleteProperty(value, "foreign");
    if (value.imagemake !== 1 || typeof value.opened !== "string")
      return fail(Exit.usage, `${file} is not a release file that this imagemake knows`);
    const wrong = wrongField(value);
    if (wrong !== null)
      return fail(
        Exit.usage,
        `${file} is not a release file that this imagemake knows: ${wrong} is not what belongs there`,
        "put back the file that imagemake wrote, from version control or another machine",
      );
    if (value.datecode !== datecode) {
      const hint = "a release is called what its file is called; imagemake release start opens another";
      return fail(Exit.usage, `${file} says that it is release ${String(value.datecode)}`, hint);
    }
    const foreign = owners?.includes(read.owner) === false ? ({ foreign: true } as const) : {};
    const whole = {
      ...newRelease(datecode, Date.parse(value.opened ?? "")),
      ...value,
      datecode,
      explicit,
    };
    return ok({ ...whole, ...foreign, [FOUND]: { file, fields: fieldsOf(whole), home: null } });
  } catch (error) {
    return fail(Exit.usage, `${file} cannot be read as a release file`, asError(error).message);
  }
}

function parsed(text: string): (Partial<Release> & { checksum?: string }) | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** Which release a run works in. `opens` is one that does not exist yet. */
export type Selected =
  | { readonly kind: "joined"; readonly release: Release }
  | { readonly kind: "opens"; readonly release: Release };

/**
 * Selects the release of a run. With a datecode it is that one, new if need be; without, the newest open
 * explicit one, else the newest implicit one built in the last twelve hours, else the one that was opened by
 * naming today's date, else a new one of today. Names must not go back: no implicit one is joined, or opened, that sorts
 * before what was signed or promoted by today.
 */
export function selectRelease(
  releases: readonly Release[],
  datecode: string | null,
  now: number,
): Result<Selected> {
  if (datecode !== null) {
    if (!isDatecode(datecode))
      return fail(Exit.usage, `${datecode} is not a datecode`, "YYYYMMDD, or YYYYMMDD.1 for a respin");
    const named = releases.find((release) => release.datecode === datecode);
    if (named === undefined)
      return ok({
        kind: "opens",
        release: newRelease(datecode, now, { byName: true, rejected: standing(releases) }),
      });
    return ok({ kind: "joined", release: named });
  }
  const explicit = releases.filter((release) => release.explicit && JOINED.has(release.state)).at(-1);
  if (explicit !== undefined) return ok({ kind: "joined", release: explicit });
  const day = today(now);
  const published = releases
    .filter((release) => PUBLISHED.has(release.state) && release.datecode.slice(0, 8) <= day)
    .map((release) => release.datecode)
    .sort(compareDatecodes)
    .at(-1);
  const goesOn = releases.filter(
    (release) => published === undefined || compareDatecodes(release.datecode, published) > 0,
  );
  const implicit = goesOn
    .filter((release) => !release.explicit && !release.byName && release.state === "open")
    .filter((release) => !isOfFuture(release, now))
    .sort((a, b) => (a.lastBuild < b.lastBuild ? -1 : 1))
    .at(-1);
  if (implicit !== undefined && now - Date.parse(implicit.lastBuild) < JOIN_MS) {
    return ok({ kind: "joined", release: implicit });
  }
  const named = goesOn.find(({ datecode, byName, state }) => byName && state === "open" && datecode === day);
  if (named !== undefined) return ok({ kind: "joined", release: { ...named, byName: false } });
  const first = published?.startsWith(day) === true ? respinOf(published) + 1 : 0;
  const release = newRelease(freeDatecode(releases, day, first), now, { rejected: standing(releases) });
  return ok({ kind: "opens", release });
}

/** A run under a wrong clock opened it, or built in it last: it would be joined until that day comes. */
export const isOfFuture = ({ explicit, opened, lastBuild }: Release, now: number): boolean =>
  !explicit && Math.max(Date.parse(opened), Date.parse(lastBuild)) > now + CLOCKS_MS;

/** An explicit release is joined until it is signed or abandoned; whether it can be built in is another question. */
const JOINED: ReadonlySet<ReleaseState> = new Set(["open", "collected"]);

/** States in which people have a release's names. */
const PUBLISHED: ReadonlySet<ReleaseState> = new Set(["signed", "promoted"]);

/** The day's first datecode, from the respin `first` on, that no explicit release has taken. An implicit one is reopened. */
function freeDatecode(releases: readonly Release[], day: string, first: number): string {
  for (let respin = first; ; respin += 1) {
    const datecode = respin === 0 ? day : `${day}.${respin}`;
    const taken = releases.find((release) => release.datecode === datecode);
    if (taken === undefined || !taken.explicit) return datecode;
  }
}

// Which release is meant, of all that there are.

/** States in which a release still has moves to come that lead to people. */
const LIVE: readonly ReleaseState[] = ["open", "collected", "signed"];

/**
 * The release that a command means: the named one, else the newest explicit one in one of these states, else the newest explicit one that is
 * not at its end, else the one that a build joins, else the newest explicit one, else the newest.
 */
export function meantOf(
  releases: readonly Release[],
  named: string | undefined,
  states: readonly ReleaseState[],
): Result<Release> {
  if (named !== undefined) {
    const found = releases.find(({ datecode }) => datecode === named);
    return found === undefined ? fail(Exit.usage, `there is no release ${named}`) : ok(found);
  }
  const explicit = releases.filter((release) => release.explicit);
  const newest = (among: readonly ReleaseState[]): Release | undefined =>
    explicit.filter(({ state }) => among.includes(state)).at(-1);
  const found =
    newest(states) ?? newest(LIVE) ?? joinedByBuilds(releases) ?? explicit.at(-1) ?? releases.at(-1);
  return found === undefined
    ? fail(Exit.usage, "there is no release here", "imagemake release start opens one")
    : ok(found);
}

/** The release that a build would join now. */
export function joinedByBuilds(releases: readonly Release[]): Release | undefined {
  const selected = unwrap(selectRelease(releases, null, Date.now()));
  return selected.kind === "joined" ? selected.release : undefined;
}

/** The one that status is about; undefined where there is none that is neither given up nor withdrawn. */
export function shownRelease(releases: readonly Release[], named: string | undefined): Release | undefined {
  if (named !== undefined) return releases.find(({ datecode }) => datecode === named);
  const explicit = releases.filter((release) => release.explicit);
  return (
    explicit.filter(({ state }) => LIVE.includes(state)).at(-1) ??
    joinedByBuilds(releases) ??
    explicit.filter(({ state }) => state === "promoted").at(-1)
  );
}
