// Turns patterns into paths, and remembers the directories that were listed on the way, so that a file
// added or removed later is noticed by one stat a directory.
import { lstatSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join, relative, sep } from "node:path";
import { fail, ok, type Result } from "../problem.js";

/** What patterns matched: absolute paths, sorted; and every directory looked into. */
export interface Matched {
  readonly files: readonly string[];
  readonly directories: readonly string[];
}

const isGlob = (pattern: string): boolean => /[*?{}[\]!()]/.test(pattern);

/** Matches each pattern below `base`. A plain name must exist; a directory means every file beneath it. */
export async function matchPatterns(
  base: string,
  patterns: readonly string[],
  ignore: readonly string[],
): Promise<Result<Matched>> {
  const files = new Set<string>();
  const directories = new Set<string>();
  const globs: string[] = [];
  for (const pattern of patterns) {
    const path = isAbsolute(pattern) ? pattern : join(base, pattern);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) {
      if (!isGlob(pattern)) return fail(2, `${pattern} does not exist`, `looked for ${path}`);
      globs.push(pattern);
    } else if (stats.isDirectory()) {
      walk(path, files, directories);
    } else {
      files.add(path);
    }
  }
  if (globs.length > 0) {
    const { default: glob } = await import("fast-glob");
    const listed = (dir: string): void => void directories.add(dir);
    const matches = glob.sync(globs, {
      cwd: base,
      absolute: true,
      ignore: [...ignore],
      followSymbolicLinks: false,
      fs: {
        lstatSync,
        statSync,
        // fast-glob has no other way to say where it looked.
        readdirSync: ((dir: string, options: { withFileTypes: true }) => {
          listed(dir);
          return readdirSync(dir, options);
        }) as typeof readdirSync,
      },
    });
    for (const match of matches) files.add(match);
  }
  return ok({ files: [...files].sort(), directories: [...directories].sort() });
}

function walk(dir: string, files: Set<string>, directories: Set<string>): void {
  directories.add(dir);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) walk(path, files, directories);
    else files.add(path);
  }
}

/** Where a source lies in the stage: its project-relative path, or `host/<absolute path>` from outside. */
export function stagePath(projectDir: string, path: string): string {
  const inside = relative(projectDir, path);
  return inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)
    ? join("host", path)
    : inside;
}
