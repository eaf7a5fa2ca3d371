// Words that drivers share: out of what programs print, and about packages.
import { someOf } from "../../engine/notice.js";
import type { Package, ResolveRequest } from "../../engine/packages/driver.js";
import { Exit, fail, type Problem, type Result } from "../../engine/problem.js";
import type { Ran } from "./run.js";

/** The last line that is not empty. */
export const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

/** Lines without the blanks around them, and without empty ones. */
export const linesOf = (text: string): readonly string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** A program's own words on one line, each once: its errors, else how it ended. */
export function inWords({ status }: Ran, lines: readonly string[], errors: readonly string[]): string {
  const said = errors.length > 0 ? errors : lines.slice(-3);
  return said.length > 0 ? [...new Set(said)].join("; ") : `status ${status}`;
}

/** `name version (arch)`. */
export const named = (pkg: Package): string => `${pkg.name} ${pkg.version} (${pkg.arch})`;

/** How many packages a sentence has: where one fails, all of a distribution may. */
const NAMED = 10;

/** Packages by name, the first of many. */
export const someNamed = (packages: readonly Package[]): string => someOf(packages.map(named).sort(), NAMED);

/** What helps where a release's snapshot and its repositories have parted. */
export const REFRESH = "`imagemake release refresh` takes a new snapshot";

/** What helps where a repository gives another file than its index says. */
const OTHER =
  "a broken transfer, or the repository has another file under that name: `imagemake release refresh`";

/** A file, by its address or its package, that is another than the snapshot's. */
export const changed = (what: string): Result<never> =>
  fail(Exit.environment, `${what} is not what the snapshot promised`, OTHER);

/** Packages that their repository no longer has; `said` by whom it was asked. */
export const dropped = (packages: readonly Package[], said = ""): Result<never> =>
  fail(
    Exit.environment,
    `the mirror has dropped ${someNamed(packages)}${said === "" ? "" : `; ${said}`}`,
    REFRESH,
  );

/** A package from a repository that the Imagefile no longer names. */
export const placeless = (pkg: Package): Result<never> =>
  fail(Exit.environment, `the Imagefile's repositories have no place for ${named(pkg)}`, REFRESH);

/** A package file that is another than when it was stored. */
export const damaged = (file: string): Result<never> =>
  fail(
    Exit.environment,
    `${file} was damaged in the store`,
    "`imagemake cache verify` removes it, and the next build fetches it again",
  );

/** Why packages cannot be resolved on a tree: it stays as it is, and some of it, `made` up here, may be older than the snapshot. */
export function treeHint(made: readonly Package[], { on }: Pick<ResolveRequest, "on">): string | undefined {
  if (made.length > 0) return olderTree(made);
  return on.length > 0 ? "what the tree beneath holds is neither replaced nor removed" : undefined;
}

/** What the tree beneath holds that the snapshot has no more; undefined for nothing. */
export function olderTree(made: readonly Package[]): string | undefined {
  if (made.length === 0) return undefined;
  const names = made.map(({ name, version }) => `${name} ${version}`).join(", ");
  return `the snapshot no longer has what the tree beneath holds (${names}): \`imagemake release refresh\``;
}

/** Names that a snapshot does not have, and the nearest that it has. */
export async function unknownNames(
  names: readonly [string, ...string[]],
  known: Iterable<string>,
  where: string,
  sought = names[0],
): Promise<Problem> {
  const message = `there is no package ${names.join(", ")} in ${where}`;
  const { nearestHint } = await import("../../engine/evaluate/nearest.js");
  const hint = nearestHint(sought, known);
  return hint === undefined ? { exit: Exit.usage, message } : { exit: Exit.usage, message, hint };
}

/** Packages as they are listed: by name, and where there are several of it by version and architecture. */
export const byName = (a: Package, b: Package): number =>
  compare(a.name, b.name) || compare(a.version, b.version) || compare(a.arch, b.arch);

/** Bytewise, whatever the locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
