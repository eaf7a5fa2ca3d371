// Closures: the exact packages of a target, their digest, and what changed between two of them.
import { createHash } from "node:crypto";
import { grouped } from "../../cache/grouped.js";
import type { Index } from "../../cache/index.js";
import { jsonOf, list } from "../../cache/shape.js";
import { Exit, fail, type Result } from "../problem.js";
import type { PackageChange } from "../reason.js";
import { wrongInPackage } from "../release/shape.js";
import type { Package } from "./driver.js";

/** Digest over name, version, architecture and checksum: where a package came from does not count. */
export function closureDigest(packages: readonly Package[]): string {
  const hash = createHash("sha256");
  const lines = packages.map((pkg) => [pkg.name, pkg.version, pkg.arch, pkg.sha256].join("\0"));
  for (const line of lines.sort()) hash.update(`${line}\n`);
  return hash.digest("hex");
}

/** A closure of the index, if it is what its digest is of. */
export function closureIn(index: Index, digest: string): readonly Package[] | null {
  const packages = jsonOf(index.closure(digest), list(wrongInPackage)) as readonly Package[] | null;
  return packages !== null && closureDigest(packages) === digest ? packages : null;
}

/**
 * Gained, lost and changed packages, by name. Of one name there may be several: of two architectures, or in all versions
 * that a mirror has.
 */
export function packageChanges(before: readonly Package[], after: readonly Package[]): PackageChange[] {
  const [old, now] = [byName(before), byName(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .flatMap((name) => changesOf(name, old.get(name) ?? [], now.get(name) ?? []));
}

const byName = (packages: readonly Package[]) => grouped(packages, ({ name }) => name);

/** What became of the packages of one name. */
function changesOf(name: string, before: readonly Package[], after: readonly Package[]): PackageChange[] {
  const isIn = (all: readonly Package[], one: Package): boolean =>
    all.some((other) => identity(other) === identity(one));
  let lost = before.filter((one) => !isIn(after, one));
  let gained = after.filter((one) => !isIn(before, one));
  const archs = new Set([...before, ...after].map(({ arch }) => arch));
  // One is told from another by its architecture only where there is more than one at a time.
  const isPlain = before.length <= 1 && after.length <= 1;
  const called = ({ arch }: Package): string => (isPlain || archs.size === 1 ? name : `${name}.${arch}`);
  const pairs: PackageChange[] = [];
  const pair = (isSame: (one: Package, other: Package) => boolean): void => {
    for (const one of lost) {
      const [other, ...more] = gained.filter((each) => isSame(one, each));
      if (other === undefined || more.length > 0 || lost.filter((each) => isSame(each, other)).length > 1)
        continue;
      pairs.push({ name: called(one), before: one.version, after: other.version, ...from(other) });
      lost = lost.filter((each) => each !== one);
      gained = gained.filter((each) => each !== other);
    }
  };
  pair((one, other) => one.arch === other.arch && one.version === other.version);
  pair((one, other) => one.arch === other.arch);
  if (isPlain) pair(() => true);
  return [
    ...pairs,
    ...lost.map((one) => ({ name: called(one), before: one.version, after: null, ...from(one) })),
    ...gained.map((one) => ({ name: called(one), before: null, after: one.version, ...from(one) })),
  ];
}

const from = ({ origin }: Package): Pick<PackageChange, "from"> =>
  origin === undefined ? {} : { from: origin };

const identity = ({ version, arch, sha256 }: Package): string => [version, arch, sha256].join("\0");

/** Refuses what no file can be called, or what would lie elsewhere: of many repositories nobody signs the names. */
export function fitForFiles(resolved: Result<readonly Package[]>): Result<readonly Package[]> {
  if (!resolved.ok) return resolved;
  for (const pkg of resolved.value) {
    const wrong = wrongInPackage(pkg);
    if (wrong === null) continue;
    const called = JSON.stringify([pkg.name, pkg.version, pkg.arch].join(" "));
    return fail(
      Exit.environment,
      `the repository has a package whose ${wrong} cannot be right: ${called}`,
      "whoever runs the repository has to fix it",
    );
  }
  return resolved;
}
