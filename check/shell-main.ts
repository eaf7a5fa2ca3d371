// All shell there is, by shellcheck: prints what it finds, and names parts of recipes that no recipe takes.
import { compositions, shellParts } from "./compositions.js";
import { marked, scriptIn, scriptOf, shellcheck } from "./shell.js";

/** Where programs are written in TypeScript. */
const FOLDERS = ["cli", "engine", "cache", "rules", "targets"];
/** Run before there is an action, by targets/void/. */
const ALONE = ["void-matrix.sh", "void-packages.sh", "void-record.sh"];
/** Read by whatever shell a hook is for. */
const ANY_SHELL = ["hooklib.sh"];

const recipes = await compositions();
const taken = new Set(recipes.flatMap(({ parts }) => parts.map(({ file }) => file)));
const untaken = [...shellParts().keys()].filter((name) => !taken.has(name) && !ALONE.includes(name));
const found = shellcheck([
  ...recipes.map(scriptOf),
  ...ALONE.map((name) => scriptIn(`rules/recipes/${name}`, "bash")),
  ...ANY_SHELL.map((name) => scriptIn(`rules/recipes/${name}`, "sh")),
  ...marked(FOLDERS),
  ...["setup", ".ci/run"].map((name) => scriptIn(name, "sh")),
  scriptIn("cli/completion/imagemake.bash", "bash"),
]);
const lines = [
  ...found,
  ...untaken.map(
    (name) => `rules/recipes/${name}: no Imagefile of test/support/imagefiles.ts makes use of it`,
  ),
];
for (const line of lines) process.stdout.write(`${line}\n`);
process.exitCode = lines.length === 0 ? 0 : 1;
