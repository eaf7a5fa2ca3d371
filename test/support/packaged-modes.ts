// What packages say of the modes and owners of a tree, by unpacking them with a program that knows nothing of
// imagemake.
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Modes and owners of the tree `root` that none of the package files which have the path agrees with. */
export function wrongModes(root: string, packages: readonly string[]): readonly string[] {
  const said = new Map<string, Set<string>>();
  for (const file of packages) {
    const dir = mkdtempSync(join(tmpdir(), "packaged-"));
    try {
      if (file.endsWith(".deb")) execFileSync("dpkg-deb", ["--extract", file, dir]);
      else execFileSync("bsdtar", ["-xpf", file, "--same-owner", "-C", dir]);
      for (const path of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
        said.set(path, (said.get(path) ?? new Set()).add(looksLike(join(dir, path)) ?? ""));
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  return [...said].flatMap(([path, words]) => {
    const found = looksLike(join(root, path));
    return found === null || words.has(found) ? [] : [`${path}: ${found}, packaged ${[...words].join(", ")}`];
  });
}

/** Links have no mode. What a tree has at a path of another kind is no matter of modes: null, as where it has nothing. */
function looksLike(path: string): string | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || stats.isSymbolicLink()) return null;
  return `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`;
}
