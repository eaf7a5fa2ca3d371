// An edit of what an import leads to is noticed: of links on the way, and of what would be found instead.
import { expect, test } from "@jest/globals";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { readsChanged } from "../engine/evaluate/fresh.js";
import { evaluating } from "./support/evaluate-support.js";

const { puppet, yard } = evaluating();

/** Names with their text; `-> x` is a link to x. */
type Files = Readonly<Record<string, string>>;

function put(files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    if (!text.startsWith("-> ")) {
      yard.write({ [name]: text });
      continue;
    }
    mkdirSync(dirname(yard.path(name)), { recursive: true });
    rmSync(yard.path(name), { force: true });
    symlinkSync(text.slice(3), yard.path(name));
  }
}

const ONE = `export const out = "one";`;
const TWO = `export const out = "two";`;
const JSONS: Files = { "p/one.json": `{ "out": "one" }`, "p/two.json": `{ "out": "two" }` };
const DIRS: Files = { "p1/x.ts": ONE, "p2/x.ts": TWO };
const REQUIRE = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;
const PACKAGE = `{ "type": "module", "main": "i.js" }`;
const COMMON = `module.exports = { out: "one" };`;

const cases: readonly (readonly [string, string, Files, Files])[] = [
  [
    "a module through a link",
    `import { out } from "./profile.ts";`,
    { "profiles/one.ts": ONE, "profiles/two.ts": TWO, "profile.ts": "-> profiles/one.ts" },
    { "profile.ts": "-> profiles/two.ts" },
  ],
  [
    "a link behind a link",
    `import { out } from "./profile.ts";`,
    { ...DIRS, "profile.ts": "-> now/x.ts", now: "-> p1" },
    { now: "-> p2" },
  ],
  [
    "a directory that is a link",
    `import { out } from "./lib/x.ts";`,
    { ...DIRS, lib: "-> p1" },
    { lib: "-> p2" },
  ],
  [
    "a directory that is a link, without an ending",
    `import { out } from "./lib/x";`,
    { ...DIRS, lib: "-> p1" },
    { lib: "-> p2" },
  ],
  [
    "JSON through a link",
    `import data from "./x.json"; const { out } = data;`,
    { ...JSONS, "x.json": "-> p/one.json" },
    { "x.json": "-> p/two.json" },
  ],
  [
    "JSON that is required through a link",
    `${REQUIRE} const { out } = require("./x.json");`,
    { ...JSONS, "x.json": "-> p/one.json" },
    { "x.json": "-> p/two.json" },
  ],
  [
    "a require without an ending",
    `${REQUIRE} const { out } = require("./x");`,
    { "x/index.json": `{ "out": "one" }` },
    { "x.json": `{ "out": "two" }` },
  ],
  [
    "what CommonJS requires through a link",
    `import { out } from "./c.cjs";`,
    {
      "c.cjs": `exports.out = require("./x.cjs").out;`,
      "one.cjs": COMMON,
      "two.cjs": COMMON.replace("one", "two"),
      "x.cjs": "-> one.cjs",
    },
    { "x.cjs": "-> two.cjs" },
  ],
  [
    "a package that is a link",
    `import { out } from "foo";`,
    {
      "s/1/package.json": PACKAGE,
      "s/1/i.js": ONE,
      "s/2/package.json": PACKAGE,
      "s/2/i.js": TWO,
      "node_modules/foo": "-> ../s/1",
    },
    { "node_modules/foo": "-> ../s/2" },
  ],
  [
    "a nearer package",
    `import { out } from "./lib/x.ts";`,
    {
      "lib/x.ts": `export { out } from "foo";`,
      "node_modules/foo/package.json": PACKAGE,
      "node_modules/foo/i.js": ONE,
    },
    { "lib/node_modules/foo/package.json": PACKAGE, "lib/node_modules/foo/i.js": TWO },
  ],
  ["a file beside a directory", `import { out } from "./lib";`, { "lib/index.ts": ONE }, { "lib.ts": TWO }],
  ["the ending that was written", `import { out } from "./lib.js";`, { "lib.ts": ONE }, { "lib.js": TWO }],
  [
    "a module that was not there",
    `const { out } = await import("./local.ts").catch(() => ({ out: "one" }));`,
    {},
    { "local.ts": TWO },
  ],
  [
    "a link that led nowhere",
    `const { out } = await import("./local.ts").catch(() => ({ out: "one" }));`,
    { "local.ts": "-> gone.ts" },
    { "gone.ts": TWO },
  ],
  [
    "a package that was not there",
    `const { out } = await import("local").catch(() => ({ out: "one" }));`,
    {},
    { "node_modules/local/package.json": PACKAGE, "node_modules/local/i.js": TWO },
  ],
  [
    "a required file that was not there",
    `${REQUIRE} let out = "one"; try { ({ out } = require("./local.json")); } catch {}`,
    {},
    { "local.json": `{ "out": "two" }` },
  ],
];

test.each(cases)("%s", async (_, line, before, after) => {
  put({
    ...before,
    "Imagefile.ts": `import { run } from "imagemake"; ${line} export const a = run({ out });`,
  });
  const { graph, reads } = await puppet.value(yard);
  expect(graph.targets.map(({ pattern }) => pattern)).toEqual(["one"]);
  expect(readsChanged(reads)).toBeNull();
  put(after);
  expect(readsChanged(reads)).not.toBeNull();
  // In the same process: what node and jiti keep is not in the way either.
  expect((await puppet.graph(yard)).targets.map(({ pattern }) => pattern)).toEqual(["two"]);
});

test("a module that is named in full and lies behind no link costs no look at other paths", async () => {
  yard.write({
    "Imagefile.ts": `import { run } from "imagemake"; import { out } from "./x.ts"; export const a = run({ out });`,
    "x.ts": ONE,
  });
  const { files } = await puppet.reads(yard);
  expect(files.filter(({ path }) => path.startsWith(yard.dir)).map(({ path }) => path)).toEqual([
    yard.path("Imagefile.ts"),
    yard.path("x.ts"),
  ]);
});
