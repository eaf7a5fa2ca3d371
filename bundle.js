// Makes what is installed of what tsc compiled: dist/run/, so that a start loads a few files and not hundreds (commands, drivers,
// renderers and large libraries stay apart, loaded when they are needed), with the recipes in one file; dist/imagemake.d.ts, the
// types of an Imagefile; and the manual page. `npm run build` runs it; --verbose names the files.
import { spawnSync } from "node:child_process";
import { log, warn } from "node:console";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, execPath } from "node:process";
import { fileURLToPath, URL } from "node:url";
import { rolldown } from "rolldown";
import { minify } from "rolldown/utils";
import { dts } from "rolldown-plugin-dts";

/** @typedef {import("rolldown").ModuleInfo} ModuleInfo */
/** @typedef {{ getModuleInfo(id: string): ModuleInfo | null }} Modules */

/** @param {string} name */
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
/** @param {string} name */
const compiled = (name) => path(`dist/${name}.js`);

/** Programs that are started by themselves; cache/installed.ts says where they are. */
const programs = {
  imagemake: { imagemake: compiled("cli/main"), start: compiled("cli/start") },
  "hash-worker": { "hash-worker": compiled("cache/hash-worker") },
  "seal-main": { "seal-main": compiled("engine/tree/seal-main") },
};

/** Native, or loading its own parts by their paths. */
const external = ["better-sqlite3", "jiti"];

/**
 * Set up when it is first called: the tables of languages and of emoji that it has node read are a tenth of a start, and
 * hardly any text needs them.
 */
const LATER = 'import stringWidth from "string-width";';
const LATER_CALLED = 'const stringWidth = (text) => require("string-width").default(text);';
/** Files that it was found in. */
const setUpLater = new Set();
const later = {
  name: "later",
  /**
   * @param {string} code
   * @param {string} id
   */
  transform: (code, id) => {
    if (!code.includes(LATER)) return null;
    setUpLater.add(id);
    return { code: code.replace(LATER, LATER_CALLED), map: null };
  },
};

/** What of evaluating every command uses, and what stands between an Imagefile and what it calls. */
const WORDS = ["blame", "fresh", "nearest", "track"].map((name) => compiled(`engine/evaluate/${name}`));

/** @param {string} name */
const library = (name) => ({
  name: `library-${name.replace(/^.*\//, "")}`,
  ids: [fileURLToPath(import.meta.resolve(name))],
});

/**
 * What is loaded together is one file: each of these, in turn, with all that it imports and no earlier one has. `ground`
 * is what engine/evaluate/ stands on: the commands and that import each other's files.
 */
const LAYERS = [
  { name: "compiled", ids: ["cache/compiled"].map(compiled) },
  { name: "start", ids: ["cli/start"].map(compiled) },
  { name: "ground", ids: WORDS },
  { name: "command", ids: ["cli/run", "cli/open", "cli/commands/list"].map(compiled) },
  { name: "look", ids: ["cli/look", "cli/commands/why"].map(compiled) },
  { name: "build", ids: ["engine/build/build", "cli/commands/build", "cli/render/plain"].map(compiled) },
  ...["@dagrejs/graphlib", "zod", "fast-glob", "execa", "ora", "chokidar", "smol-toml", "diff"].map(library),
  ...["@bufbuild/protobuf", "@grpc/grpc-js"].map(library),
];

/** Commands and what they share that are never loaded alone, or are small: a file for each family. */
const FAMILIES = [
  {
    name: "release",
    of: /^(?:engine\/(?:release\/|packages\/refresh)|cli\/(?:commands\/release-|exchange|collected|life|secret))/,
  },
  {
    name: "cache",
    of: /^(?:cli\/(?:commands\/(?:cache-|clean)|garbage)|engine\/(?:verify|clean)\.|cache\/(?:gc|mark)\.)/,
  },
  { name: "words", of: /^(?:cli\/(?:reference|commands\/(?:explain|help|config|complet))|rules\/describe)/ },
  { name: "remote", of: /^(?:cache\/remote\/(?:address|tries)|cli\/(?:doctor\/)?remote)\./ },
  {
    name: "log",
    of: /^(?:engine\/contents\/|cli\/(?:commands\/(?:diff|history|log|sbom|shell|show)|sides|render\/(?:difference|logfile)))/,
  },
  { name: "state", of: /^(?:cli\/(?:limited|state)|engine\/build\/lock)\./ },
  { name: "boot", of: /^cli\/(?:boot\/|commands\/boot)/ },
  { name: "forecast", of: /^(?:cli\/forecast|engine\/execute\/disk-use)\./ },
  { name: "streams", of: /^cli\/render\/(?:json|events|trace)\./ },
  {
    name: "drivers",
    of: /^rules\/drivers\/(?!(?:apt|dnf|nix|pacman|xbps)(?:\.|\/)|[a-z]+\/(?!tools|conf|repository|reference))/,
  },
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
  const own = id.slice(path("dist/").length);
  return layer ?? FAMILIES.find(({ of }) => of.test(own))?.name ?? null;
}

/** Libraries are the larger part, and nobody reads them here. */
const smallLibraries = {
  name: "small-libraries",
  /**
   * @param {string} code
   * @param {{ fileName: string }} chunk
   */
  async renderChunk(code, chunk) {
    if (!chunk.fileName.startsWith("library-")) return null;
    const { code: small, map } = await minify(chunk.fileName, code, { sourcemap: true });
    return map ? { code: small, map: JSON.stringify(map) } : { code: small };
  },
};

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
    input: programs[name],
    platform: "node",
    external,
    plugins: [smallLibraries, later],
    preserveEntrySignatures: "allow-extension",
    // Some of what is imported when it is needed comes with its layer anyway.
    checks: { ineffectiveDynamicImport: false },
  });
  const { output } = await bundle.write({
    dir: path("dist/run.new"),
    format: "cjs",
    sourcemap: true,
    comments: false,
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    codeSplitting: split,
  });
  await bundle.close();
  if (argv.includes("--verbose"))
    for (const one of output) if (one.type === "chunk") log(`${one.code.length} ${one.fileName}`);
}

/**
 * Runs the commonest commands once, in a small project, so that V8's code for what they call can be kept (bundle-code.js).
 * Each adds to what those before it left. Where one cannot be run (no namespaces, no bash), starts are slower, and that is all.
 * @param {string} program
 */
function compileAhead(program) {
  const project = mkdtempSync(join(tmpdir(), "imagemake-bundle-"));
  /** @param {readonly string[]} words */
  const start = (...words) => {
    const args = ["--import", path("bundle-code.js"), program, ...words];
    const { status, stderr } = spawnSync(execPath, args, { cwd: project, encoding: "utf8" });
    if (status !== 0)
      warn(`${words.join(" ")}: what V8 compiles for it is not kept: exit status ${status}: ${stderr}`);
    return status === 0;
  };
  try {
    writeFileSync(join(project, "source"), "1\n");
    writeFileSync(join(project, "Imagefile.ts"), PROJECT);
    const alone = start("--quiet") ? [] : ["--no-isolation"];
    writeFileSync(join(project, "source"), "another\n");
    start("--always-make", ...alone);
    start("list");
  } finally {
    rmSync(project, { recursive: true });
  }
}

/** An Imagefile with what most have. */
const PROJECT = `import { each, files, project, run } from "imagemake";
export const parts = each(["a", "b"], (part) =>
  run({ inputs: { SOURCE: files("source") }, cmd: 'cat "$SOURCE" > "$OUT"', out: \`\${part}-{date}.txt\` }),
);
export const whole = run({ inputs: { A: parts.a, B: parts.b }, cmd: 'cat "$A" "$B" > "$OUT"', out: "whole.txt" });
export default project({ default: [whole] });
`;

/**
 * All recipes in one file, and beside it those that are started outside of an action (rules/recipes.ts has their names).
 * @param {string} to
 */
function writeRecipes(to) {
  const names = readdirSync(path("rules/recipes")).sort();
  const texts = names.map((name) => [name, readFileSync(path(`rules/recipes/${name}`), "utf8")]);
  writeFileSync(path(`${to}/recipes.json`), JSON.stringify(Object.fromEntries(texts)));
  for (const name of names.filter((one) => one.endsWith(".py") || one === "qemu.mjs"))
    copyFileSync(path(`rules/recipes/${name}`), path(`${to}/${name}`));
}

/** The types of an Imagefile in one file, comments and all, where one of those that it is made of is newer. */
async function writeTypes() {
  const made = path("dist/imagemake.d.ts");
  const newest = readdirSync(path("dist"), { recursive: true, encoding: "utf8" })
    .filter((name) => /^(?:cache|engine|rules|targets)\/.*\.d\.ts$/.test(name))
    .reduce((latest, name) => Math.max(latest, statSync(path(`dist/${name}`)).mtimeMs), 0);
  if (existsSync(made) && statSync(made).mtimeMs > newest) return;
  const bundle = await rolldown({
    input: path("dist/targets/index.d.ts"),
    plugins: [dts({ dtsInput: true, tsconfig: false })],
    external: ["zod"],
    // Most of the time is TypeScript's.
    checks: { bundlerTimings: false },
  });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  // A comment that follows something on its line is not the next one's, for an editor.
  const code = output[0].code.replace(/^(\s*)(\S.*?) (\/\*\*[^\n]*\*\/)$/gm, "$1$2\n$1$3");
  writeFileSync(`${made}.new`, code);
  renameSync(`${made}.new`, made);
}

rmSync(path("dist/run.new"), { recursive: true, force: true });
await write("imagemake", {
  groups: [{ name: chunkOf, debugName: "layers" }],
  includeDependenciesRecursively: false,
});
if (setUpLater.size === 0) throw new Error(`no file has the line ${LATER} any more: see LATER in bundle.js`);
// These start for a moment's work, and load nothing of the command.
await write("hash-worker", false);
await write("seal-main", false);
// CommonJS, which node starts sooner than ES modules, and which can be given to V8 compiled (cache/compiled.ts).
writeFileSync(path("dist/run.new/package.json"), '{ "type": "commonjs" }\n');
chmodSync(path("dist/run.new/imagemake.js"), 0o755);
writeRecipes("dist/run.new");
// There is none only between two renames.
rmSync(path("dist/run.old"), { recursive: true, force: true });
if (existsSync(path("dist/run"))) renameSync(path("dist/run"), path("dist/run.old"));
renameSync(path("dist/run.new"), path("dist/run"));
rmSync(path("dist/run.old"), { recursive: true, force: true });
// Only here: what V8 compiled has the file's path in it.
compileAhead(path("dist/run/imagemake.js"));

await writeTypes();

// The manual page, from the same declarations as the help.
const { manualPage } = await import("./dist/cli/reference.js");
/** @type {unknown} */
const declared = JSON.parse(readFileSync(path("package.json"), "utf8"));
const { version } = /** @type {{ version: string }} */ (declared);
mkdirSync(path("dist/man"), { recursive: true });
writeFileSync(path("dist/man/imagemake.1"), manualPage(version));
