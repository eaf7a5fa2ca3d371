// Makes a directory of package files a repository that xbps installs from, and writes down which packages
// nothing else in it needs: those were asked for, the others came along.
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DriverContext, Package } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { pieces } from "../fetch.js";
import { damaged } from "../words.js";
import { fileName } from "./package.js";
import { readRepodata } from "./repodata.js";
import { run, xbpsSays } from "./run.js";
import { repodataOf } from "./snapshot.js";

/** File in `repo/` that says what is to be installed: `name-version asked` or `name-version needed`, sorted. */
const CLOSURE = "closure";
/** Files to one call. */
const BATCH = 1000;

/** Writes the repodata (by xbps-rindex) and `closure`. */
export async function writeIndex(
  packages: readonly Package[],
  dir: string,
  arch: string,
  context: DriverContext,
): Promise<Result<void>> {
  for (const piece of pieces(packages, BATCH)) {
    const files = piece.map((pkg) => `./${fileName(pkg)}`);
    const ran = await run(["xbps-rindex", "--add", ...files], context, {
      cwd: dir,
      env: { XBPS_ARCH: arch, XBPS_TARGET_ARCH: arch },
    });
    if (!ran.ok) return ran;
    if (ran.value.status !== 0)
      return fail(Exit.environment, `the packages cannot be indexed: ${xbpsSays(ran.value)}`);
  }
  if (packages.length === 0) {
    await writeFile(join(dir, CLOSURE), "");
    return ok(undefined);
  }
  const file = join(dir, repodataOf(arch));
  const indexed = await readRepodata(file, "the packages", context);
  if (!indexed.ok) return indexed;
  const listed = indexed.value.packages;
  for (const pkg of packages) {
    const found = listed.get(pkg.name);
    if (found?.version !== pkg.version) {
      return fail(Exit.environment, `${fileName(pkg)} is not a package that xbps can read`);
    }
    if (found.sha256 !== pkg.sha256) return damaged(fileName(pkg));
  }
  const needed = new Set(
    [...listed.values()].flatMap((pkg) => pkg.needs.filter((name) => name !== pkg.name)),
  );
  const lines = [...listed.values()].map((pkg) => {
    const isNeeded = [pkg.name, ...pkg.provides].some((name) => needed.has(name));
    return `${pkg.name}-${pkg.version} ${isNeeded ? "needed" : "asked"}\n`;
  });
  await writeFile(join(dir, `${CLOSURE}.new`), lines.sort().join(""));
  await rename(join(dir, `${CLOSURE}.new`), join(dir, CLOSURE));
  return ok(undefined);
}
