// Turns patterns into paths, and remembers the directories that were listed on the way, so that a file
// added or removed later is noticed by one stat a directory.
import { lstatSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join, relative, sep } from "node:path";
import { fail, ok, type Result } from "../problem.js";

/** What patterns matched: absolute paths, sorted; and every directory looked into, or name that was not there. */
export interface Matched {
  readonly files: readonly string[];
  readonly directories: readonly string[];
}

const isGlob = (pattern: string): boolean => /[*?{}[\]!()]/.test(pattern);

/**
 * Matches each pattern below `base`. A plain name must exist; a directory means every file beneath it. What
 * lies below the directories in `ignore` (absolute) is never matched, unless a plain name says so. Symlinks
 * are matched as they are and not followed to other directories.
 */
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
      walk(path, ignore, files, directories);
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
      // So that they are not even looked into; how they are written depends on how the pattern is.
      ignore: ignore.flatMap((dir) =>
        [dir, relative(base, dir)].map((path) => `${glob.escapePath(path)}/**`),
      ),
      // What it calls files leaves symlinks out.
      onlyFiles: false,
      objectMode: true,
      followSymbolicLinks: false,
      fs: {
        // Names without a magic character in them (`{a,b}.txt`) are not listed but looked for.
        lstatSync: noting(lstatSync, listed),
        statSync: noting(statSync, listed),
        // fast-glob has no other way to say where it looked.
        readdirSync: ((dir: string, options: { withFileTypes: true }) => {
          listed(dir);
          return readdirSync(dir, options);
        }) as typeof readdirSync,
      },
    });
    for (const { dirent, path } of matches) if (!dirent.isDirectory()) files.add(path);
  }
  return ok({ files: [...files].sort(), directories: [...directories].sort() });
}

/** The same call, telling of what is not there. */
const noting = (look: typeof lstatSync, missing: (path: string) => void): typeof lstatSync =>
  ((path: string) => {
    try {
      return look(path);
    } catch (error) {
      missing(path);
      throw error;
    }
    // fast-glob passes a path alone.
  }) as typeof lstatSync;

function walk(dir: string, ignore: readonly string[], files: Set<string>, directories: Set<string>): void {
  directories.add(dir);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (!entry.isDirectory()) files.add(path);
    else if (!ignore.includes(path)) walk(path, ignore, files, directories);
  }
}

/** Where a source lies in the stage: its project-relative path, or `host/<absolute path>` from outside. */
export function stagePath(projectDir: string, path: string): string {
  const inside = relative(projectDir, path);
  return inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)
    ? join("host", path)
    : inside;
}
