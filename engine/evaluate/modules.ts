// Loads an Imagefile and the modules it imports, through jiti. What lies outside node_modules is always transpiled, ES
// modules too: node would keep them for good and resolve "imagemake" by itself. Packages are left to node, which loads
// them once a process.
import { isUtf8 } from "node:buffer";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Jiti, JitiOptions, TransformOptions } from "jiti";
import { library, nativeImport } from "../../cache/compiled.js";
import { hashBytes } from "../../cache/hash.js";
import { PACKAGE } from "../../cache/installed.js";
import { readPlain, writeIfPossible } from "../../cache/io.js";
import { modulePath } from "../../cache/layout.js";
import { ownerIn, writeWhole } from "../../cache/write.js";
import { lineNotUtf8 } from "../sources/utf8.js";
import { importProblem, jsonProblem, ModuleSyntaxError, notRegular, notUtf8 } from "./blame.js";
import { engineModule, projectModule } from "./engine-module.js";
import { ownerOf, placeInStack } from "./frames.js";
import { nearest } from "./nearest.js";
import { type Note, noteResolution, watchRequire } from "./resolution.js";

/** A module's names. */
export type Exports = Readonly<Record<string, unknown>>;

export interface LoadOptions {
  /** What `import … from "imagemake"` gives. */
  readonly engine: object;
  /** Where transpiled modules are kept; none is without it. */
  readonly cache: Omit<Keeping, "isGood"> | null;
  /** A module is about to be read. */
  readonly onModule: (path: string) => void;
  /** Finding a module depended on this. */
  readonly onSearch: Note;
}

type Import = (id: string, options?: object) => Promise<unknown>;
type Resolve = (id: string, options?: object) => string | URL | undefined;
type Require = (id: string) => unknown;
/** What a transpiled module loads others with. */
type Ways = readonly [Import, Resolve, Require];
/** As jiti keeps them; the exports are there as soon as the module runs. */
type Cache = Record<string, NodeJS.Module>;

const SELF = "imagemake";
/** How a transpiled module gets at our import; no package can have this name. */
const HOOK = "imagemake:import";
/** All that jiti would read of the environment, JITI_ALIAS for one: there it would be in no record. */
const SETTINGS = {
  rebuildFsCache: false,
  moduleCache: true,
  debug: false,
  sourceMaps: false,
  interopDefault: true,
  extensions: [".js", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".mtsx", ".ctsx"],
  alias: {},
  nativeModules: [],
  transformModules: [],
  tryNative: false,
  esmEvalTempFile: false,
  jsx: false,
  tsconfigPaths: false,
};
/** What jiti gives of a module that is none. */
const BROKEN = /^exports\.__JITI_ERROR__ = (.*)$/s;
const TRANSPILED = new Set([".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"]);

/** Loads `file` (absolute) and everything it imports. Throws what the modules throw. */
export async function loadModules(file: string, options: LoadOptions): Promise<Exports> {
  const plain = jitiFor("/", { ...SETTINGS, fsCache: false });
  const anew = (given: TransformOptions): string => plain.transform(given);
  const isGood = (code: string): boolean => !BROKEN.test(code);
  const transpile = options.cache === null ? anew : keeping({ ...options.cache, isGood }, anew);
  const cache: Cache = {};
  const running = new Map<string, Promise<void>>();
  const waiting = new Map<string, Set<string>>();
  const ended = new Set<string>();
  const json = new Map<string, unknown>();
  const engine = engineModule(options.engine);

  const searched = (id: string, importer: string, found: string | null): void => {
    if (id === SELF || id === HOOK || isBuiltin(id) || id.startsWith("data:")) return;
    noteResolution(id, importer, found, "jiti", options.onSearch);
  };

  const hook = (native: Import, resolve: Resolve, require: Require, importer: string): Ways => {
    const load: Import = hookImport(native, resolve, importer);
    const find: Resolve = (id, how) => {
      searched(id, importer, resolved(resolve(id, { try: true })));
      return resolve(id, how);
    };
    const apply = (_: Require, self: unknown, given: [string]): unknown => {
      // Before it is loaded: it may throw.
      searched(given[0], importer, resolved(resolve(given[0], { try: true, async: false })));
      return Reflect.apply(require, self, given);
    };
    return [load, find, new Proxy(require, { apply })];
  };

  const hookImport = (native: Import, resolve: Resolve, importer: string): Import => {
    return async (id, importOptions) => {
      if (id === SELF) return engine;
      if (isBuiltin(id) || id.startsWith("data:")) return native(id, importOptions);
      const path = resolved(resolve(id, { try: true }));
      searched(id, importer, path);
      if (path === null) throw importProblem(id, placeInStack(), nearHint(id, importer));
      const owner = packageOf(path);
      if (owner !== null) options.onModule(join(owner, "package.json"));
      if (extname(path) === ".json") return readJson(path);
      if (TRANSPILED.has(extname(path)) && (owner === null || usesEngine(owner))) {
        const names = await load(path, importer);
        // A namespace whose names are all known; what CommonJS exports can be anything.
        return "__esModule" in names ? projectModule(names, path, () => ended.has(path)) : names;
      }
      options.onModule(path);
      return native(id, importOptions);
    };
  };

  const jiti = jitiFor(file, {
    ...SETTINGS,
    fsCache: false,
    moduleCache: false,
    virtualModules: { [SELF]: engine, [HOOK]: { hook } },
    transform: (given) => {
      // Modules that `require` loads come by only here.
      const { filename } = given;
      if (filename !== undefined && !running.has(filename)) options.onModule(filename);
      const code = transpile(given);
      const broken = BROKEN.exec(code)?.[1];
      if (broken !== undefined) throw ModuleSyntaxError.of(broken);
      return { code: code.replace(/^(?:#!.*\n)?(?:"use strict";)?/, `$&${PRELUDE}`) };
    },
  });

  async function load(path: string, importer: string | null): Promise<Exports> {
    if (importer !== null) {
      // Modules that import each other see what is there so far, as everywhere.
      if (leads(waiting, path, importer)) return exportsOf(cache, path);
      waiting.set(importer, (waiting.get(importer) ?? new Set()).add(path));
    }
    let run = running.get(path);
    if (run === undefined) {
      // Begins after it is known as running, so that it may import what imports it.
      run = Promise.resolve().then(() => evaluateModule(path));
      running.set(path, run);
    }
    try {
      await run;
    } finally {
      if (importer !== null) waiting.get(importer)?.delete(path);
    }
    return exportsOf(cache, path);
  }

  async function evaluateModule(path: string): Promise<void> {
    options.onModule(path);
    const source = textOf(path);
    const ext = extname(path);
    const how = { id: path, filename: path, ext, cache, async: true, forceTranspile: true };
    // jiti's types know only its own form of the cache.
    await jiti.evalModule(source, how as Parameters<typeof jiti.evalModule>[1]);
    ended.add(path);
  }

  function readJson(path: string): unknown {
    if (!json.has(path)) {
      options.onModule(path);
      const text = bytesOf(path).toString("utf8");
      try {
        json.set(path, JSON.parse(text));
      } catch (thrown) {
        throw jsonProblem(path, text, thrown);
      }
    }
    return json.get(path);
  }

  const required = createRequire(file).cache;
  before ??= new Set(Object.keys(required));
  const unwatch = watchRequire(options.onSearch);
  try {
    return await load(file, null);
  } finally {
    unwatch();
    for (const path of Object.keys(required)) {
      if (before.has(path) || isOurs(path)) continue;
      options.onModule(path);
      // So that the next evaluation reads it again. Packages stay, and are recorded every time.
      if (packageOf(path) === null) Reflect.deleteProperty(required, path);
    }
  }
}

/** What createJiti is made of: jiti's two large files. */
const JITI = join(dirname(createRequire(import.meta.url).resolve("jiti")), "../dist");
type Make = (
  id: string,
  options: JitiOptions,
  node: {
    onError: (error: unknown) => never;
    nativeImport: typeof nativeImport;
    createRequire: typeof createRequire;
  },
) => Jiti;
type Transform = NonNullable<JitiOptions["transform"]>;

/** The same as jiti's createJiti, which would have node compile both each time. */
function jitiFor(id: string, options: JitiOptions): Jiti {
  const transform: Transform = (given) => (library(join(JITI, "babel.cjs")) as Transform)(given);
  const onError = (error: unknown): never => {
    throw error;
  };
  const make = library(join(JITI, "jiti.cjs")) as Make;
  return make(id, { transform, ...options }, { onError, nativeImport, createRequire });
}

/** A module's text. Node would put another character in the place of what is not UTF-8. */
function textOf(path: string): string {
  const bytes = bytesOf(path);
  if (isUtf8(bytes)) return bytes.toString("utf8");
  throw notUtf8(path, lineNotUtf8(bytes));
}

function bytesOf(path: string): Buffer {
  if (!statSync(path).isFile()) throw notRegular(path);
  return readFileSync(path);
}

/** What node had loaded with require before the first evaluation. */
let before: ReadonlySet<string> | undefined;

/** First statement of a transpiled module: its imports go through ours. */
const PRELUDE = `[jitiImport,jitiESMResolve,require]=require("${HOOK}").hook(jitiImport,jitiESMResolve,require,__filename);`;

const exportsOf = (cache: Cache, path: string): Exports => (cache[path]?.exports ?? {}) as Exports; // Any object will do.

/** Whether the module waits for `importer`, itself or through others. */
function leads(waiting: ReadonlyMap<string, ReadonlySet<string>>, from: string, importer: string): boolean {
  const seen = new Set<string>([from]);
  for (const path of seen) waiting.get(path)?.forEach((next) => seen.add(next));
  return seen.has(importer);
}

function resolved(found: string | URL | undefined): string | null {
  if (found === undefined) return null;
  return String(found).startsWith("file:") ? fileURLToPath(found) : String(found);
}

/** Directory of the package a file belongs to; null for the project's own files. */
const packageOf = (path: string): string | null =>
  /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? null;

/** A package of rules or presets has to mean this engine too. */
function usesEngine(owner: string): boolean {
  try {
    const text = readFileSync(join(owner, "package.json"), "utf8");
    const { dependencies, peerDependencies } = JSON.parse(text) as Record<string, object | undefined>;
    return SELF in { ...dependencies, ...peerDependencies };
  } catch {
    return false;
  }
}

/** The engine and what it is made of; the modules it loads while evaluating are none of the Imagefile's. */
const isOurs = (path: string): boolean =>
  ["engine", "loader"].includes(ownerOf(path)) || path.startsWith(MODULES);
const MODULES = fileURLToPath(new URL("node_modules/", PACKAGE));

/** For a relative import the file that may have been meant, for another one that only an editor finds it. */
function nearHint(id: string, importer: string): string | undefined {
  if (!id.startsWith(".")) {
    return editorPath(id, dirname(importer))
      ? "`paths` in tsconfig.json are for editors alone: import it by its own path, ./…"
      : undefined;
  }
  const stem = (file: string): string => basename(file, extname(file));
  try {
    const files = readdirSync(dirname(join(dirname(importer), id)));
    const near = nearest(stem(id), files.map(stem));
    const file = files.find((one) => stem(one) === near);
    return file === undefined ? undefined : `did you mean ${file}?`;
  } catch {
    // No such directory either.
    return undefined;
  }
}

/** Whether the tsconfig.json that holds for a directory has `id` among its `paths`. */
function editorPath(id: string, dir: string): boolean {
  const file = join(dir, "tsconfig.json");
  if (!existsSync(file)) return dirname(dir) !== dir && editorPath(id, dirname(dir));
  // It may have comments.
  const [, paths = ""] = /"paths"\s*:\s*\{([^}]*)\}/.exec(readFileSync(file, "utf8")) ?? [];
  const begins = [...paths.matchAll(/"([^"*]+)(\*?)[^"]*"\s*:/g)];
  return begins.some(([, start = "", star]) => (star === "*" ? id.startsWith(start) : id === start));
}

// Keeps modules as they were transpiled, which spares loading babel (100 ms). What is kept is run, so it counts only while a
// checksum says that it was made of this very text, and is what was made of it.

/** Changes whenever a text is transpiled otherwise than before. */
const FORM = "jiti 2";

type Transpile = (given: TransformOptions) => string;

/** Where modules are kept. */
interface Keeping {
  readonly dir: string;
  /** Runs what is none of the Imagefile's doing. */
  readonly quietly: <T>(work: () => T) => T;
  /** Which of what was transpiled may be kept. */
  readonly isGood: (code: string) => boolean;
}

/** The same, with what it gives kept. */
function keeping({ dir, quietly, isGood }: Keeping, transpile: Transpile): Transpile {
  return (given) => {
    const { filename, source, ...how } = given;
    if (filename === undefined) return transpile(given);
    const from = JSON.stringify([FORM, filename, how, source]);
    const sum = (code: string): string => `\n/* ${hashBytes(`${from}\0${code}`)} */\n`;
    const name = `${basename(dirname(filename))}-${basename(filename)}.${hashBytes(filename).slice(0, 8)}`;
    const file = modulePath(dir, `${name}.${how.async === true ? "mjs" : "cjs"}`);
    const kept = quietly(() => read(file));
    const code = kept.slice(0, -sum("").length);
    if (kept !== "" && kept === code + sum(code)) return code;
    const made = transpile(given);
    if (isGood(made)) quietly(() => writeIfPossible(() => writeWhole(file, made + sum(made), ownerIn(dir))));
    return made;
  };
}

/** Empty where nothing is kept. */
function read(file: string): string {
  try {
    return readPlain(file)?.toString("utf8") ?? "";
  } catch {
    return "";
  }
}
