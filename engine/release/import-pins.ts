// What a release file from another machine means for the releases here: it opens that release, or agrees with the one
// that is here. It writes nothing and looks at no artifact.
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Export } from "./exchange.js";
import type { Release } from "./record.js";
import { newRelease } from "./release.js";
import { requireState } from "./states.js";

/** The one date of several exports, and of the command line; two in one run are refused. */
export function oneRelease(exports: readonly Export[], named: string | null): Result<string> {
  const dates = [
    ...new Set([...(named === null ? [] : [named]), ...exports.map(({ index }) => index.datecode)]),
  ];
  const [datecode = "", other] = dates;
  return other === undefined
    ? ok(datecode)
    : fail(
        Exit.usage,
        `two releases in one run: ${dates.join(" and ")}`,
        "exports of one release are imported together",
      );
}

/** An export of another line would be another product under the same date. */
export function sameLine(exports: readonly Export[], line: string): Result<void> {
  const other = exports.find(({ index }) => index.line !== line);
  const called = (name: string): string => (name === "" ? "Imagefile.ts" : `${name}.ts`);
  return other === undefined
    ? ok(undefined)
    : fail(
        Exit.usage,
        `${other.dir} is of the line ${called(other.index.line)}, not ${called(line)}`,
        `-f ${called(other.index.line)} imports it`,
      );
}

/**
 * The release here after taking over what `theirs` pins. An implicit one of that date gives way to imported pins; an
 * explicit one must agree with them. Artifacts come into the release of their date, opened if there is none, as long
 * as no other explicit one is the current one here (`named`: the command line insists).
 */
export function joinPins(
  here: readonly Release[],
  { index, release: theirs, dir }: Export,
  now: number,
  named: boolean,
): Result<Release> {
  const there = here.find(({ datecode }) => datecode === index.datecode);
  const current = here.filter(({ explicit, state }) => explicit && state === "open").at(-1);
  if (!index.pins && !named && current !== undefined && current.datecode !== index.datecode)
    return fail(
      Exit.usage,
      `${dir} is of release ${index.datecode}, and release ${current.datecode} is the current one here`,
      `--release ${index.datecode} imports it all the same`,
    );
  if (there === undefined || (index.pins && !there.explicit)) return ok(opened(theirs, now));
  const open = requireState(there, ["open"]);
  if (!open.ok) return open;
  return index.pins ? agreed(there, theirs, dir) : ok(completed(there, theirs));
}

/** What a release is before anything was built in it here. */
const opened = (theirs: Release, now: number): Release => ({
  ...newRelease(theirs.datecode, Date.parse(theirs.opened), { explicit: true }),
  lastBuild: new Date(now).toISOString(),
  roster: theirs.roster,
  commit: theirs.commit,
  snapshots: theirs.snapshots,
  closures: theirs.closures,
  dropped: theirs.dropped,
  rejected: theirs.rejected,
  accepted: theirs.accepted,
});

/** Names of snapshots and closures that both pin, and not the same. */
function differences(here: Release, theirs: Release): string[] {
  const snapshots = Object.keys(theirs.snapshots).filter((name) => {
    const own = here.snapshots[name];
    return own !== undefined && own.digest !== theirs.snapshots[name]?.digest;
  });
  const closures = Object.keys(theirs.closures).filter((id) => {
    const own = here.closures[id];
    return own !== undefined && own.digest !== theirs.closures[id]?.digest;
  });
  return [
    ...snapshots.map((name) => `the snapshot of ${name}`),
    ...closures.map((id) => `packages of ${id}`),
  ];
}

function agreed(here: Release, theirs: Release, dir: string): Result<Release> {
  const other = differences(here, theirs);
  if (JSON.stringify(here.roster) !== JSON.stringify(theirs.roster)) other.unshift("the roster");
  return other.length === 0
    ? ok(completed(here, theirs))
    : fail(
        Exit.usage,
        `release ${here.datecode} is here already, and ${dir} pins something else: ${other.join(", ")}`,
        "imagemake release abandon gives up the one that is here",
      );
}

/** Takes over what is not pinned here; where both pin and differ, theirs is from another moment, and ours stays. */
function completed(here: Release, theirs: Release): Release {
  if (differences(here, theirs).some((name) => name.startsWith("the snapshot"))) return here;
  return {
    ...here,
    snapshots: { ...theirs.snapshots, ...here.snapshots },
    closures: { ...theirs.closures, ...here.closures },
  };
}
