// Whether package files in the store are still what their names say: by their stamps and, where these differ (every
// stage links them), by their digests. It fetches nothing.
import { DIGEST_BYTES, hasDigest, hashMany, toByteString } from "../../cache/hash.js";
import type { Index } from "../../cache/index.js";
import { packagePath, removePackage } from "../../cache/packages.js";
import { noteOwn, ownStamp, sameStamp } from "../sources/stamp.js";
import type { Package } from "./driver.js";

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
