// What an action finds in `repo/` beside the package files. Pacman installs files as they are (`pacman -U`) and
// looks into each; an index (repo-add takes a fifth of a second a package) would only be made to be read once.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hashFile } from "../../../cache/hash.js";
import type { Package } from "../../../engine/packages/driver.js";
import { fail, ok, type Result } from "../../../engine/problem.js";
import { fileName } from "./package.js";

/** File in `repo/` that says what is to be installed: `name version`, sorted. */
const CLOSURE = "closure";

/** Checks the files and writes `closure`. */
export async function writeIndex(packages: readonly Package[], dir: string): Promise<Result<void>> {
  for (const pkg of packages) {
    if ((await hashFile(join(dir, fileName(pkg)))) === pkg.sha256) continue;
    return fail(
      3,
      `${fileName(pkg)} was damaged in the store`,
      "`imagemake cache verify` removes it, and the next build fetches it again",
    );
  }
  const lines = packages.map(({ name, version }) => `${name} ${version}\n`);
  await writeFile(join(dir, CLOSURE), lines.sort().join(""));
  return ok(undefined);
}
