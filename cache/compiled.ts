// Loads what bundle.js wrote into dist/run/, and large CommonJS files of libraries, with what V8 made of them when they were
// bundled (bundle-code.js): half of a start is compiling otherwise. V8 itself refuses what another version of it made, or one
// with other flags; then it compiles. Nothing of ours is imported here: it would be loaded twice.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

type Require = (id: string) => unknown;
type Wrapped = (exports: object, require: Require, module: object, file: string, directory: string) => void;

const RUN = fileURLToPath(new URL("./", import.meta.url));
const outside = createRequire(join(RUN, "imagemake.js"));
const loaded = new Map<string, { exports: unknown }>();

/** One of our own files, `./NAME.js`, and what it asks for of them; all else, and this file, comes from node. */
export const ours: Require = (id) =>
  id.startsWith("./") && id !== "./compiled.js"
    ? load(join(RUN, id), basename(id), ours, '"use strict";')
    : outside(id);

/** Node's own import of a URL or a name of node's. It stands here because node does not import for what it did not load. */
export const nativeImport = (id: string): Promise<unknown> => import(id);

/** A CommonJS file of a library, and what it asks for by relative paths. */
export function library(file: string): unknown {
  const elsewhere = createRequire(file);
  const require: Require = (id) =>
    id.startsWith(".") ? library(elsewhere.resolve(id)) : (elsewhere(id) as unknown);
  return load(file, null, require, "");
}

/** `built`: what it is called among our own files, which are compiled whenever they are written. */
function load(file: string, built: string | null, require: Require, first: string): unknown {
  const known = loaded.get(file);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(file, module);
  try {
    const text = readFileSync(file, "utf8");
    const code = compiled(file, built ?? `${basename(file)}-${digest(text)}`);
    const script = new Script(
      `(function (exports, require, module, __filename, __dirname) { ${first}${text}\n})`,
      {
        filename: file,
        ...(code === undefined ? {} : { cachedData: code }),
      },
    );
    (script.runInThisContext() as Wrapped)(module.exports, require, module, file, dirname(file));
  } catch (error) {
    // Whoever asks again is told again.
    loaded.delete(file);
    throw error;
  }
  return module.exports;
}

/** V8 compares no more than the length of a text. A library may be another since; crypto is loaded for one alone. */
const digest = (text: string): string =>
  (outside("node:crypto") as typeof import("node:crypto")).createHash("sha256").update(text).digest("hex");

/** What V8 made of it, and the file's path, which it has for good; undefined where there is none of this version and place. */
function compiled(file: string, name: string): Buffer | undefined {
  try {
    const code = readFileSync(join(RUN, "code", `${process.versions.v8}-${process.arch}`, name));
    const end = code.length - Buffer.byteLength(file);
    return end > 0 && code.toString("utf8", end) === file ? code.subarray(0, end) : undefined;
  } catch {
    return undefined;
  }
}
