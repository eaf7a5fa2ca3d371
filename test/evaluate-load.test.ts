// Imagefiles wherever they lie and however they are written; and broken ones, with file, line and a way out.
import { describe, expect, test } from "@jest/globals";
import { mkdirSync } from "node:fs";
import { evaluating, Puppet } from "./support/evaluate-support.js";

const { puppet, yard } = evaluating();

const imagefile = (...lines: readonly string[]) => ({ "Imagefile.ts": lines.join("\n") });
const IMPORT = `import { run } from "imagemake";`;
const names = async (): Promise<readonly string[]> => (await puppet.graph(yard)).targets.map(({ id }) => id);

describe("loading", () => {
  test("imagemake is the running engine, whatever lies in node_modules, from every kind of module", async () => {
    const use = (name: string) =>
      `import { run } from "imagemake"; export const ${name} = run({ out: "${name}" });`;
    yard.write({
      "node_modules/imagemake/package.json": `{ "name": "imagemake", "type": "module", "main": "i.js" }`,
      "node_modules/imagemake/i.js": `export const run = () => { throw new Error("another engine"); };`,
      "node_modules/presets/package.json": `{ "type": "module", "main": "i.js", "peerDependencies": { "imagemake": "*" } }`,
      "node_modules/presets/i.js": use("preset"),
      "package.json": `{ "type": "module" }`,
      "ts.ts": use("ts"),
      "js.js": use("js"),
      "mjs.mjs": use("mjs"),
      "cjs.cjs": `const { run } = require("imagemake"); exports.cjs = run({ out: "cjs" });`,
      ...imagefile(
        `import im from "imagemake"; import * as all from "imagemake";`,
        ...["ts.ts", "js.js", "mjs.mjs", "cjs.cjs"].map((file) => `export * from "./${file}";`),
        `export * from "presets";`,
        `export const a = im.run({ out: "a" });`,
        `export const b = all.run({ out: "b" });`,
        `export const c = (await import("imagemake")).run({ out: "c" });`,
      ),
    });
    expect(await names()).toEqual(["ts", "js", "mjs", "cjs", "preset", "a", "b", "c"]);
  });

  test("an Imagefile may be JavaScript, have another name, begin with #! and use all of TypeScript", async () => {
    yard.write({
      "8.2.mjs": ["#!/usr/bin/env imagemake", IMPORT, `export const a = run({ out: "a" });`].join("\n"),
      ...imagefile(
        "#!/usr/bin/env imagemake",
        `import { run, type Nothing } from "imagemake";`,
        `import type { More } from "nowhere";`,
        `import data from "./data.json" with { type: "json" };`,
        `enum E { One = "one" }`,
        `abstract class C { constructor(readonly name: string) {} }`,
        `class D extends C {}`,
        `const require = 1, module = 2, __filename = 3, exports = 4;`,
        `const x = { out: E.One + new D("-d").name + data.x } satisfies { out: string };`,
        `await new Promise<void>((resolve) => setTimeout(resolve, 1));`,
        `export const a = run(x as { out: string } & Partial<More | Nothing>);`,
      ),
      "data.json": `{ "x": "-json" }`,
    });
    expect((await puppet.graph(yard)).targets[0]?.pattern).toBe("one-d-json");
    expect((await puppet.graph(yard)).actions[0]?.at).toBe("Imagefile.ts:11");
    expect((await puppet.graph(yard, { file: yard.path("8.2.mjs") })).actions[0]?.at).toBe("8.2.mjs:3");
  });

  test("lines are those of the file, also behind types, comments and templates", async () => {
    yard.write(
      imagefile(
        IMPORT,
        `interface A {`,
        `  a: string;`,
        `}`,
        `type B =`,
        `  // why`,
        `  A | { c: string };`,
        `const f = <T,>(`,
        `  x: T,`,
        `  y?: B,`,
        `): T => x;`,
        `export const a = run({`,
        `  out: \`a`,
        `b\`.replace("\\n", ""),`,
        `});`,
        `/* two`,
        `lines */ export const table = {`,
        `  one: f(`,
        `    run({ out: "one" }),`,
        `  ),`,
        ``,
        `  two: [2].map((n: number) =>`,
        `    run({ out: "two" }))[0],`,
        `};`,
      ),
    );
    const { actions } = await puppet.graph(yard);
    expect(actions.map(({ at }) => at)).toEqual(["Imagefile.ts:12", "Imagefile.ts:19", "Imagefile.ts:23"]);
  });

  test("what an Imagefile prints does not get into standard output", async () => {
    // The puppet's answers are its standard output: a stray line would break them.
    yard.write(imagefile(IMPORT, `console.log(""); console.info(""); export const a = run({});`));
    expect(await names()).toEqual(["a"]);
  });
});

describe("broken Imagefiles", () => {
  const lines: readonly (readonly [string, readonly string[], string])[] = [
    [
      "syntax",
      ["", "export const a = {", "  b: = 1,", "};"],
      `Imagefile.ts:3: syntax error: Unexpected token`,
    ],
    ["unclosed", ["const a = (1;"], `Imagefile.ts:1: syntax error: Unexpected token, expected ","`],
    [
      "a name twice",
      ["const a = 1;", "const a = 2;"],
      `Imagefile.ts:2: syntax error: Identifier 'a' has already been declared.`,
    ],
    ["an error", ["", `throw new Error("no such board");`], `Imagefile.ts:2: no such board`],
    ["an error after an await", ["await 1;", "", `throw new Error("late");`], `Imagefile.ts:3: late`],
    [
      "an unknown name",
      ["", "export const a = nowhere;"],
      `Imagefile.ts:2: ReferenceError: nowhere is not defined`,
    ],
    [
      "a name of the engine's that is not imported",
      ["", "export const a = run({});"],
      `Imagefile.ts:2: ReferenceError: run is not defined (import { run } from "imagemake" is missing)`,
    ],
    [
      "undefined",
      ["const t = {} as any;", "t.a.b;"],
      `Imagefile.ts:2: TypeError: Cannot read properties of undefined (reading 'b')`,
    ],
    ["another thing", [`throw { a: 1 };`], `Imagefile.ts: it threw { a: 1 }`],
    [
      "a missing module",
      [`import { x } from "./targts"; x;`],
      `Imagefile.ts:1: cannot find module "./targts" (did you mean targets.ts?)`,
    ],
    [
      "a missing package",
      ["", `import { x } from "left-pad"; x;`],
      `Imagefile.ts:2: cannot find module "left-pad"`,
    ],
    [
      "a missing rule",
      [`import { rnu } from "imagemake";`, `export const a = rnu({});`],
      `Imagefile.ts:2: "imagemake" has no export named rnu (did you mean run?)`,
    ],
    [
      "a missing name of an own module",
      [`import { nope } from "./targets";`, `nope();`],
      `Imagefile.ts:2: targets.ts has no export named nope`,
    ],
    [
      "an error in a callback of a library",
      [`import { call } from "lib";`, `call(() => { throw new Error("in"); });`],
      `Imagefile.ts:2: in`,
    ],
    [
      "an error of a library",
      [`import { fails } from "lib";`, ``, `fails();`],
      `Imagefile.ts:3: from the library`,
    ],
    [
      "a rejection that nobody awaits",
      [`const f = async () => {`, `  throw new Error("unheard"); };`, `void f();`],
      `Imagefile.ts:2: unheard`,
    ],
    [
      "a setting that is none",
      [
        `import { each, run } from "imagemake";`,
        `export const a = each(["x"], () => run({}), { only: "XS" });`,
      ],
      `XS=y: not one of x (did you mean x?)`,
    ],
  ];
  test.each(lines)("%s", async (_, text, expected) => {
    yard.write({
      ...imagefile(...text),
      "targets.ts": "export {};",
      "node_modules/lib/package.json": `{ "type": "module", "main": "i.js" }`,
      "node_modules/lib/i.js": `export const call = (f) => f();
        export const fails = () => { throw new Error("from the library"); };`,
    });
    const problem = await puppet.problem(yard, { args: { XS: "y" } });
    expect(problem.replace(" (did you mean x?)", "")).toBe(expected.replace(" (did you mean x?)", ""));
  });

  test("a mistake in an imported module names that module", async () => {
    yard.write({ ...imagefile(`import "./lib/boards";`), "lib/boards.ts": `\n\nexport const b = {;` });
    expect(await puppet.problem(yard)).toBe("lib/boards.ts:3: syntax error: Unexpected token");
    yard.write({ "lib/boards.ts": `\nthrow new Error("x");` });
    expect(await puppet.problem(yard)).toBe("lib/boards.ts:2: x");
    yard.write({ ...imagefile(`import b from "./lib/b.json"; b;`), "lib/b.json": `{\n  "a": 1,\n}` });
    expect(await puppet.problem(yard)).toMatch(/^lib\/b\.json:3: not JSON: /);
  });

  test("paths are relative to the working directory where that is shorter", async () => {
    yard.write(imagefile(`throw new Error("x");`));
    mkdirSync(yard.path("a/b"), { recursive: true });
    expect(await puppet.problem(yard, { cwd: yard.path("a") })).toBe("../Imagefile.ts:1: x");
    expect(await puppet.problem(yard, { cwd: "/usr/share/doc" })).toBe(`${yard.path("Imagefile.ts")}:1: x`);
  });

  test("no Imagefile", async () => {
    const help = "(`imagemake init` makes one; -C DIR or -f FILE names another)";
    expect(await puppet.problem(yard)).toBe(`Imagefile.ts: there is no such Imagefile ${help}`);
    mkdirSync(yard.path("Imagefile.ts"));
    expect(await puppet.problem(yard)).toBe(`Imagefile.ts: not a file ${help}`);
  });

  test("a rule's own words are kept, with the place it names", async () => {
    yard.write(
      imagefile(`import { run } from "imagemake";`, `export const a = run({ inputs: {}, cmd: "true" });`),
    );
    expect(await puppet.problem(yard, { real: true })).toBe(
      "Imagefile.ts:2: run: expected one of out, outs and tree: true, found none",
    );
  });

  test("an await that never ends is a mistake too, and not a silent success", async () => {
    yard.write(imagefile(``, `await new Promise(() => {});`));
    const { status, stdout } = await Puppet.alone({
      file: yard.path("Imagefile.ts"),
      cwd: yard.dir,
      args: {},
    });
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      problem: { exit: 2, message: "Imagefile.ts: an await in it never ends" },
    });
    expect(status).toBe(0);
  });

  test("after a broken one, the next evaluation is as if nothing had been", async () => {
    yard.write(imagefile(IMPORT, `export const a = run({}); throw new Error("x");`));
    await puppet.problem(yard);
    yard.write(imagefile(IMPORT, `export const b = run({});`));
    expect(await names()).toEqual(["b"]);
  });
});

test("the Imagefile of the design, with the real rules", async () => {
  yard.write(
    imagefile(
      `import { run, files, list, each } from "imagemake";`,
      `export const greeting = run({`,
      `  inputs: { SRC: files("src/*.txt"), NAMES: list("names.txt") },`,
      '  cmd: `cat $SRC > "$OUT"`,',
      `  out: "greeting-{date}.txt",`,
      `  env: { LANG: "C" }, timeout: 600, guards: { minSize: 1 },`,
      `});`,
      'export const upper = run({ inputs: { IN: greeting }, cmd: `tr a-z A-Z < "$IN" > "$OUT"`, out: "upper.txt" });',
      'export const many = each(["a", "b"], name => run({ inputs: {}, cmd: `echo ${name} > "$OUT"`, out: `many-${name}.txt` }));',
    ),
  );
  const graph = await puppet.graph(yard, { real: true });
  expect(graph.targets.map(({ id }) => id)).toEqual(["greeting", "upper", "many-a", "many-b"]);
  expect(graph.groups).toEqual([
    { name: "greeting", members: ["greeting"] },
    { name: "upper", members: ["upper"] },
    { name: "many", members: ["many-a", "many-b"] },
  ]);
  expect(graph.actions[0]).toMatchObject({
    id: "greeting",
    rule: "run",
    command: { kind: "shell", text: `cat $SRC > "$OUT"` },
    env: { LANG: "C" },
    timeout: 600,
    guards: { minSize: 1 },
    at: "Imagefile.ts:2",
  });
  expect(graph.actions[1]?.inputs).toEqual([{ name: "IN", kind: "artifact", target: "greeting" }]);
  expect(graph.project).toEqual({
    default: [],
    epoch: null,
    nativeOnly: [],
    release: {
      of: ["greeting", "upper", "many-a", "many-b"],
      gate: [],
      steps: [],
      into: null,
      sums: { file: "sha256sum.txt", form: "bsd" },
      sign: {
        ...{ tool: "signify", keys: "release-keys", name: "{date}", passphrase: "{date}.pass" },
        comment: "This key is only valid for images with date {date}.",
        ...{ key: null, home: null, program: null, publicKey: null },
      },
    },
  });
});
