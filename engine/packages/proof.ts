// What of a release's pins, and of the package files in the store, is believed. People merge release files by hand,
// and under sudo they are the caller's, who gains nothing by them.
import { DIGEST_BYTES, hasDigest, hashMany, toByteString } from "../../cache/hash.js";
import type { Index } from "../../cache/index.js";
import { type Checked, packagePath, removePackage } from "../../cache/packages.js";
import type { TargetId } from "../model.js";
import type { PinnedClosure, Release } from "../release/record.js";
import { noteOwn, ownStamp, sameStamp } from "../sources/stamp.js";
import { closureDigest, closureIn } from "./closure.js";
import type { Package } from "./driver.js";
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
        `what was adopted for ${target} in release ${given.datecode} no longer counts: its file is another user's`,
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

// Whether package files in the store are still what their names say: by their stamps and, where these differ (every
// stage links them), by their digests. It fetches nothing.

/** The package files in a directory, each named by its SHA-256, and looked at once. */
export class StoredPackages {
  readonly #whole = new Set<string>();

  /** `warn` is told of what is damaged. */
  constructor(
    private readonly dir: string,
    private readonly index: Index,
    private readonly warn: (message: string) => void,
  ) {}

  /** Removes the files of those that are damaged, to be fetched again; all of them are here. */
  async removeDamaged(packages: readonly Package[]): Promise<void> {
    const doubted = packages.flatMap((pkg) => {
      if (this.#whole.has(pkg.sha256)) return [];
      const path = packagePath(this.dir, pkg.sha256);
      const [stamp, known] = [ownStamp(path), this.index.stamp(path)];
      if (stamp === null) return [];
      if (known?.digest === pkg.sha256 && sameStamp(stamp, known)) {
        this.#whole.add(pkg.sha256);
        return [];
      }
      return [{ pkg, path, stamp }];
    });
    const digests = await hashMany(
      doubted.map(({ path, stamp }) => ({ path: toByteString(path), size: stamp.size })),
    );
    for (const [at, { pkg, path, stamp }] of doubted.entries()) {
      const { sha256, name, version } = pkg;
      // A repository may name it by a longer digest alone.
      const longer = sha256.length > 2 * DIGEST_BYTES;
      if (longer ? await hasDigest(path, sha256, stamp.size) : digests[at] === sha256) {
        noteOwn(this.index, path, sha256, this.dir, stamp);
        this.#whole.add(sha256);
        continue;
      }
      removePackage(this.dir, sha256);
      this.warn(
        `the package file ${sha256} (${name} ${version}) in the store is damaged, and is fetched again`,
      );
    }
  }
}
