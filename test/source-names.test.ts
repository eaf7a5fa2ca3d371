// Names of files that a shell or a glob could read as something else, through the real command line: all of them come
// where they belong, or are refused by name before anything is built.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";

/** Beside `end`, one that ends in a blank; what systemd calls a device; signs of xorriso's and of the shell's. */
const NAMES = [
  "end",
  "end ",
  " start",
  "dev-disk\\x2dby.device",
  "a=b",
  "a\\=b",
  "st*ar",
  "-n",
  "two  blanks",
];

let project: TestProject;
beforeAll(() => {
  project = makeProject({
    "Imagefile.ts": `
import { files, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc"; echo secret > "$OUT/etc/shadow"; chown 0:42 "$OUT/etc/shadow"; chmod 640 "$OUT/etc/shadow"', tree: true });
const file = run({ inputs: {}, cmd: 'echo file > "$OUT"', out: "file" });
export const glob = run({ inputs: { F: files("odd/**") }, cmd: 'printf "%s\\\\n" "$F" > "$OUT"', out: "glob.txt" });
export const tree = rule.platformfs({ from: base, steps: [step.overlay("odd", { to: "/o" }), step.overlay("ov")], out: "tree.tar" });
export const written = rule.platformfs({ from: base, steps: [step.write("etc/shadow", "mine\\n"), step.write("etc/other", "")], out: "written.tar" });
export const opened = rule.platformfs({ from: base, steps: [step.write("etc/shadow", "mine\\n", { mode: "644" })], out: "opened.tar" });
export const globbed = rule.platformfs({ from: base, steps: [step.overlay(files("odd/**"), { to: "/o" })], out: "globbed.tar" });
export const removed = rule.platformfs({ from: tree, steps: [step.remove(["o/end?"])], out: "removed.tar" });
export const iso = rule.iso({ kernel: file, initrd: file, contents: { "odd/": files("odd/**") }, label: "X", out: "x.iso" });
const twice = (name, contents) => rule.iso({ kernel: file, initrd: file, contents, label: "X", out: name + ".iso" });
const over = run({ inputs: {}, cmd: 'mkdir "$OUT/d"; echo > "$OUT/end"; echo > "$OUT/d/f"', tree: true });
export const places = {
  files: twice("files", { "o/": files("odd/*"), "o/end": files("odd/-n") }), written: twice("written", { "o/end": files("odd/-n"), "./o//end": files("odd/end") }),
  tree: twice("tree", { o: over, "o/": files("odd/*") }), under: twice("under", { "o/": files("odd/*"), "o/end/": files("odd/*") }),
  apart: twice("apart", { o: over, "o/d/": files("odd/*") }),
};
export const broken = run({ inputs: { B: base, F: files("broken/*") }, cmd: 'echo > "$OUT"', out: "broken.txt" });
export const brokenToo = run({ inputs: { B: base, F: files("broken-too/**") }, cmd: 'echo > "$OUT"', out: "broken-too.txt" });
export const latin = run({ inputs: { B: base, F: files("latin/**") }, cmd: 'echo > "$OUT"', out: "latin.txt" });
export const latinDir = run({ inputs: { B: base, F: files("latin") }, cmd: 'echo > "$OUT"', out: "latin-dir.txt" });
export const returns = run({ inputs: { F: files("returns/**") }, cmd: 'printf "%s\\\\n" "$F" > "$OUT"', out: "returns.txt" });
`,
    ...Object.fromEntries(NAMES.map((name) => [`odd/${name}`, `${name}\n`])),
    "ov/etc/shadow": "mine\n",
    "broken/two\nlines": "",
    "broken-too/in/two\nlines/file": "",
    "returns/a\rb/c\u2028d": "",
  });
  mkdirSync(project.path("latin"));
  mkdirSync(Buffer.from(project.path("latin/caf\u00e9"), "latin1"));
  writeFileSync(project.path("latin/other"), "");
});
afterAll(() => project.remove());

const under = (dir: string, names: readonly string[]): readonly string[] =>
  names
    .filter((name) => name.startsWith(dir))
    .map((name) => name.slice(dir.length))
    .filter((name) => name !== "");
const lines = (text: string): readonly string[] => text.replace(/\n$/, "").split("\n");
const archive = (name: string): readonly string[] =>
  under(
    "./o/",
    lines(
      execFileSync("tar", ["tf", project.path("out", name), "--quoting-style=literal"], { encoding: "utf8" }),
    ),
  );

test("a glob gives every name as it is", async () => {
  await project.good("glob");
  expect(lines(project.read("out/glob.txt"))).toEqual(NAMES.map((name) => `odd/${name}`).sort());
});

test.each(["tree", "globbed"])("an overlay puts every name and its contents into the %s", async (target) => {
  await project.good(target);
  expect([...archive(`${target}.tar`)].sort()).toEqual([...NAMES].sort());
  for (const name of NAMES) {
    const args = [
      "xOf",
      project.path("out", `${target}.tar`),
      "--no-wildcards",
      "--no-unquote",
      `./o/${name}`,
    ];
    expect(execFileSync("tar", args, { encoding: "utf8" })).toBe(`${name}\n`);
  }
});

test("what a pattern removes is what it matches", async () => {
  await project.good("removed");
  expect([...archive("removed.tar")].sort()).toEqual(NAMES.filter((name) => name !== "end ").sort());
});

test("an ISO has every name", async () => {
  await project.good("iso");
  const found = execFileSync(
    "xorriso",
    ["-osirrox", "on", "-indev", project.path("out/x.iso"), "-extract", "/odd", project.path("extracted")],
    { encoding: "utf8", stdio: "pipe" },
  );
  expect(found).toBe("");
  const names = execFileSync("ls", ["-A", project.path("extracted")], { encoding: "utf8" });
  expect([...lines(names)].sort()).toEqual([...NAMES].sort());
  for (const name of NAMES) expect(project.read(`extracted/${name}`)).toBe(`${name}\n`);
});

test("an ISO has nothing in the place of something else", async () => {
  for (const target of ["files", "written", "tree", "under"]) {
    const { stderr, status } = await project.run(`places-${target}`);
    expect([stderr, status]).toEqual([
      expect.stringContaining("contents: several have one place in the image: o/end"),
      1,
    ]);
  }
  await project.good("places-apart");
});

test("an ISO has empty directories, and links that lead out of what is copied are named", async () => {
  mkdirSync(project.path("more/deep/empty"), { recursive: true });
  const outside = mkdtempSync(join(tmpdir(), "imagemake-outside-"));
  writeFileSync(join(outside, "one"), "");
  project.write("secret", "");
  project.write("more/file", "");
  project.write("more/private", "");
  chmodSync(project.path("more/private"), 0o600);
  symlinkSync("../secret", project.path("more/up"));
  symlinkSync("../file", project.path("more/deep/file"));
  project.write(
    "more.ts",
    `import { files, rule, run } from "imagemake";
const file = run({ inputs: {}, cmd: 'echo file > "$OUT"', out: "file" });
const on = (contents: Parameters<typeof rule.iso>[0]["contents"], out: string) =>
  rule.iso({ kernel: file, initrd: file, contents, label: "X", out });
export const more = on({ "x/": files("more/**") }, "more.iso");
export const bare = on({ "x/": files("more/deep/empty*") }, "bare.iso");
export const up = on({ "x/": files("more/up") }, "up.iso");
export const from = on({ "x/": files("**", { from: "./more/deep/" }), "y/": files("*", { from: "${outside}" }) }, "from.iso");
`,
  );
  const { stderr } = await project.good("-f", "more.ts", "more", "bare", "from");
  rmSync(outside, { recursive: true });
  expect((await project.good("-f", "more.ts", "up")).stderr).toContain("(more/up -> ../secret)");
  const told = stderr.split("\n").filter((line) => line.startsWith("warning: "));
  expect(told).toEqual([
    expect.stringContaining("modes are not kept in the image (more/private 600)"),
    expect.stringContaining("lead out of what is copied (more/up -> ../secret)"),
    expect.stringContaining("lead out of what is copied (more/deep/file -> ../file)"),
  ]);
  const listed = (name: string, dir = "/x"): readonly string[] =>
    lines(
      execFileSync("xorriso", ["-indev", project.path("out", name), "-find", dir], {
        encoding: "utf8",
        stdio: "pipe",
      }),
    ).map((path) => path.replaceAll("'", ""));
  expect([...listed("more.iso")].sort()).toEqual(
    [
      "/x",
      ...["deep", "deep/empty", "deep/file", "file", "private", "up"].map((name) => `/x/${name}`),
    ].sort(),
  );
  expect([...listed("from.iso")].sort()).toEqual(["/x", "/x/empty", "/x/file"]);
  expect([...listed("from.iso", "/y")].sort()).toEqual(["/y", "/y/one"]);
  expect([...listed("bare.iso")].sort()).toEqual(["/x", "/x/empty"]);
});

test.each([
  ["broken", 'broken/two\\nlines": its name has a line break'],
  ["brokenToo", 'broken-too/in/two\\nlines/file": its name has a line break'],
  ["latin", "latin/caf\ufffd: its name is not UTF-8"],
  ["latinDir", "latin/caf\ufffd: its name is not UTF-8"],
])("a name that cannot be passed on is refused before anything is built: %s", async (target, said) => {
  const name = target.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const { status, stderr } = await project.run(name);
  expect([status, stderr]).toEqual([2, expect.stringContaining(said)]);
  expect(stderr).not.toContain("built");
});

test("two stars match names with other ends of lines", async () => {
  await project.good("returns");
  expect(project.read("out/returns.txt")).toBe("returns/a\rb/c\u2028d\n");
});

test("what only some may read stays so when an overlay or a step writes another in its place", async () => {
  await project.good("tree", "written", "opened");
  const listed = (name: string, path: string): string =>
    execFileSync("tar", ["tvf", project.path("out", name), "--numeric-owner", path], { encoding: "utf8" });
  expect(listed("tree.tar", "./etc/shadow")).toMatch(/^-rw-r----- 0\/42 +5 /);
  expect(listed("written.tar", "./etc/shadow")).toMatch(/^-rw-r----- 0\/42 +5 /);
  expect(listed("written.tar", "./etc/other")).toMatch(/^-rw-r--r-- 0\/0 +0 /);
  expect(listed("opened.tar", "./etc/shadow")).toMatch(/^-rw-r--r-- 0\/0 +5 /);
});

test("a file that gets a blank at the end of its name is another one", async () => {
  const other = makeProject({
    "Imagefile.ts": `import { files, run } from "imagemake";
export const names = run({ inputs: { S: files("src") }, cmd: 'ls -Q src > "$OUT"', out: "names" });
`,
    "src/end": "",
  });
  let last = "end";
  for (const name of ["end ", "end\t", "end\u00a0", "end"]) {
    renameSync(other.path("src", last), other.path("src", name));
    await other.good("names");
    expect(other.read("out/names")).toBe(`"${name.replace("\t", "\\t")}"\n`);
    last = name;
  }
  other.remove();
});
