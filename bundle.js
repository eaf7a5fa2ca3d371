// Bundles what tsc compiled into dist/run/, so that a start loads a few files and not hundreds. Commands, drivers,
// renderers and large libraries stay apart, loaded when they are needed. And writes the manual page. `npm run build` runs it; --verbose names the files.
import { log } from "node:console";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath, URL } from "node:url";
import { rolldown } from "rolldown";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const compiled = (...names) => names.map((name) => path(`dist/${name}.js`));

/** Programs that are started by themselves; cache/installed.ts says where they are. */
const [imagemake, worker, seal] = compiled("cli/main", "cache/hash-worker", "engine/tree/seal-main");
const programs = { imagemake, "hash-worker": worker, "seal-main": seal };

/** Native, or loading its own parts by their paths. */
const external = ["better-sqlite3", "jiti"];

/** What of evaluating every command uses, and what stands between an Imagefile and what it calls. */
const WORDS = compiled(...["blame", "fresh", "nearest", "track"].map((name) => `engine/evaluate/${name}`));

/**
 * What is loaded together is one file: each of these, in turn, with all that it imports and no earlier one has. `ground`
 * is what engine/evaluate/ stands on: the commands and that import each other's files.
 */
const LAYERS = [
  ["start", compiled("cli/start")],
  ["ground", WORDS],
  ["command", compiled("cli/run", "cli/open", "cli/commands/list")],
  ["look", compiled("cli/look", "cli/commands/why")],
  ["build", compiled("engine/build/build", "cli/commands/build", "cli/render/plain")],
  ...["@dagrejs/graphlib", "zod", "fast-glob", "execa", "ora", "chokidar", "smol-toml"].map((name) => [
    `library-${name.replace(/^.*\//, "")}`,
    [fileURLToPath(import.meta.resolve(name))],
  ]),
];

let layers;
function chunkOf(id, modules) {
  layers ??= LAYERS.map(([name, ids]) => [name, closure(ids, modules)]);
  const [layer = null] = layers.find(([, ids]) => ids.has(id)) ?? [];
  // engine/evaluate/frames.ts tells by these who is calling.
  if (/\/evaluate\/(?:frames|patch|record|track[a-z-]*)\.js$/.test(id)) return "evaluate-listeners";
  if (/\/dist\/engine\/evaluate\//.test(id)) return layer === "ground" ? "evaluate-words" : "evaluate-loader";
  return layer;
}

/** These modules and all that they import, however far. */
function closure(ids, modules) {
  const found = new Set(ids);
  for (const id of found) for (const one of modules.getModuleInfo(id)?.importedIds ?? []) found.add(one);
  return found;
}

/** Writes one program, and what it is split into. */
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
    for (const { fileName, code } of output) if (code !== undefined) log(`${code.length} ${fileName}`);
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
const { version } = JSON.parse(readFileSync(path("package.json"), "utf8"));
mkdirSync(path("dist/man"), { recursive: true });
writeFileSync(path("dist/man/imagemake.1"), manualPage(version));
