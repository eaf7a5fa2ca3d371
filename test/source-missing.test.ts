// What an action reads and is not there, through the real command line: all of it is said before anything is built, by
// name, also by a dry run and by the doctor.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const rule = (name: string, inputs: string): string =>
  `export const ${name} = run({ inputs: { BEFORE: before, ${inputs} }, cmd: 'cat /dev/null $I > "$OUT"; printf %s "\${I-}" >> "$OUT"', out: "${name}" });`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({
    "Imagefile.ts": `
import { apt, env, files, list, project, rule, run, step } from "imagemake";
const before = run({ inputs: {}, cmd: 'mkdir "$OUT/etc"', tree: true });
${rule("file", `I: files("nope.txt")`)}
${rule("names", `I: list("nope.list")`)}
${rule("glob", `I: files("src/*.txt", "src/*.none")`)}
${rule("dir", `I: files("empty")`)}
${rule("variable", `I: env("SURELY_NOT_SET")`)}
${rule("maybe", `I: files("src/*.none", "nope.txt", "src/a.txt", "src/b.txt", { optional: true })`)}
${rule("without", `I: files("src/*", "!src/b*")`)}
${rule("taken", `I: files("tree", "src/a.txt", "!tree/secret", "!**/*.bak", "!tree/deep/")`)}
${rule("none", `I: files("tree", "!tree")`)}
${rule("odd", `I: files("tree/b\\\\x2d", "tree/c[1]", "!tree/secret")`)}
${rule("unset", `I: env("SURELY_NOT_SET", { optional: true })`)}
export const fallback = run({ inputs: { V: env("SURELY_NOT_SET", { default: "other" }) }, cmd: 'echo "$V" > "$OUT"', out: "fallback" });
export const overlay = rule.platformfs({ from: before, steps: [step.overlay("ov")], out: "overlay.tar" });
export const keys = rule.rootfs({ repo: apt({ url: "file:/nowhere", suite: "x", keys: files("key.gpg") }), arch: "amd64", packages: ["a"] });
const nowhere = apt({ url: "file:/nowhere", suite: "y" });
export const entry = rule.rootfs({ repo: nowhere, arch: "amd64", packages: list("bad.list") });
export const word = rule.rootfs({ repo: nowhere, arch: "amd64", packages: ["fine", "libc6(>=2"] });
export default project({ default: [fallback] });
`,
    ...{
      "tree/a": "",
      "tree/.hidden": "",
      "tree/b.bak": "",
      "tree/secret": "",
      "tree/deep/x": "",
      "tree/sub/secret": "",
    },
    ...{ "tree/b\\x2d/f": "", "tree/c[1]": "" },
    ...{ "src/a.txt": "a", "src/b.txt": "b", "bad.list": "# names\nfine other\n\nlibc6(>=2 # a bound\n" },
  });
  mkdirSync(project.path("empty"));
});
afterAll(() => project.remove());

test.each([
  ["file", "nope.txt does not exist"],
  ["names", "list nope.list cannot be read"],
  ["glob", "nothing matches src/*.none"],
  ["dir", "empty is a directory without files"],
  ["none", "nothing of tree is left by !tree"],
  ["variable", "the variable SURELY_NOT_SET is not set"],
  ["overlay", "ov does not exist"],
  ["keys", "keys: key.gpg does not exist"],
  ["entry", 'bad.list:4: "libc6(>=2" is not the name of a package'],
  ["word", 'packages: "libc6(>=2" is not the name of a package'],
])("%s: what is missing is said before anything is built", async (target, message) => {
  for (const words of [[target], ["-n", target], [target]]) {
    const { status, stderr } = await project.run(...words);
    expect([words, status, stderr]).toEqual([words, 2, expect.stringContaining(message)]);
    expect(stderr).toMatch(/^imagemake: Imagefile\.ts:\d+: /);
    expect(stderr).not.toContain("built");
  }
});

test("several that are missing are named at once, by the doctor too", async () => {
  const { status, stderr } = await project.run("file", "names", "variable");
  expect(status).toBe(2);
  for (const name of ["nope.txt", "nope.list", "SURELY_NOT_SET"]) expect(stderr).toContain(name);
  const doctor = await project.run("doctor", "names");
  expect([doctor.status, doctor.stdout]).toEqual([2, expect.stringContaining("nope.list")]);
});

test("what ! takes away goes: of globs, of directories and of names", async () => {
  await project.good("taken", "odd");
  const kept = ["src/a.txt", "tree/.hidden", "tree/a", "tree/b\\x2d/f", "tree/c[1]", "tree/sub/secret"];
  expect(project.read("out/taken")).toBe(`a${kept.join("\n")}`);
  expect(project.read("out/odd")).toBe(kept.slice(3, 5).join("\n"));
  project.write("tree/secret", "other");
  project.write("tree/deep/y", "");
  expect((await project.events({}, "taken")).which("built")).toEqual([]);
  project.write("tree/sub/new", "");
  expect((await project.events({}, "taken")).which("built")).toEqual(["taken"]);
});

describe("what may be missing", () => {
  test("is left out, noticed when it comes, and any number of globs is taken", async () => {
    await project.good("maybe", "without", "unset", "fallback");
    expect(project.read("out/maybe")).toBe("absrc/a.txt\nsrc/b.txt");
    expect(project.read("out/without")).toBe("asrc/a.txt");
    expect(project.read("out/fallback")).toBe("other\n");
    project.write("nope.txt", "c");
    const told = await project.events({}, "maybe", "without");
    expect([told.status, told.which("built")]).toEqual([0, ["maybe"]]);
  });
});

test("a word of an array that nothing fills in is refused when the Imagefile is loaded", async () => {
  const other = makeProject({
    "Imagefile.ts": `export const t = run({ inputs: { SRC: files("a") }, cmd: ["cp", "$SCR", "$OUT"], out: "t" });`,
    a: "a",
  });
  try {
    const { status, stderr } = await other.run("list");
    expect(status).toBe(2);
    expect(stderr).toContain("Imagefile.ts:2: run: cmd: $SCR is neither an input nor an output");
    expect(stderr).toContain("did you mean $SRC?");
    for (const word of ["of=$OUT", "${OUT}", "--from=$SRC/x"]) {
      other.write(
        "Imagefile.ts",
        `import { files, run } from "imagemake";
export const t = run({ inputs: { SRC: files("a") }, cmd: ["dd", ${JSON.stringify(word)}], out: "t" });`,
      );
      const within = await other.run("list");
      expect(within.status).toBe(2);
      expect(within.stderr).toMatch(
        /run: cmd: ".*": in an array \$(OUT|SRC) is filled in only where a word begins with it/,
      );
    }
    other.write(
      "Imagefile.ts",
      `import { run } from "imagemake";
export const t = run({ inputs: {}, cmd: ["awk", "BEGIN { print $OUTER $1 }"], out: "t" });`,
    );
    await other.good("list");
    other.write(
      "Imagefile.ts",
      `import { run } from "imagemake";
export const t = run({ inputs: {}, cmd: ["sh", "-ec", 'echo read > "$OUT"'], out: "t" });`,
    );
    await other.good("t");
    expect(other.read("out/t")).toBe("read\n");
  } finally {
    other.remove();
  }
});

test.each([
  ["a pipe", "mkfifo odd"],
  ["a directory", "mkdir odd && echo > odd/x"],
  ["a device", "mknod odd c 1 5"],
])("%s is read as no list, nor as anything else that is read", async (what, make) => {
  const project = makeProject({
    "Imagefile.ts": `export const a = run({ inputs: { L: list("odd") }, cmd: ': > "$OUT"', out: "a" });
export const b = run({ inputs: { L: files("odd") }, cmd: ': > "$OUT"', out: "b" });`,
  });
  try {
    execFileSync("sh", ["-c", make], { cwd: project.dir });
    // All beneath a directory are files.
    for (const target of what === "a directory" ? ["a"] : ["a", "b"]) {
      const { status, stderr } = await project.run(target);
      expect(stderr).toMatch(
        what === "a directory"
          ? /list odd is a directory\n {2}name a file in it/
          : /odd is (?:not a regular file|neither a file nor a link)/,
      );
      expect(status).toBe(2);
    }
    const { status, stderr } = await project.run("-f", "odd", "a");
    expect(stderr).toContain("is not a regular file");
    expect(status).toBe(2);
  } finally {
    project.remove();
  }
});

test("globs that only take away have nothing to take away from", async () => {
  const other = makeProject({
    "Imagefile.ts": `import { files, run } from "imagemake";
export const none = run({ inputs: { S: files("!src/b*") }, cmd: 'echo "$S" > "$OUT"', out: "none" });
`,
  });
  const { status, stderr } = await other.run("none");
  expect([status, stderr]).toEqual([
    2,
    expect.stringContaining('files: expected globs to take something away from, found ["!src/b*"] alone'),
  ]);
  other.remove();
});
