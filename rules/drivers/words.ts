// Words that drivers share: out of what programs print, and about packages.
import { someOf } from "../../engine/notice.js";
import type { Package } from "../../engine/packages/driver.js";
import { Exit, fail, type Result } from "../../engine/problem.js";

/** The last line that is not empty. */
export const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

/** `name version (arch)`. */
export const named = (pkg: Package): string => `${pkg.name} ${pkg.version} (${pkg.arch})`;

/** How many packages a sentence has: where one fails, all of a distribution may. */
const NAMED = 10;

/** Packages by name, the first of many. */
export const someNamed = (packages: readonly Package[]): string => someOf(packages.map(named).sort(), NAMED);

/** What helps where a release's snapshot and its repositories have parted. */
export const REFRESH = "`imagemake release refresh` takes a new snapshot";

/** Packages that their repository no longer has. */
export const dropped = (packages: readonly Package[]): Result<never> =>
  fail(Exit.environment, `the mirror has dropped ${someNamed(packages)}`, REFRESH);

/** A package from a repository that the Imagefile no longer names. */
export const placeless = (pkg: Package): Result<never> =>
  fail(Exit.environment, `the Imagefile's repositories have no place for ${named(pkg)}`, REFRESH);
