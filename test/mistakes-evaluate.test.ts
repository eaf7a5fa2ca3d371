// Mistakes of Imagefiles that a loader lets pass in silence: names that are not there, texts that are not UTF-8, words
// that no program can be handed, and what reaches for the program itself. Through the real command line.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { writeFileSync } from "node:fs";
import { makeProject, type Ended, type TestProject } from "./support/cli.js";

jest.setTimeout(60_000);

/** An Imagefile for each, after the line that imports the rules, and what is said of it. */
const REFUSED: Readonly<Record<string, readonly [string, string]>> = {
  "a name of a rule's function": [
    `export const a = rule.run.twice({});`,
    `Imagefile.ts:2: there is no rule.run.twice`,
  ],
  "a name of a driver": [
    `import { apt } from "imagemake";\nexport const a = apt.install({});`,
    "Imagefile.ts:2: there is no apt.install\n  did you mean step.install?",
  ],
  "a name of a source": [
    `export const a = files.list("x");`,
    "Imagefile.ts:2: there is no files.list\n  did you mean list?",
  ],
  "a name of a preset": [
    `import { preset } from "imagemake";\nconst line = preset.voidLinux;\nexport const a = line.images;`,
    "Imagefile.ts:3: there is no preset.voidLinux.images",
  ],
  "a name of a module of the project": [
    `import { flgs } from "./lib.ts";\nexport const a = run({ inputs: {}, cmd: "tool " + flgs, out: "a" });`,
    "Imagefile.ts:3: lib.ts has no export named flgs\n  did you mean flags?",
  ],
  "a name of a module, by its namespace": [
    `import * as lib from "./lib.ts";\nexport const a = run({ inputs: {}, cmd: "tool " + lib.flgs, out: "a" });`,
    "Imagefile.ts:3: lib.ts has no export named flgs\n  did you mean flags?",
  ],
  "a name that only an editor finds": [
    `import { flags } from "@project/lib";\nexport const a = run({ inputs: {}, cmd: flags, out: "a" });`,
    'Imagefile.ts:2: cannot find module "@project/lib"\n  `paths` in tsconfig.json are for editors alone: import it by its own path, ./…',
  ],
  "a NUL in a command": [
    `export const a = run({ inputs: {}, cmd: ["echo", "a\\0b"], out: "a" });`,
    "Imagefile.ts:2: a: cmd has a NUL in it, which no program can be handed",
  ],
  "half a character in a variable": [
    `export const a = run({ inputs: {}, cmd: ":", env: { A: "\\ud800" }, out: "a" });`,
    "Imagefile.ts:2: a: env A has half a surrogate pair in it, which is no character",
  ],
  "words that are too many": [
    `export const a = run({ inputs: {}, cmd: ["true", ...Array.from({ length: 300_000 }, () => "x")], out: "a" });`,
    "Imagefile.ts:2: a: cmd and env have 3000013 bytes, and the kernel hands a program 2097152 at most in all",
  ],
  "variables that are too many": [
    `const V = Object.fromEntries(Array.from({ length: 40 }, (_, at) => ["V" + String(at), "x".repeat(1e5)]));
export const a = run({ inputs: {}, cmd: ":", env: V, out: "a" });`,
    "Imagefile.ts:3: a: cmd and env have 4000560 bytes, and the kernel hands a program 2097152 at most in all",
  ],
  "one that kills itself": [
    `process.kill(process.pid);\nexport const a = run({ inputs: {}, cmd: ":", out: "a" });`,
    "Imagefile.ts:2: process.kill() in an Imagefile: it may not end imagemake",
  ],
  "one whose module ends the program": [
    `import { ends } from "./ends.ts";\nexport const a = ends;`,
    "ends.ts:2: process.exit() in an Imagefile: it may not end imagemake",
  ],
};

describe("what a loader lets pass in silence is refused, with its line", () => {
  const said = new Map<string, Ended>();
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({});
    const one = async ([name, [text]]: readonly [string, readonly [string, string]]): Promise<void> => {
      const dir = name.replaceAll(" ", "-");
      project.write(`${dir}/Imagefile.ts`, text);
      project.write(`${dir}/lib.ts`, `export const flags = "-x";\n`);
      project.write(
        `${dir}/tsconfig.json`,
        `{ "compilerOptions": { /* for editors */ "paths": { "@project/*": ["./*"] } } }`,
      );
      project.write(`${dir}/ends.ts`, `process.exit(0);\nexport const ends = 1;\n`);
      said.set(name, await project.call({ cwd: project.path(dir) }, "a"));
    };
    const all = Object.entries(REFUSED);
    for (let at = 0; at < all.length; at += 3) await Promise.all(all.slice(at, at + 3).map(one));
  });
  afterAll(() => project.remove());

  test.each(Object.keys(REFUSED))("%s", (name) => {
    const ended = said.get(name);
    const message = ended?.stderr.replace(/^imagemake: /, "").trimEnd();
    const expected = REFUSED[name]?.[1] ?? "";
    expect(message?.split("\n").slice(0, expected.split("\n").length).join("\n")).toBe(expected);
    expect(ended?.status).toBe(2);
  });
});

describe("an Imagefile", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({});
  });
  afterAll(() => project.remove());

  test("sees what its modules have: cycles, defaults that may not be there, a signal that only asks", async () => {
    project.write("ring.ts", `import { cmd } from "./lib.ts";\nexport const later = () => cmd;\n`);
    project.write(
      "lib.ts",
      `import { later } from "./ring.ts";\nexport const cmd = ":";\nexport const same = () => later();\n`,
    );
    project.write(
      "sees.ts",
      `import { same } from "./lib.ts";
const lib = await import("./lib.ts");
process.kill(process.pid, 0);
if (run !== rule.run || (lib.default ?? lib).cmd !== same()) throw new Error("another");
export const a = run({ inputs: {}, cmd: same() + ' > "$OUT"', out: "sees" });
`,
    );
    expect((await project.good("-f", "sees.ts", "a")).stderr).toContain("built a");
  });

  test("that reads standard input is evaluated at every run, and writes nothing among the data", async () => {
    project.write(
      "asks.ts",
      `import { readFileSync } from "node:fs";
const said = readFileSync(0, "utf8").trim();
process.stdout.write("said " + said + "\\n");
export const a = run({ inputs: {}, cmd: "echo " + said + ' > "$OUT"', out: said });
`,
    );
    for (const word of ["one", "two"]) {
      const under = ["sh", "-c", `echo ${word} | "$@"`, "sh"];
      const { status, stdout, stderr } = await project.call({ under }, "-f", "asks.ts", "a-all-print");
      expect([status, stdout]).toEqual([0, `${word}\n`]);
      expect(stderr).toContain(`said ${word}\n`);
      const built = await project.call({ under }, "-f", "asks.ts", "a");
      expect(built.stderr).toContain("asks.ts:3: the Imagefile uses standard input (fs)");
      expect(project.read(`out/${word}`)).toBe(`${word}\n`);
    }
  });

  test("and what it reads are UTF-8, or it is said where they are not", async () => {
    const latin = (file: string, text: string): void =>
      writeFileSync(project.path(file), Buffer.from(text, "latin1"));
    latin("list.txt", "good\ncaf\xe9\n");
    latin("latin.ts", `// first\nexport const name = "caf\xe9";\n`);
    project.write(
      "texts.ts",
      `export const list_ = run({ inputs: { L: list("list.txt") }, cmd: 'cp "$L" "$OUT"', out: "list" });
export const probed = run({ inputs: { P: probe("printf 'a\\\\377'") }, cmd: 'cp "$P" "$OUT"', out: "probed" });
export const named = run({
  inputs: {}, cmd: "touch $'v\\\\xff-20200101.tar'", collect: "v*-{date}.tar", out: "v-{date}.tar" });
`,
    );
    project.write("imports.ts", `import { name } from "./latin.ts";\nexport const a = name;\n`);
    const cases: readonly (readonly [string, string, number, string])[] = [
      ["texts.ts", "list_", 2, "list_: input L: list list.txt:2: not UTF-8\n  save it as UTF-8"],
      ["texts.ts", "probed", 2, "probed: input P: probe printf 'a\\377': its output is not UTF-8"],
      ["texts.ts", "named", 1, "output OUT refused: v\ufffd-20200101.tar: its name is not UTF-8"],
      ["imports.ts", "a", 2, "imagemake: latin.ts:2: not UTF-8\n  save it as UTF-8"],
    ];
    for (const [file, target, expected, message] of cases) {
      const { status, stderr } = await project.run("-f", file, target);
      expect([status, stderr]).toEqual([expected, expect.stringContaining(message)]);
    }
  });
});

test("inputs that no program can be handed together are said with the longest", async () => {
  const deep = Array.from({ length: 8 }, () => "long".repeat(60)).join("/");
  const names = (dir: string): Record<string, string> =>
    Object.fromEntries(Array.from({ length: 63 }, (_, at) => [`${dir}/${deep}/${String(at)}`, ""]));
  const dirs = Array.from({ length: 18 }, (_, at) => `d${String(at)}`);
  const project = makeProject({
    ...Object.fromEntries(dirs.flatMap((dir) => Object.entries(names(dir)))),
    "Imagefile.ts": `const all = Array.from({ length: 18 }, (_, at) => ["V" + String(at), files("d" + String(at) + "/**")]);
export const a = run({ inputs: Object.fromEntries(all), cmd: 'echo "$V1" > "$OUT"', out: "a" });
`,
  });
  const { status, stderr } = await project.run("a");
  expect([status, stderr]).toEqual([
    3,
    expect.stringMatching(
      /cannot be started: its command and its variables have \d+ bytes, .* in all; the longest is its variable V1\d/,
    ),
  ]);
  project.remove();
});
