// Names that begin with a dot, and what version control keeps beside the files, through the real command line: which of
// them a directory and a glob take, and that none is left out of a tree without a word.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";

const WAYS: Readonly<Record<string, string>> = {
  directory: `"dots"`,
  stars: `"dots/**"`,
  from: `"**", { from: "dots" }`,
  starsAndStar: `"dots/**/*"`,
  star: `"dots/*"`,
  dotted: `"dots/*", "dots/.*"`,
  without: `"dots/**", "!**/.config/**", "!**/.bashrc"`,
  named: `"dots/bin", "dots/.git/HEAD"`,
  namedGlob: `"dots/.git/**"`,
  namedDirectory: `"dots/.git"`,
};
const ALL = [".bashrc", ".config/nvim/init.lua", "bin/x", "mod/a", "y"];
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  directory: ALL,
  stars: ALL,
  from: ALL,
  starsAndStar: ALL,
  star: ["y"],
  dotted: [".bashrc", "y"],
  without: ["bin/x", "mod/a", "y"],
  named: [".git/HEAD", "bin/x"],
  namedGlob: [".git/HEAD", ".git/hooks/x"],
  namedDirectory: [".git/HEAD", ".git/hooks/x"],
};

let project: TestProject;
beforeAll(() => {
  const names = Object.keys(WAYS);
  project = makeProject({
    "Imagefile.ts": `
import { files, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc"', tree: true });
${names.map((name) => `export const ${name} = run({ inputs: { F: files(${WAYS[name] ?? ""}) }, cmd: 'printf "%s\\\\n" "$F" > "$OUT"', out: "${name}" });`).join("\n")}
const on = (name: string, what: Parameters<typeof step.overlay>[0]) =>
  rule.platformfs({ from: base, steps: [step.overlay(what)], out: name + ".tar" });
export const root = run({ inputs: { F: files("**") }, cmd: 'printf "%s\\n" "$F" > "$OUT"', out: "root" });
export const trees = { d: on("d", "dots"), s: on("s", files("dots/**")), o: on("o", files("dots/*")), said: on("said", files("dots/*", "!dots/.*")) };
`,
    ...Object.fromEntries(ALL.map((name) => [`dots/${name}`, `${name}\n`])),
    "dots/.git/HEAD": "ref\n",
    "dots/.git/hooks/x": "x\n",
    "dots/mod/.git": "gitdir: ../.git/modules/mod\n",
    "dots/bin/.svn/entries": "12\n",
  });
});
afterAll(() => project.remove());

const linesOf = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");

test("a directory and two stars take what begins with a dot, a star does not, and neither takes version control", async () => {
  await project.good(...Object.keys(WAYS));
  for (const way of Object.keys(WAYS)) {
    const read = linesOf(readFileSync(project.path("out", way), "utf8"));
    expect([way, read.map((name) => name.replace(/^.*dots\//, ""))]).toEqual([way, EXPECTED[way]]);
  }
});

test("all of the project is neither its state nor its output, and settles", async () => {
  await project.good("root");
  const read = linesOf(readFileSync(project.path("out/root"), "utf8"));
  expect(read).toContain("dots/.bashrc");
  expect(read.filter((name) => /(^|\/)(\.imagemake|out|\.git)\//.test(name))).toEqual([]);
  await project.good("stars");
  expect((await project.good("root")).stderr).toContain("nothing to do");
});

test("git at work makes nothing out of date, an edit of a dot file does", async () => {
  project.write("dots/.git/index", "new\n");
  project.write("dots/bin/.svn/entries", "13\n");
  expect((await project.good("stars", "directory")).stderr).toContain("nothing to do");
  project.write("dots/.bashrc", "edited\n");
  for (const way of ["stars", "directory"])
    expect((await project.good("why", way)).stdout).toContain("dots/.bashrc");
});

test("a star that goes into a tree warns of what it passes over, once, and of nothing that was taken or said", async () => {
  const { stderr } = await project.good("trees");
  const warnings = linesOf(stderr).filter((line) => line.includes("passes over"));
  expect(warnings).toEqual([expect.stringContaining("(dots/.bashrc)")]);
  const names = (tree: string): readonly string[] =>
    linesOf(execFileSync("tar", ["tf", project.path("out", `${tree}.tar`)], { encoding: "utf8" }))
      .filter((name) => !name.endsWith("/"))
      .map((name) => name.slice(2));
  for (const tree of ["d", "s"]) expect([tree, [...names(tree)].sort()]).toEqual([tree, ALL]);
  for (const tree of ["o", "said"]) expect([tree, names(tree)]).toEqual([tree, ["y"]]);
});
