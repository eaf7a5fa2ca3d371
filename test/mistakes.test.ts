// Bad input: what is said of it, with which status, and that nothing is lost by it. Through the real command line.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NODE_LEAST, tooOld } from "../cli/node.js";
import { makeProject, type Ended, type TestProject } from "./support/cli.js";

jest.setTimeout(60_000);

const GOOD = `export const a = run({ inputs: { SRC: files("src.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "a-{date}.txt" });\n`;

/** Imagefiles (after the line that imports the rules) and what is said of them; one of each kind. */
const BROKEN: Readonly<Record<string, readonly [string, string | RegExp]>> = {
  "a syntax error": [
    `export const a = run({\n  inputs: {},\n  cmd "x" });\n`,
    /^Imagefile\.ts:4: syntax error: .*expected ","/,
  ],
  "a misspelt option": [
    `export const a = run({ inputs: {}, comd: "x", out: "a" });`,
    "Imagefile.ts:2: run: unknown option comd; did you mean cmd?",
  ],
  "a missing option": [
    `export const a = run({ inputs: {}, out: "a" } as never);`,
    "Imagefile.ts:2: run: cmd: expected a command: text for bash, or an array of words, found nothing",
  ],
  "an option of the wrong type": [
    `\nexport const a = run({ inputs: {}, cmd: ":", out: "a", timeout: "1h" } as never);`,
    `Imagefile.ts:3: run: timeout: expected a number of seconds, found "1h"`,
  ],
  "a command of nothing": [
    `export const a = run({ inputs: {}, cmd: "", out: "a" });`,
    `Imagefile.ts:2: run: cmd: expected a command: text for bash, or an array of words, found ""`,
  ],
  "a command of blanks": [
    `export const a = rule.check({ inputs: {}, cmd: " \\n" });`,
    /^Imagefile.ts:2: check: cmd: expected a command: text for bash, or an array of words, found " \\n"/,
  ],
  "a command without a program": [
    `export const a = run({ inputs: {}, cmd: ["", "x"], out: "a" });`,
    /^Imagefile.ts:2: run: cmd: expected a command: text for bash, or an array of words, found /,
  ],
  "a probe of nothing": [
    `export const a = run({ inputs: { V: probe(" ") }, cmd: ":", out: "a" });`,
    `Imagefile.ts:2: probe: expected a command, found " "`,
  ],
  "a file name that is too long with its date": [
    `export const a = run({ inputs: {}, cmd: ":", out: "n".repeat(225) + "-{date}" });`,
    /^Imagefile.ts:2: run: out: .*at most \d+ bytes.*; found 237/,
  ],
  "a file name that is too long in bytes": [
    `export const a = run({ inputs: {}, cmd: ":", outs: { A: "ü".repeat(120) } });`,
    /^Imagefile.ts:2: run: outs.A: .*at most \d+ bytes.*; found 240/,
  ],
  "an input with the engine's own name": [
    `export const a = run({ inputs: { PATH: files("x") }, cmd: ":", out: "a" });`,
    /^Imagefile\.ts:2: run: inputs.*OUT, PATH, HOME, DATECODE are the engine's own/,
  ],
  "an input that is none": [
    `export const a = run({ inputs: { SRC: "src.txt" }, cmd: ":", out: "a" } as never);`,
    `Imagefile.ts:2: run: inputs.SRC: expected a target, or files(), list(), env(), probe(), found "src.txt"`,
  ],
  "a rule that does not exist": [
    `import { rootfs } from "imagemake";\nexport const a = rootfs({});`,
    /^Imagefile\.ts:2: "imagemake" has no export named rootfs\n {2}did you mean rule\.rootfs\?/,
  ],
  "a rule that is misspelt": [
    `export const a = rule.rotfs({});`,
    "Imagefile.ts:2: there is no rule.rotfs\n  did you mean rule.rootfs?",
  ],
  "a step among the rules, by another way in": [
    `import im from "imagemake";\nconst { rule: { install } } = im;\nexport const a = install({});`,
    "Imagefile.ts:2: there is no rule.install\n  did you mean step.install?",
  ],
  "a preset that is misspelt": [
    `import * as im from "imagemake";\nexport const a = im.preset.voidlinux({});`,
    "Imagefile.ts:2: there is no preset.voidlinux\n  did you mean preset.voidLinux?",
  ],
  "one that ends the program": [
    `process.exit(0);`,
    "Imagefile.ts:2: process.exit() in an Imagefile: it may not end imagemake",
  ],
  "one that throws in a timer": [
    `setTimeout(() => { throw new RangeError("too late"); }, 1);\nawait new Promise((done) => setTimeout(done, 60_000));`,
    "Imagefile.ts:2: RangeError: too late",
  ],
  "a command that no kernel takes": [
    `export const a = run({ inputs: {}, cmd: ": " + "x".repeat(131070), out: "a" });`,
    /^Imagefile\.ts:2: a: cmd has 131072 bytes, and the kernel hands a program 131071 at most in one piece\n {2}put it/,
  ],
  "a module that does not exist": [
    `import "./lib/none.js";`,
    /^Imagefile\.ts:2: cannot find module "\.\/lib\/none\.js"/,
  ],
  "an export that is no target": [
    `${GOOD}export const b = 3;`,
    "Imagefile.ts:3: export b is a number; expected a target or an object of targets",
  ],
  "two targets with the same id": [
    `const t = (out: string) => run({ inputs: {}, cmd: ":", out });\nexport const aB = t("a");\nexport const a = { b: t("b") };`,
    /^Imagefile\.ts:\d.*two targets with the same id, a-b/,
  ],
  "two targets with one output name": [
    `export const b = run({ inputs: {}, cmd: ":", out: "same-{date}" });\nexport const c = run({ inputs: {}, cmd: ":", out: "same-{date}" });`,
    "Imagefile.ts:2 and Imagefile.ts:3: b and c have the same output name, same-{date}",
  ],
  "a default export that is no project": [
    `export default 3;`,
    /^Imagefile\.ts:2: the default export is a number; expected project/,
  ],
  "a cycle": [
    `import { declareOne } from ${JSON.stringify(fileURLToPath(new URL("../engine/declare.js", import.meta.url)))};
const ring = (inputs: object, out: string) => declareOne({
  rule: "ring", command: { kind: "shell", text: ":" }, inputs: inputs as never, outputs: [{ name: "OUT", kind: "file", pattern: out }] });
const inputs: Record<string, unknown> = {};
export const one = ring(inputs, "one"), two = ring({ IN: one }, "two"), three = ring({ IN: two }, "three");
inputs["BACK"] = three;`,
    /one → two → three → one|one → three → two → one/,
  ],
};

describe("a broken Imagefile", () => {
  const said = new Map<string, Ended>();
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({});
    const one = async ([name, [text]]: readonly [string, readonly [string, unknown]]): Promise<void> => {
      const file = `${name.replaceAll(" ", "-")}/Imagefile.ts`;
      project.write(file, text);
      said.set(name, await project.call({ cwd: project.path(file, "..") }, "a"));
    };
    const all = Object.entries(BROKEN);
    for (let at = 0; at < all.length; at += 4) await Promise.all(all.slice(at, at + 4).map(one));
  });
  afterAll(() => project.remove());

  test.each(Object.keys(BROKEN))("is told its file, its line and what was expected: %s", (name) => {
    const expected = BROKEN[name]?.[1] ?? "";
    const ended = said.get(name);
    const message = ended?.stderr.replace(/^imagemake: /, "").trimEnd();
    if (typeof expected === "string")
      expect(message?.split("\n").slice(0, expected.split("\n").length).join("\n")).toBe(expected);
    else expect(message).toMatch(expected);
    expect(ended).toMatchObject({ status: 2, stdout: "" });
    expect(message).not.toContain("    at ");
  });
});

describe("a mistake in a project that was built", () => {
  let project: TestProject;
  let out: readonly string[];
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": GOOD, "src.txt": "x\n" });
    await project.good("a");
    out = project.names("out");
  });
  afterAll(() => project.remove());

  test("loses nothing: out/ is untouched and the next good run has nothing to do", async () => {
    project.write("Imagefile.ts", "export const a = run({ inputs: {}, cmd: 3 });\n");
    expect((await project.run("a")).status).toBe(2);
    project.write("Imagefile.ts", "export const b = ;\n");
    expect((await project.run("a")).status).toBe(2);
    expect(project.names("out")).toEqual(out);
    project.write("Imagefile.ts", GOOD);
    expect((await project.good("a")).stderr).toContain("nothing to do");
  });

  test("an overlay of a single file is refused, before anything runs", async () => {
    project.write("ov/etc/secret", "");
    project.write(
      "file.ts",
      `import { rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir "$OUT/etc"', tree: true });
const on = (overlay: ReturnType<typeof step.overlay>) => rule.platformfs({ from: base, steps: [overlay] });
export const near = on(step.overlay("ov/etc/secret"));
export const far = on(step.overlay(${JSON.stringify(project.path("ov/etc/secret"))}));
`,
    );
    for (const name of ["near", "far"]) {
      const { status, stderr } = await project.run("-f", "file.ts", name);
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining("ov/etc/secret is a file, not a directory"),
      ]);
      expect(stderr).not.toContain("start");
    }
  });

  test("a source that is missing is named with the action, before anything runs", async () => {
    project.write(
      "more.ts",
      `export const first = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "first.txt" });
export const gone = run({ inputs: { SRC: files("gone.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "gone.txt" });
export const names = run({ inputs: { SRC: list("no-list") }, cmd: 'cp "$SRC" "$OUT"', out: "names.txt" });
export const asked = run({ inputs: { SRC: probe("exit 3") }, cmd: 'cp "$SRC" "$OUT"', out: "asked.txt" });
`,
    );
    const run = (...words: string[]): Promise<Ended> => project.run("-f", "more.ts", ...words);
    const gone = await run("first", "gone");
    expect(gone.status).toBe(2);
    expect(gone.stderr).toMatch(
      /imagemake: more\.ts:3: gone: input SRC: gone\.txt does not exist\n {2}looked for \//,
    );
    const [names, asked] = await Promise.all([run("names"), run("asked")]);
    expect(names.stderr).toContain("imagemake: more.ts:4: names: input SRC: list no-list cannot be read");
    expect(names.status).toBe(2);
    expect(asked.stderr).toContain(
      "imagemake: more.ts:5: asked: input SRC: probe exit 3 failed\n  it ended with status 3: it said nothing\n",
    );
    expect(asked.status).toBe(3);
    expect(project.names("out")).toEqual(out);
  });

  test("what an Imagefile left behind and ends or throws while building is said, too", async () => {
    project.write(
      "later.ts",
      `setTimeout(() => process.exit(0), 300);\nexport const a = run({ inputs: {}, cmd: "sleep 30", out: "later" });\n`,
    );
    const { status, stderr } = await project.run("-f", "later.ts", "a");
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("imagemake: later.ts:2: process.exit() in an"),
    ]);
  });

  test("names that are not UTF-8, and a working directory that is gone: words, never a stack", async () => {
    execFileSync("bash", ["-c", `mkdir odd $'d\\xff'; touch $'odd/b\\xff'; ln -s $'t\\xff' link`], {
      cwd: project.dir,
    });
    project.write(
      "odd.ts",
      `const cmd = ":";
export const name = run({ inputs: { SRC: files("odd/*") }, cmd, out: "name" });
export const text = run({ inputs: { SRC: files("link") }, cmd, out: "text" });
export const value = run({ inputs: { SRC: env("ODD") }, cmd, out: "value" });
`,
    );
    const bash = (line: string): Promise<Ended> =>
      project.call({ under: ["bash", "-c", line, "bash"] }, "-f", "odd.ts", "-n");
    const cases: readonly (readonly [string, number, string | RegExp])[] = [
      [`exec "$@" name`, 2, /^imagemake: odd\.ts:3: name: input SRC: .*b\ufffd.*UTF-8/],
      [
        `exec "$@" text`,
        2,
        /^imagemake: odd\.ts:4: text: input SRC: link is .*, and there is nothing\n {2}is its name UTF-8\?/,
      ],
      [`ODD=$'a\\xff' exec "$@" value`, 2, /value: input SRC: the value of ODD is not UTF-8\n$/],
      [`exec "$@" $'a\\xff'`, 2, /^imagemake: a\ufffd: a word of the command line is not UTF-8\n$/],
      [
        `cd $'d\\xff'; exec "$@" name`,
        3,
        /^imagemake: the name of the working directory is not UTF-8: .*\n {2}cd to another\n$/,
      ],
      [
        `mkdir gone; cd gone; rmdir ../gone; exec "$@" name`,
        3,
        "imagemake: the working directory no longer exists\n  cd to another\n",
      ],
    ];
    const ended = await Promise.all(cases.map(([line]) => bash(line)));
    ended.forEach(({ status, stderr }, at) => {
      const [, expected, message] = cases[at] ?? ["", 0, ""];
      expect(stderr).toMatch(message);
      expect([status, stderr]).toEqual([expected, expect.not.stringContaining("    at ")]);
    });
  });

  test("wrong usage is status 2, says what there is, and prints nothing on stdout", async () => {
    const cases: readonly (readonly [readonly string[], string])[] = [
      [["--jbos", "3", "a"], "unknown option '--jbos'\n(Did you mean --jobs?)"],
      [["list", "-B"], "list does not take --always-make\n  imagemake help list says what it takes"],
      [["cache", "gc", "--release", "20260101"], "cache gc does not take --release"],
      [["release", "sign", "--cache", "file:///x"], "release sign does not take --cache"],
      [["help", "why", "--no-isolation"], "help does not take --no-isolation"],
      [["-j0", "a"], "it must be a number from 1 up"],
      [["--progress", "loud", "a"], "Allowed choices are auto, tty, plain, json"],
      [["why"], "missing required argument 'target'"],
      [["boot"], "`imagemake build boot` builds a target that is called boot\n"],
      [["why", "a", "b"], "why: unexpected word b\n  imagemake help why says what it takes"],
      [["release", "abandon", "a"], "release abandon: unexpected word a"],
      [["release", "strat"], "release strat"],
      [
        ["-C", "/nowhere/at/all", "a"],
        "there is no /nowhere/at/all/Imagefile.ts\n  imagemake init writes one",
      ],
      [["-f", "other.ts", "a"], `there is no ${project.path("other.ts")}`],
      [["-f", "src", "a"], ""],
      [["log", "a", "--release", "2026"], "2026 is not a datecode"],
      [["--events", "/nowhere/events", "a"], "/nowhere/events"],
    ];
    const ended = await Promise.all(cases.map(([words]) => project.run(...words)));
    ended.forEach((one, at) => {
      const [words, message] = cases[at] ?? [[], ""];
      expect(`${words.join(" ")}: ${one.stderr}`).toContain(message);
      expect([words, one.status, one.stdout]).toEqual([words, 2, ""]);
      expect(one.stderr).not.toContain("    at ");
    });
  });
});

describe("what the machine lacks", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `
import { run } from "imagemake";
import { declareOne } from ${JSON.stringify(fileURLToPath(new URL("../engine/declare.js", import.meta.url)))};
const mine = (out: string, more: object) => declareOne({
  rule: "mine", command: { kind: "shell", text: 'echo > "$OUT"' }, inputs: {}, outputs: [{ name: "OUT", kind: "file", pattern: out }], ...more });
export const plain = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "plain" });
export const tools = mine("tools", { tools: [{ name: "no-such-tool", package: "such-tools" }, { name: "sh", package: "dash" }] });
export const root = mine("root", { root: true });
export const more = mine("more", { tools: [{ name: "no-such-tool", package: "such-tools" }] });
export const reader = run({ inputs: { IN: tools }, cmd: 'echo > "$OUT"', out: "reader" });
export const asks = run({ inputs: {}, interactive: true, cmd: 'echo > "$OUT"', out: "asks" });
`,
    });
    // So that the graph is saved.
    await project.good("plain");
  });
  afterAll(() => project.remove());

  /** As somebody who is not root and for whom there are no namespaces. */
  const alone = [
    "unshare",
    ...["--user", "--map-root-user", "sh", "-c"],
    'echo 1 > /proc/sys/user/max_user_namespaces; exec unshare --user --map-user=1000 "$@"',
    "sh",
  ];

  test("an old node, and a library built for another one, are one sentence each", async () => {
    const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      engines: { node: string };
    };
    expect(engines.node).toBe(`>=${NODE_LEAST.join(".")}`);
    expect(["20.18.9", "18.20.0", "12.22.12"].map(tooOld)).not.toContain(null);
    expect(["20.19.0", "20.20.2", "21.0.0", "24.1.0"].map(tooOld)).toEqual([null, null, null, null]);
    // What an old node has to be able to read: nothing in it is newer than node 12.
    for (const file of ["main", "node"]) {
      const text = readFileSync(new URL(`../cli/${file}.js`, import.meta.url), "utf8");
      expect(text.replace(/\/\/.*|\/\*\*.*/g, "")).not.toMatch(/\?\?|\?\.|\bawait\b|#[a-z]|\d_\d|\|\|=|&&=/);
    }
    project.write(
      "old.cjs",
      `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.19.0" } });`,
    );
    project.write(
      "abi.cjs",
      `const real = process.dlopen;
process.dlopen = (module, file, ...more) => {
  if (!file.endsWith("better_sqlite3.node")) return real(module, file, ...more);
  const text = "The module '" + file + "'\\nwas compiled against a different Node.js version using\\nNODE_MODULE_VERSION 108.";
  throw Object.assign(new Error(text), { code: "ERR_DLOPEN_FAILED" });
};`,
    );
    const required = (name: string): { env: Record<string, string> } => ({
      env: { NODE_OPTIONS: `--require ${project.path(name)}` },
    });
    expect(await project.call(required("old.cjs"), "list")).toEqual({
      status: 3,
      stdout: "",
      stderr: "imagemake: this is node 18.19.0, and imagemake needs node 20.19 or newer\n",
    });
    for (const words of [
      ["-B", "plain"],
      ["why", "plain"],
    ]) {
      const { status, stderr } = await project.call(required("abi.cjs"), ...words);
      expect([status, stderr]).toEqual([
        3,
        expect.stringMatching(
          /^imagemake: the library better-sqlite3 was not built for this node, which is \S+\n {2}npm rebuild better-sqlite3, in .*\n$/,
        ),
      ]);
    }
  });

  test("a missing tool names its package, a missing terminal the target, before anything runs", async () => {
    const tools = await project.run("-B", "plain", "tools");
    expect(tools.status).toBe(3);
    expect(tools.stderr).toContain(
      "imagemake: tools: this machine lacks no-such-tool (package such-tools)\n  apt-get install such-tools\n  -k builds the rest\n",
    );
    expect(tools.stderr).not.toContain("start plain");
    const asks = await project.run("-B", "plain", "asks");
    expect(asks.status).toBe(3);
    expect(asks.stderr).toContain("imagemake: asks: it asks a question, and there is no terminal");
    expect(asks.stderr).not.toContain("start plain");
    expect(project.names("out")).toEqual(["plain"]);
  });

  test("all that cannot be tried is named at once", async () => {
    const { status, stderr } = await project.run("-B", "plain", "asks", "tools", "more");
    expect(status).toBe(3);
    expect(stderr).toContain(
      [
        "imagemake: 3 targets cannot be built:",
        "  tools, more: this machine lacks no-such-tool (package such-tools)",
        "    apt-get install such-tools",
        "  asks: it asks a question, and there is no terminal",
        "  -k builds the rest\n",
      ].join("\n"),
    );
    expect(stderr).not.toContain("start ");
  });

  test("with -k what lacks a tool fails as that target, and so does what reads it; the rest is built", async () => {
    const told = await project.events({}, "-k", "-B", "plain", "tools", "reader");
    expect([told.status, told.which("built")]).toEqual([3, ["plain"]]);
    expect([told.which("failed"), told.which("skipped")]).toEqual([["tools"], ["reader"]]);
    expect(told.about("failed")?.failure).toMatchObject({
      problem: { message: "this machine lacks no-such-tool (package such-tools)" },
    });
  });

  test("a tool that is missing for what was not asked for stops nothing", async () => {
    await project.good("release", "start", "plain", "--release", "20310101");
    await project.good("-B", "plain");
    expect((await project.good("release", "status")).stdout).toContain("1 of 1 targets are up to date");
    await project.good("release", "collect");
    await project.good("release", "abandon");
  });

  test("a missing privilege names the targets, before anything runs", async () => {
    const ended = await project.call({ under: alone }, "--no-isolation", "-B", "plain", "root");
    expect(ended.stderr).toContain("imagemake: root: root is needed without isolation\n  run it with sudo");
    expect(ended.stderr).not.toContain("start plain");
    expect(ended.status).toBe(3);
  });

  test("without namespaces nothing runs, and without isolation what needs no root", async () => {
    const refused = await project.call({ under: alone }, "-B", "plain");
    expect(refused.stderr).toContain("actions cannot be isolated here");
    expect(refused.status).toBe(3);
    const ended = await project.call({ under: alone }, "--no-isolation", "-B", "plain");
    expect(ended.status).toBe(0);
    expect(ended.stderr).toContain("without isolation");
  });
});
