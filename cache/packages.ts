// Package files in the store, each under the digest that its repository names it by, and which of them were verified.
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { ownerIn, writeWhole } from "./write.js";

/** Where a package file lies, or would. */
export const packagePath = (packages: string, digest: string): string => join(packages, digest);

/** Whether it is there, whole as far as its size (bytes) says. */
export const hasPackage = (packages: string, digest: string, size: number): boolean =>
  statSync(packagePath(packages, digest), { throwIfNoEntry: false })?.size === size;

/** Whether anything has its name. */
export const isPackageThere = (packages: string, digest: string): boolean =>
  lstatSync(packagePath(packages, digest), { throwIfNoEntry: false }) !== undefined;

/** Takes a file whose digest was looked at, by rename. Throws what the system says. */
export function takePackage(packages: string, digest: string, from: string): void {
  makePackages(packages);
  renameSync(from, packagePath(packages, digest));
}

/** Makes the directory for whoever fetches into it. */
export const makePackages = (packages: string): void => {
  mkdirSync(packages, { recursive: true, mode: 0o700 });
};

/** Gives the file a second name: nobody stamps a package file, and actions see it read-only. */
export const placePackage = (packages: string, digest: string, to: string): void =>
  linkSync(packagePath(packages, digest), to);

/** Deletes it, whatever lies there. */
export const removePackage = (packages: string, digest: string): void =>
  rmSync(packagePath(packages, digest), { force: true, recursive: true });

/** A SHA-256, SHA-384 or SHA-512 in lower-case hexadecimal, as repositories have them of their packages. */
export const PACKAGE_DIGEST = /^(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/;

/** Which package files were verified, and which snapshots taken, under which policy, by their digests: a file of lines for each policy. */
export class Checked {
  readonly #known = new Map<string, Set<string>>();

  constructor(private readonly dir: string) {}

  /** Whether all of them were. */
  hasAll(policy: string, packages: readonly { readonly sha256: string }[]): boolean {
    const known = this.#read(policy);
    return packages.every(({ sha256 }) => known.has(sha256));
  }

  /** They were. Losing this costs time only. */
  add(policy: string, packages: readonly { readonly sha256: string }[]): void {
    const known = this.#read(policy);
    for (const { sha256 } of packages) known.add(sha256);
    writeWhole(join(this.dir, policy), [...known, ""].join("\n"), ownerIn(this.dir));
  }

  #read(policy: string): Set<string> {
    let found = this.#known.get(policy);
    if (found === undefined) {
      const file = join(this.dir, policy);
      const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
      found = new Set(lines.filter((line) => PACKAGE_DIGEST.test(line)));
      this.#known.set(policy, found);
    }
    return found;
  }
}
