// Turns patterns into paths, and remembers the directories that were listed on the way, so that a file
// added or removed later is noticed by one stat a directory.
import { existsSync, lstatSync, readdirSync, readlinkSync, statSync, type Dirent } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { Exit, fail, ok, stop, type Problem, type Result } from "../problem.js";
import { lstatOf, statOf } from "./stamp.js";
import { notUtf8, REPLACEMENT } from "./utf8.js";

/** What patterns matched: absolute paths, sorted; and every directory looked into, or name that was not there. */
export interface Matched {
  readonly files: readonly string[];
  /** Those of the files that a pattern names outright. */
  readonly named: ReadonlySet<string>;
  readonly directories: readonly string[];
  /** Names with a dot in front that a `*` passed over; looked for where `Matching.empty` is said. */
  readonly passed: readonly string[];
}

/** How patterns are matched. */
export interface Matching {
  /** Absolute directories: what lies below them is never matched, unless a plain name says so. */
  readonly ignore?: readonly string[];
  /** A pattern may match nothing. */
  readonly optional?: boolean;
  /** What matches goes into a tree: directories that have nothing in them are matched like files. */
  readonly empty?: boolean;
  /** Gets `Matched.directories`, and keeps what is in there where nothing can be matched: what is not there included. */
  readonly looked?: Set<string>;
}

/** What version control keeps beside the files, addresses with passwords among it: no part of them unless named outright. */
const VERSION_CONTROL = [".git", ".hg", ".svn", ".bzr"];

const isGlob = (pattern: string): boolean => /[*?{}[\]!()]/.test(pattern);

/**
 * Matches each pattern below `base`. A plain name must exist; a directory means every file beneath it, also where
 * a symlink leads to it. `**` takes names that begin with a dot too, `*` does as in a shell. A pattern that matches
 * nothing is a problem, unless that is allowed; one that begins with `!` takes matches of the others away. Symlinks are matched as they are and not followed to other directories.
 */
export async function matchPatterns(
  base: string,
  patterns: readonly string[],
  { ignore = [], optional = false, empty = false, looked = new Set() }: Matching = {},
): Promise<Result<Matched>> {
  const files = new Set<string>();
  const named = new Set<string>();
  const directories = looked;
  const passed = new Set<string>();
  const takes = (pattern: string): boolean =>
    pattern.startsWith("!") && statOf(join(base, pattern)) === undefined;
  const less = patterns.filter(takes);
  // With a directory goes all beneath it, also where that is looked into.
  const without = less.map(slashless).flatMap((pattern) => [pattern, `${pattern}/**`]);
  const globs: { readonly pattern: string; readonly glob: string; readonly under?: string }[] = [];
  for (const pattern of patterns) {
    if (takes(pattern)) continue;
    const path = isAbsolute(pattern) ? pattern : join(base, pattern);
    const stats = statOf(path);
    if (stats !== undefined && without.length > 0) {
      // Of what is named outright something may be taken away, too.
      if (!stats.isDirectory()) named.add(path);
      globs.push({ pattern, glob: outrightly(pattern, stats.isDirectory()), under: path });
    } else if (stats?.isDirectory() === true) {
      const bare = new Set<string>();
      const count = walk(path, ignore, files, directories, bare);
      bare.delete(path);
      if (count + (empty ? bare.size : 0) === 0 && !optional)
        return fail(Exit.usage, `${pattern} is a directory without files`, mayBeMissing(`looked in ${path}`));
      if (empty) for (const directory of bare) files.add(directory);
    } else if (stats !== undefined) {
      files.add(path);
      named.add(path);
    } else if (isGlob(pattern)) {
      globs.push({ pattern, glob: pattern });
    } else {
      directories.add(path);
      if (lstatOf(path)?.isSymbolicLink() === true) return dangling(pattern, path);
      if (!optional) return fail(Exit.usage, `${pattern} does not exist`, `looked for ${path}`);
    }
  }
  for (const { pattern, glob, under } of globs) {
    const dot = under !== undefined || glob.includes("**");
    const matches = await matchGlob(base, glob, { without, ignore, dot }, directories);
    const isUnder = (path: string): boolean => under === undefined || isWithin(under, path);
    const found = {
      files: matches.files.filter(isUnder),
      directories: matches.directories.filter((path) => path !== under && isUnder(path)),
    };
    const isBare = (path: string): boolean => listDirectory(path, { withFileTypes: true }).length === 0;
    const bare = empty ? found.directories.filter(isBare) : [];
    if (empty && !dot) {
      const all = await matchGlob(base, glob, { without, ignore, dot: true }, new Set());
      for (const path of [...all.files, ...all.directories.filter(isBare)]) passed.add(path);
    }
    if (found.files.length + bare.length === 0 && !optional) {
      const what = isGlob(pattern)
        ? `nothing matches ${pattern}`
        : `nothing of ${pattern} is left by ${less.join(", ")}`;
      return fail(Exit.usage, what, mayBeMissing(`looked in ${base}`));
    }
    for (const path of [...found.files, ...bare]) files.add(path);
  }
  return ok({
    files: [...files].sort(),
    named,
    directories: [...directories].sort(),
    passed: [...passed].filter((path) => !files.has(path)).sort(),
  });
}

const slashless = (path: string): string => path.replace(/(?<=.)\/+$/, "");

/**
 * A pattern that matches what a name says outright, and all beneath where it is a directory. What could be read otherwise in
 * a name cannot be said in one: then it matches more.
 */
function outrightly(name: string, isDirectory: boolean): string {
  const parts = asMatched(slashless(name)).split("/");
  const odd = parts.findIndex((part) => /[\\@+|]/.test(part) || isGlob(part));
  return [...(odd === -1 ? parts : parts.slice(0, odd)), ...(isDirectory || odd !== -1 ? ["**"] : [])].join(
    "/",
  );
}

const mayBeMissing = (looked: string): string => `${looked}; { optional: true } says that it may be so`;

/** The problem of a link that leads nowhere, and that somebody names. */
export function dangling(name: string, path: string): Result<never> {
  const to = readlinkSync(path);
  return fail(
    Exit.usage,
    `${name} is a symbolic link to ${to}, and there is nothing`,
    `looked for ${resolve(dirname(path), to)}`,
  );
}

/** The problem of a name that is not there, with what its source says to it. */
export function hinted(failed: { readonly ok: false; readonly problem: Problem }, hint: string | undefined) {
  if (hint === undefined) return failed;
  const { problem } = failed;
  return fail(problem.exit, problem.message, [problem.hint, hint].filter(Boolean).join("; "));
}

/** What one pattern matches, less what those `without` do. */
async function matchGlob(
  base: string,
  pattern: string,
  {
    without,
    ignore,
    dot,
  }: { readonly without: readonly string[]; readonly ignore: readonly string[]; readonly dot: boolean },
  directories: Set<string>,
): Promise<{ readonly files: readonly string[]; readonly directories: readonly string[] }> {
  const { default: glob } = await import("fast-glob");
  const listed = (dir: string): void => void directories.add(dir);
  const outright = pattern.split(/[/{},]/);
  const hidden = VERSION_CONTROL.filter((name) => !outright.includes(name));
  const matches = glob.sync([pattern, ...without], {
    cwd: base,
    dot,
    // So that they are not even looked into; how they are written depends on how the pattern is.
    ignore: ignore.flatMap((dir) => [dir, relative(base, dir)].map((path) => `${glob.escapePath(path)}/**`)),
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
        listed(asNamed(dir));
        // A file, where the pattern has a directory, has nothing in it.
        const entries =
          lstatOf(asNamed(dir))?.isFile() === true ? [] : listDirectory(asNamed(dir), options, hidden);
        for (const entry of entries) entry.name = asMatched(entry.name);
        return entries;
      }) as typeof readdirSync,
    },
  });
  // Its own absolute paths have a slash for every backslash of a name (`dev-disk\\x2dby.device`).
  const found = { files: [] as string[], directories: [] as string[] };
  for (const { dirent, path } of matches)
    found[dirent.isDirectory() ? "directories" : "files"].push(resolve(base, asNamed(path)));
  return found;
}

/**
 * The dot of a regular expression, and so `**`, matches no end of a line: such names would be left out. They are matched
 * with characters in their place that no text has.
 */
const STAND_INS = { "\n": "\ufdd0", "\r": "\ufdd1", "\u2028": "\ufdd2", "\u2029": "\ufdd3" };
const asMatched = (name: string): string =>
  Object.entries(STAND_INS).reduce((text, [char, standIn]) => text.replaceAll(char, standIn), name);
const asNamed = (path: string): string =>
  Object.entries(STAND_INS).reduce((text, [char, standIn]) => text.replaceAll(standIn, char), path);

/** The same call, telling of what is not there. */
const noting = (look: typeof lstatSync, missing: (path: string) => void): typeof lstatSync =>
  ((path: string) => {
    try {
      return look(asNamed(path));
    } catch (error) {
      missing(asNamed(path));
      throw error;
    }
    // fast-glob passes a path alone.
  }) as typeof lstatSync;

/**
 * What lies in a directory, but for what is `hidden`. Exit 2 where its name is not UTF-8: under what node reads for that
 * nothing is found.
 */
function listDirectory(
  dir: string,
  options: { withFileTypes: true },
  hidden: readonly string[] = VERSION_CONTROL,
): Dirent[] {
  if (dir.includes(REPLACEMENT) && !existsSync(dir)) stop(Exit.usage, ...notUtf8(dir));
  return readdirSync(dir, options).filter(({ name }) => !hidden.includes(name));
}

/**
 * Adds everything beneath `dir` but directories and what is version control's, and says how much that is. To `bare` go
 * directories of nothing.
 */
export function walk(
  dir: string,
  ignore: readonly string[],
  files: Set<string>,
  directories: Set<string>,
  bare = new Set<string>(),
): number {
  let count = 0;
  directories.add(dir);
  const entries = listDirectory(dir, { withFileTypes: true });
  if (entries.length === 0) bare.add(dir);
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (!entry.isDirectory()) {
      files.add(path);
      count += 1;
    } else if (!ignore.includes(path)) {
      count += walk(path, ignore, files, directories, bare);
    }
  }
  return count;
}

/** Whether a path is a directory or lies beneath it. */
export function isWithin(dir: string, path: string): boolean {
  const inside = relative(dir, path);
  return inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

/** Where a source lies in the stage: its project-relative path, or `host/<absolute path>` from outside. */
export function stagePath(projectDir: string, path: string): string {
  return path !== projectDir && isWithin(projectDir, path) ? relative(projectDir, path) : join("host", path);
}
