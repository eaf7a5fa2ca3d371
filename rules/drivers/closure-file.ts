// What an action finds in `repo/` beside the package files, where they are installed as they are: an index would only
// be made to be read once.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hasDigest } from "../../cache/hash.js";
import type { Package } from "../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";

/** Checks the files and writes `closure`: `name version` each, sorted. */
export const closureFile =
  (fileName: (pkg: Package) => string) =>
  async (packages: readonly Package[], dir: string): Promise<Result<void>> => {
    for (const pkg of packages) {
      if (await hasDigest(join(dir, fileName(pkg)), pkg.sha256)) continue;
      return fail(
        Exit.environment,
        `${fileName(pkg)} was damaged in the store`,
        "`imagemake cache verify` removes it, and the next build fetches it again",
      );
    }
    const lines = packages.map(({ name, version }) => `${name} ${version}\n`);
    await writeFile(join(dir, "closure"), lines.sort().join(""));
    return ok(undefined);
  };
