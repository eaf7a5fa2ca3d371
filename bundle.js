// Bundles what tsc compiled into dist/run/, so that a start loads a few files and not hundreds. Commands, drivers,
// renderers and large libraries stay apart, loaded when they are needed. And writes the manual page. `npm run build` runs it; --verbose names the files.
import { log } from "node:console";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath, URL } from "node:url";
import { rolldown } from "rolldown";

/** @typedef {import("rolldown").ModuleInfo} ModuleInfo */
/** @typedef {{ getModuleInfo(id: string): ModuleInfo | null }} Modules */

/** @param {string} name */
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
/** @param {string} name */
const compiled = (name) => path(`dist/${name}.js`);

/** Programs that are started by themselves; cache/installed.ts says where they are. */
const programs = {
  imagemake: compiled("cli/main"),
  "hash-worker": compiled("cache/hash-worker"),
  "seal-main": compiled("engine/tree/seal-main"),
};

/** Native, or loading its own parts by their paths. */
const external = ["better-sqlite3", "jiti"];

/** What of evaluating every command uses, and what stands between an Imagefile and what it calls. */
const WORDS = ["blame", "fresh", "nearest", "track"].map((name) => compiled(`engine/evaluate/${name}`));

/**
 * What is loaded together is one file: each of these, in turn, with all that it imports and no earlier one has. `ground`
 * is what engine/evaluate/ stands on: the commands and that import each other's files.
 */
const LAYERS = [
  { name: "start", ids: ["cli/start"].map(compiled) },
  { name: "ground", ids: WORDS },
  { name: "command", ids: ["cli/run", "cli/open", "cli/commands/list"].map(compiled) },
  { name: "look", ids: ["cli/look", "cli/commands/why"].map(compiled) },
  { name: "build", ids: ["engine/build/build", "cli/commands/build", "cli/render/plain"].map(compiled) },
  ...["@dagrejs/graphlib", "zod", "fast-glob", "execa", "ora", "chokidar", "smol-toml"].map((name) => ({
    name: `library-${name.replace(/^.*\//, "")}`,
    ids: [fileURLToPath(import.meta.resolve(name))],
  })),
];

/** @type {{ name: string, ids: Set<string> }[] | undefined} */
let layers;
/**
 * @param {string} id
 * @param {Modules} modules
 */
function chunkOf(id, modules) {
  layers ??= LAYERS.map(({ name, ids }) => ({ name, ids: closure(ids, modules) }));
  const layer = layers.find(({ ids }) => ids.has(id))?.name ?? null;
  // engine/evaluate/frames.ts tells by these who is calling.
  if (/\/evaluate\/(?:frames|patch|record|track[a-z-]*)\.js$/.test(id)) return "evaluate-listeners";
  if (/\/dist\/engine\/evaluate\//.test(id)) return layer === "ground" ? "evaluate-words" : "evaluate-loader";
  return layer;
}

/**
 * These modules and all that they import, however far.
 * @param {readonly string[]} ids
 * @param {Modules} modules
 */
function closure(ids, modules) {
  const found = new Set(ids);
  for (const id of found) for (const one of modules.getModuleInfo(id)?.importedIds ?? []) found.add(one);
  return found;
}

/**
 * Writes one program, and what it is split into.
 * @param {keyof typeof programs} name
 * @param {import("rolldown").OutputOptions["codeSplitting"] & {}} split
 */
async function write(name, split) {
  const bundle = await rolldown({
    input: { [name]: programs[name] },
    platform: "node",
    external,
    preserveEntrySignatures: "allow-extension",
    // Some of what is imported when it is needed comes with its layer anyway.
    checks: { ineffectiveDynamicImport: false },
  });
  const { output } = await bundle.write({
    dir: path("dist/run.new"),
    format: "esm",
    sourcemap: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    codeSplitting: split,
  });
  await bundle.close();
  if (argv.includes("--verbose"))
    for (const one of output) if (one.type === "chunk") log(`${one.code.length} ${one.fileName}`);
}

rmSync(path("dist/run.new"), { recursive: true, force: true });
await write("imagemake", {
  groups: [{ name: chunkOf, debugName: "layers" }],
  includeDependenciesRecursively: false,
});
// These start for a moment's work, and load nothing of the command.
await write("hash-worker", false);
await write("seal-main", false);
chmodSync(path("dist/run.new/imagemake.js"), 0o755);
// There is none only between two renames.
rmSync(path("dist/run.old"), { recursive: true, force: true });
if (existsSync(path("dist/run"))) renameSync(path("dist/run"), path("dist/run.old"));
renameSync(path("dist/run.new"), path("dist/run"));
rmSync(path("dist/run.old"), { recursive: true, force: true });

// The manual page, from the same declarations as the help.
const { manualPage } = await import("./dist/cli/reference.js");
/** @type {unknown} */
const declared = JSON.parse(readFileSync(path("package.json"), "utf8"));
const { version } = /** @type {{ version: string }} */ (declared);
mkdirSync(path("dist/man"), { recursive: true });
writeFileSync(path("dist/man/imagemake.1"), manualPage(version));
