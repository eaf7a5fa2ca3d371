// Package files: what is asked of them with a package manager's own program, and what an action finds beside them.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hasDigest } from "../../cache/hash.js";
import type { Package } from "../../engine/packages/driver.js";
import { ok, type Result } from "../../engine/problem.js";
import type { Run } from "./run.js";
import { damaged } from "./words.js";

/** What makes a package file's name. */
export type Named = Pick<Package, "name" | "version" | "arch">;

/** Reads each file once: files whose names are digests, and those of snapshots, never change. */
export function once<T, C extends readonly unknown[]>(
  read: (file: string, ...rest: C) => Promise<T>,
): (file: string, ...rest: C) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (file, ...rest) => {
    const reading = known.get(file) ?? read(file, ...rest);
    known.set(file, reading);
    return reading;
  };
}

/** What a program prints of a package file; throws where it takes it for none. */
export const asking =
  (run: Run, manager: string) =>
  async (file: string, ...argv: readonly [string, ...string[]]): Promise<string> => {
    const context = { scratch: "/", signal: new AbortController().signal };
    const ran = await run(argv, context, { cwd: "/" });
    if (!ran.ok) throw new Error(ran.problem.message);
    if (ran.value.status !== 0) throw new Error(`${file} is not a package of ${manager}`);
    return ran.value.stdout;
  };

/**
 * Where package files are installed as they are, an index would only be made to be read once: checks the files and writes
 * `closure` beside them, `name version` each, sorted.
 */
export const closureFile =
  (fileName: (pkg: Package) => string) =>
  async (packages: readonly Package[], dir: string): Promise<Result<void>> => {
    for (const pkg of packages) {
      if (!(await hasDigest(join(dir, fileName(pkg)), pkg.sha256))) return damaged(fileName(pkg));
    }
    const lines = packages.map(({ name, version }) => `${name} ${version}\n`);
    await writeFile(join(dir, "closure"), lines.sort().join(""));
    return ok(undefined);
  };
