// Which release is meant, of all that there are. It reads no file.
import { Exit, fail, ok, unwrap, type Result } from "../problem.js";
import type { Release, ReleaseState } from "./record.js";
import { selectRelease } from "./release.js";

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
