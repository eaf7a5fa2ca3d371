// What of a release's pins is believed. People merge release files by hand, and under sudo they are the caller's, who gains
// nothing by them.
import type { Index } from "../../cache/index.js";
import type { Checked } from "../../cache/packages.js";
import type { TargetId } from "../model.js";
import type { PinnedClosure, Release } from "../release/record.js";
import { closureDigest, closureIn } from "./closure.js";
import type { Policy } from "./policy.js";

/** Takes a sentence that a person should read. */
type Warn = (message: string) => void;

/** The record without these names. */
export const without = <T>(
  all: Readonly<Record<string, T>>,
  names: ReadonlySet<string>,
): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => !names.has(name)));

const doubt = (target: TargetId, { datecode }: Release, why: string): string =>
  `the packages of ${target} in release ${datecode} ${why}`;

/** The release as far as it counts: of one whose file is somebody else's only what was resolved here, as it was then. */
export function provenRelease(given: Release, index: Index, warn: Warn): Release {
  if (given.foreign !== true) return given;
  for (const [target, { provenance }] of Object.entries(given.artifacts))
    if (provenance.kind === "adopted")
      warn(
        `what was adopted for ${target} in release ${given.datecode} counts no more: its file is another user's`,
      );
  const why = "were not resolved here, and its file is another user's: they are resolved anew";
  const closures: Record<TargetId, PinnedClosure> = {};
  for (const [target, pinned] of Object.entries(given.closures)) {
    const packages = closureIn(index, pinned.digest);
    if (packages === null) warn(doubt(target, given, why));
    else closures[target] = { ...pinned, packages };
  }
  return { ...given, closures };
}

/** The same, without the closure of `target` where its digest is not of its packages: it is written down as it is now. */
export function agreeing(release: Release, target: TargetId, warn: Warn): Release {
  const pinned = release.closures[target];
  if (pinned === undefined || closureDigest(pinned.packages) === pinned.digest) return release;
  const why = "are not those that its digest is of (a merge by hand?), and are resolved anew";
  warn(doubt(target, release, why));
  return { ...release, closures: without(release.closures, new Set([target])) };
}

/** A closure of a foreign release says of itself that its packages were verified: here it is looked up. */
export function checkedHere(
  pinned: PinnedClosure,
  { verifies, digest }: Policy,
  checked: Checked,
): PinnedClosure {
  return { ...pinned, checked: !verifies || checked.hasAll(digest, pinned.packages) };
}
