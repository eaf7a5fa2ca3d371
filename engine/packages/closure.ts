// Closures: the exact packages of a target, their digest, and what changed between two of them.
import { createHash } from "node:crypto";
import type { PackageChange } from "../reason.js";
import type { Package } from "./driver.js";

/** Digest over name, version, architecture and checksum: where a package came from does not count. */
export function closureDigest(packages: readonly Package[]): string {
  const hash = createHash("sha256");
  const lines = packages.map((pkg) => [pkg.name, pkg.version, pkg.arch, pkg.sha256].join("\0"));
  for (const line of lines.sort()) hash.update(`${line}\n`);
  return hash.digest("hex");
}

/** Gained, lost and changed packages, by name. */
export function packageChanges(before: readonly Package[], after: readonly Package[]): PackageChange[] {
  const versions = (packages: readonly Package[]): Map<string, string> =>
    new Map(packages.map((pkg) => [pkg.name, pkg.version]));
  const [old, now] = [versions(before), versions(after)];
  const oldSums = new Map(before.map((pkg) => [pkg.name, pkg.sha256]));
  const newSums = new Map(after.map((pkg) => [pkg.name, pkg.sha256]));
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names
    .filter((name) => old.get(name) !== now.get(name) || oldSums.get(name) !== newSums.get(name))
    .map((name) => ({ name, before: old.get(name) ?? null, after: now.get(name) ?? null }));
}
