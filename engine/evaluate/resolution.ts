// What finding an imported module depended on: the links on the way to it, and the files that would have been taken
// before it, had they been there.
import fs, { existsSync, readFileSync, readlinkSync } from "node:fs";
import Module from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Use } from "./fresh.js";
import { ownerOf } from "./frames.js";
import { replace, type Undo } from "./patch.js";

/** Something that finding a module depended on. */
export type Note = (path: string, use: Use) => void;

/** Who looked for it: jiti knows more endings than node's require. */
export type Finder = "jiti" | "node";

interface Search {
  readonly found: string | null;
  readonly finder: Finder;
  readonly note: Note;
}

const NODE = [".js", ".json", ".node"];
const JITI = [".js", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".mtsx", ".ctsx"];
/** As the system has it. */
const MOST_LINKS = 40;

/**
 * Notes what it depended on that `id`, imported by the file `importer`, is `found` (a real path; null where there
 * was nothing). What a package's `exports` lead to is known by its package.json alone.
 */
export function noteResolution(
  id: string,
  importer: string,
  found: string | null,
  finder: Finder,
  note: Note,
): void {
  const search: Search = { found, finder, note };
  const dir = dirname(importer);
  if (/^(?:\.{0,2}\/|\.{1,2}$|file:)/.test(id)) {
    for (const base of basesOf(id, dir)) if (searched(base, search)) return;
    return;
  }
  const [, name, inside = ""] = /^(@[^/]+\/[^/]+|[^@#/][^/]*)(\/.*)?$/.exec(id) ?? [];
  if (name !== undefined && inPackage(name, inside, dir, search)) return;
  // A package's own name, or its #imports.
  for (const above of upwards(dir)) if (readIfThere(join(above, "package.json"), note)) return;
}

/** The paths that an id with a path stands for: as it is, and as a URL. */
function basesOf(id: string, dir: string): ReadonlySet<string> {
  if (id.startsWith("file:")) return new Set([fileURLToPath(id)]);
  const bases = new Set([resolve(dir, id)]);
  if (!/[?#%]/.test(id)) return bases;
  try {
    bases.add(resolve(dir, decodeURIComponent(id.replace(/[?#].*$/, ""))));
  } catch {
    // No URL.
  }
  return bases;
}

/** Looks in every node_modules, the nearest first; whether it was found there. */
function inPackage(name: string, inside: string, dir: string, search: Search): boolean {
  const { found, note } = search;
  for (const above of upwards(dir)) {
    const owner = join(above, "node_modules", name);
    if (!existsSync(owner)) {
      missing(owner, note);
      continue;
    }
    const real = followed(owner, note);
    readIfThere(join(owner, "package.json"), note);
    if (real === null || found?.startsWith(`${real}/`) !== true) continue;
    searched(join(owner, inside === "" ? (mainOf(owner) ?? "index") : inside), search);
    return true;
  }
  return false;
}

/** Notes what would have been taken before what was found; whether it was found. */
function searched(base: string, search: Search): boolean {
  const { found, finder, note } = search;
  const take = (path: string): boolean => {
    if (!existsSync(path)) missing(path, note);
    else if (found !== null && realpathOf(path) === found) return followed(path, note) !== null;
    return false;
  };
  const orders = finder === "jiti" ? [JITI, NODE] : [NODE];
  if (take(base)) return true;
  for (const [at, endings] of orders.entries()) {
    if (endings.some((ending) => take(base + ending))) return true;
    if (endings === NODE && readIfThere(join(base, "package.json"), note)) {
      const main = mainOf(base);
      if (main !== null && [...["", ...NODE], "/index.js"].some((ending) => take(join(base, main) + ending)))
        return true;
    }
    if (endings.some((ending) => take(join(base, `index${ending}`)))) return true;
    if (at === 1 && take(base.replace(/\.([cm]?)j(sx?)$/, ".$1t$2"))) return true;
  }
  return false;
}

/** The directory and all above it. */
function* upwards(dir: string): Generator<string> {
  for (let at = dir; ; at = dirname(at)) {
    if (!at.endsWith("/node_modules")) yield at;
    if (at === dirname(at)) return;
  }
}

/** Nothing can be in a directory that is not there: then that is all to look at. */
function missing(path: string, note: Note): void {
  let at = path;
  while (!existsSync(dirname(at))) at = dirname(at);
  note(at, "exists");
}

function readIfThere(path: string, note: Note): boolean {
  if (existsSync(path)) {
    followed(path, note);
    note(path, "read");
    return true;
  }
  missing(path, note);
  return false;
}

function mainOf(dir: string): string | null {
  try {
    const { main } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as { main?: unknown };
    return typeof main === "string" ? main : null;
  } catch {
    return null;
  }
}

function realpathOf(path: string): string | null {
  try {
    return fs.realpathSync(path);
  } catch {
    return null;
  }
}

/** Notes each link on the way to a path; where it leads, null where links lead round and round. */
function followed(path: string, note: Note): string | null {
  const left = path.split("/");
  let at = "";
  let links = 0;
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === "" || name === ".") continue;
    const next = name === ".." ? dirname(at || "/").replace(/^\/$/, "") : `${at}/${name}`;
    const target = name === ".." ? null : targetOf(next);
    if (target === null) {
      at = next;
      continue;
    }
    note(next, "readlink");
    if ((links += 1) > MOST_LINKS) return null;
    if (target.startsWith("/")) at = "";
    left.unshift(...target.split("/"));
  }
  return at;
}

/** Null for what is no link. */
function targetOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Node's own way to find what is required. It is not in its types. */
interface Finding {
  readonly _resolveFilename: (
    id: string,
    parent?: { filename?: string | null },
    ...more: unknown[]
  ) => string;
  readonly _pathCache: Record<string, string>;
}
const finding = Module as unknown as Finding;

/** Notes what the Imagefile's own modules find with node's require. Node keeps nothing of it. */
export function watchRequire(note: Note): Undo {
  const plain = finding._resolveFilename;
  const noted: Finding["_resolveFilename"] = (id, parent, ...more) => {
    const importer = parent?.filename ?? null;
    const options = more[1];
    // With paths it is jiti that tries endings.
    const own = importer !== null && ownerOf(importer) === "imagefile" && options === undefined;
    let found: string | null = null;
    try {
      found = uncached(() => plain.call(Module, id, parent, ...more));
      return found;
    } finally {
      const builtin = found !== null && !found.startsWith("/");
      if (own && !builtin) noteResolution(id, importer, found, "node", note);
    }
  };
  const undo = replace(Module, "_resolveFilename", noted);
  return () => {
    undo();
    for (const [key, path] of Object.entries(finding._pathCache))
      if (!path.includes("/node_modules/")) Reflect.deleteProperty(finding._pathCache, key);
  };
}

/** Node keeps for good where a link leads; not if it is asked without its cache. */
function uncached<T>(work: () => T): T {
  const { realpathSync } = fs;
  const undo = replace(
    fs,
    "realpathSync",
    Object.assign((path: string) => realpathSync(path), realpathSync),
  );
  try {
    return work();
  } finally {
    undo();
  }
}
