// Thousands of files into a tree, an ISO and FAT, through the real command line: no process is started for each, which
// would take minutes.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type TestProject } from "./support/cli.js";

/** Programs take some milliseconds to start: with one for each, none is done within the timeout. */
const FILES = 5000;

let project: TestProject;
beforeAll(() => {
  project = makeProject({
    "Imagefile.ts": `
import { files, rule, run, step } from "imagemake";
const timeout = 20;
const base = run({ inputs: {}, cmd: 'mkdir "$OUT/etc"', tree: true });
export const tree = rule.platformfs({ from: base, steps: [step.overlay("many", { to: "srv", owner: "5:6" })], out: "tree.tar", timeout });
const file = run({ inputs: {}, cmd: 'echo x > "$OUT"', out: "file" });
export const iso = rule.iso({ kernel: file, initrd: file, contents: { "m/": files("many/**") }, label: "X", out: "x.iso", timeout });
const copied = run({ inputs: { M: files("many") }, cmd: 'cp -r many "$OUT/"', tree: true });
export const fat = rule.disk({ from: copied, fs: "vfat", out: "fat.img", timeout });
`,
    ...Object.fromEntries(Array.from({ length: FILES }, (_, i) => [`many/${i % 100}/${i}`, `${i}\n`])),
  });
});
afterAll(() => project.remove());

test("an overlay of them", async () => {
  await project.good("tree");
  const found = execFileSync("tar", ["tvf", project.path("out/tree.tar"), "--numeric-owner"], {
    encoding: "utf8",
  })
    .split("\n")
    .filter((line) => line.includes(" ./srv/"));
  expect([found.length, new Set(found.map((line) => line.slice(0, 14)))]).toEqual([
    FILES + 101,
    new Set(["-rw-r--r-- 5/6", "drwxr-xr-x 5/6"]),
  ]);
});

test("FAT of them", async () => {
  await project.good("fat");
  const found = execFileSync("mdir", ["-b", "-/", "-i", `${project.path("out/fat.img")}@@1M`, "::"], {
    encoding: "utf8",
  });
  expect(found.split("\n").filter((line) => /\/\d+$/.test(line))).toHaveLength(FILES);
});

test("an ISO of them", async () => {
  await project.good("iso");
  const found = execFileSync("xorriso", ["-indev", project.path("out/x.iso"), "-find", "/m", "-type", "f"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  expect(found.trim().split("\n")).toHaveLength(FILES);
});
