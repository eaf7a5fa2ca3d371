// Symlinks among sources are their text, through the real command line: with what they lead to in the project, without
// what this machine has where they lead out of it.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectBuilds } from "./support/faults.js";

jest.setTimeout(120_000);

/** What an overlay has that others write, by where it is. */
const SYSTEM: Readonly<Record<string, string>> = {
  "etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
  "etc/hostname-of-the-host": "/etc/hostname",
  "etc/mtab": "../proc/self/mounts",
  "etc/os-release": "../usr/lib/os-release",
  "etc/systemd/system/masked.service": "/dev/null",
  "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
  "etc/systemd/system/multi-user.target.wants/hello.service": "../hello.service",
  "etc/resolv.conf": "/run/nowhere/resolv.conf",
  "var/run": "/run",
};

let outside: string;
let project: TestProject;
const link = (to: string, path: string): void => {
  mkdirSync(dirname(project.path(path)), { recursive: true });
  symlinkSync(to, project.path(path));
};
/** Names and links of a tarball: `NAME -> TEXT`. */
const linksIn = (file: string): string[] =>
  execFileSync("tar", ["tvf", project.path("out", file)], { encoding: "utf8" })
    .split("\n")
    .flatMap((line) => /^l.* \.\/(.* -> .*)$/.exec(line)?.slice(1) ?? [])
    .sort();
const SHOW = `for i in $SRC; do if [ -L "$i" ]; then echo "$i -> $(readlink "$i")"; else echo "$i: $(cat "$i")"; fi; done > "$OUT"; find . -path ./.\\\\* -prune -o ! -type d -print | sort >> "$OUT"`;
const shows = (name: string, source: string): string =>
  `export const ${name} = run({ inputs: { SRC: ${source} }, cmd: '${SHOW}', out: "${name}.txt" });`;

beforeAll(() => {
  outside = mkdtempSync(join(tmpdir(), "imagemake-outside-"));
  writeFileSync(join(outside, "secret"), "secret\n");
  project = makeProject({
    "Imagefile.ts": `
import { files, list, project, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc" "$OUT/var"; ln -s ${outside} "$OUT/var/run"; ln -s ${outside} "$OUT/var/log"', tree: true });
export const image = rule.platformfs({ from: base, steps: [step.overlay("ov")], out: "image.tar" });
export const through = rule.platformfs({ from: base, steps: [step.overlay("ov-link")], out: "through.tar" });
${shows("chain", `files("chain/first")`)}
${shows("dir", `files("dirs/*")`)}
${shows("leaves", `files("leaves/*")`)}
${shows("anywhere", `files("leaves/*", { links: "anywhere" })`)}
${shows("named", `files("leaves/secret")`)}
${shows("key", `files("key")`)}
export const keys = run({ inputs: { L: list("key"), B: base }, cmd: 'cat "$L" > "$OUT"', out: "keys" });
export const later = run({ inputs: { K: files("key"), B: base }, cmd: 'cat "$K" > "$OUT"', out: "later" });
${shows("two", `files("two/a")`)}
export const both = run({ inputs: { A: files("two/*"), B: files("two/d/x") }, cmd: ': > "$OUT"', out: "both" });
export default project({ default: [image] });
`,
    "ov/etc/systemd/system/hello.service": "unit\n",
    "ov/usr/lib/os-release": "ID=test\n",
    "ov/var/log": "a file\n",
    "real/deep/1": "one",
    "real/deep/sub/2": "two",
    "leaves/plain": "plain",
    "two/real/x": "x",
  });
  for (const [path, to] of Object.entries(SYSTEM)) link(to, `ov/${path}`);
  link("ov", "ov-link");
  link("../hop/second", "chain/first");
  link("../real/deep/1", "hop/second");
  link("../real/deep", "dirs/d");
  link("../dirs", "real/deep/back");
  link(join(outside, "secret"), "leaves/secret");
  link("../etc/pki/KEY", "key");
  link("real", "two/d");
});
afterAll(() => {
  project.remove();
  rmSync(outside, { recursive: true });
});

describe("an overlay", () => {
  test("puts every link into the tree as it is, whatever this machine has there", async () => {
    await project.good("image");
    const links = Object.entries(SYSTEM).map(([path, to]) => `${path} -> ${to}`);
    expect(linksIn("image.tar")).toEqual(links.sort());
  });

  test("writes nothing where links of the tree beneath lead on this machine", () => {
    expect(readdirSync(outside)).toEqual(["secret"]);
  });

  test("may itself be a link to a directory, as it is named outright", async () => {
    await project.good("through");
    expect(linksIn("through.tar")).toEqual(linksIn("image.tar"));
  });
});

describe("files()", () => {
  test("brings along a whole chain of links, and only its file", async () => {
    await expectBuilds(project, ["chain"], "chain");
    expect(project.read("out/chain.txt").split("\n").slice(0, -1)).toEqual([
      "chain/first -> ../hop/second",
      "./chain/first",
      "./hop/second",
      "./real/deep/1",
    ]);
    project.write("real/deep/1", "eins");
    await expectBuilds(project, ["chain"], "chain");
  });

  test("brings along a directory that a link leads to, with circles in it, and notices what comes into it", async () => {
    await expectBuilds(project, ["dir"], "dir");
    const brought = ["./dirs/d", "./real/deep/1", "./real/deep/back", "./real/deep/sub/2"];
    expect(project.read("out/dir.txt").split("\n").slice(0, -1)).toEqual([
      "dirs/d -> ../real/deep",
      ...brought,
    ]);
    project.write("real/deep/3", "three");
    await expectBuilds(project, ["dir"], "dir");
    expect(project.read("out/dir.txt")).toContain("./real/deep/3\n");
    symlinkSync("2", project.path("real/deep/sub/new"));
    await expectBuilds(project, ["dir"], "dir");
  });

  test("refuses what a command could read outside the project through a link, and takes it where it is said", async () => {
    const { status, stderr } = await project.run("leaves");
    expect(status).toBe(2);
    expect(stderr).toContain(
      `leaves/secret is a symbolic link that leads out of the project, to ${outside}/secret`,
    );
    await project.good("anywhere");
    expect(project.read("out/anywhere.txt")).toContain(`leaves/secret -> ${outside}/secret\n`);
    const named = await project.run("named");
    expect([named.status, named.stderr]).toEqual([2, expect.stringContaining("name the file itself")]);
  });

  test("keeps a link to nothing, and does not mind what appears there outside the project", async () => {
    rmSync(project.path("leaves/secret"));
    link(project.path("real/deep/1"), "leaves/secret");
    for (const target of ["leaves", "named"]) {
      const { status, stderr } = await project.run(target);
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining("real/deep/1, which leads past the stage"),
      ]);
      expect(stderr).not.toContain("out of the project");
    }
    rmSync(project.path("leaves/secret"));
    link(join(outside, "later"), "leaves/secret");
    await project.good("leaves");
    expect(project.read("out/leaves.txt")).toContain(`leaves/secret -> ${outside}/later\n`);
  });

  test("never copies through a link that another input has in the stage", async () => {
    const { status, stderr } = await project.run("both");
    expect(status).toBe(2);
    expect(stderr).toContain("two/d is a symbolic link for one input and something else for another");
  });
});

describe("what a link brought along", () => {
  const other = makeProject({
    "Imagefile.ts": `import { files, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir "$OUT/opt"', tree: true });
const over = (name, from) => rule.platformfs({ from: base, steps: [step.overlay(from, { to: "opt" })], out: name });
export const some = over("some.tar", files("src/*"));
export const all = over("all.tar", "src");
const listed = (name, from) => run({ inputs: { S: from }, cmd: 'echo "$S" > "$OUT"', out: name });
export const names = listed("names", files("src/*"));
export const more = listed("more", files("src"));
`,
    "src/plain": "plain\n",
    "src/sub/deep": "deep\n",
  });
  symlinkSync("sub", other.path("src/link"));
  afterAll(() => other.remove());
  const inTar = (file: string): readonly string[] =>
    execFileSync("tar", ["tf", other.path("out", file)], { encoding: "utf8" }).split("\n");

  // The same files are in both stages: what was made of one was taken for what is made of the other.
  test("is another input than what was named, whichever was built first", async () => {
    for (const order of [
      ["some", "all", "names", "more"],
      ["all", "some", "more", "names"],
    ]) {
      for (const target of order) await other.good(target);
      expect([inTar("some.tar"), inTar("all.tar")].map((names) => names.includes("./opt/sub/deep"))).toEqual([
        false,
        true,
      ]);
      expect(other.read("out/names")).toBe("src/link\nsrc/plain\n");
      expect(other.read("out/more")).toBe("src/link\nsrc/plain\nsrc/sub/deep\n");
      for (const dir of [".imagemake", "out"]) rmSync(other.path(dir), { recursive: true });
    }
  });
});

describe("a path that goes on beneath a file", () => {
  const other = makeProject({
    "Imagefile.ts": `import { files, list, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir "$OUT/opt"', tree: true });
export const links = rule.platformfs({ from: base, steps: [step.overlay("src")], out: "links.tar" });
const shown = (name, S) => run({ inputs: { S }, cmd: 'printf %s "$S" > "$OUT"', out: name });
export const named = shown("named", files("src/file/x"));
export const glob = shown("glob", files("src/file/*.x"));
export const names = shown("names", list("src/file/x"));
export const maybe = shown("maybe", files("src/file/x", { optional: true }));
`,
    "src/file": "file\n",
  });
  symlinkSync("file/x", other.path("src/link"));
  afterAll(() => other.remove());

  test("is nothing: a link there is staged as it is, and who names it is told where", async () => {
    await other.good("links");
    expect(execFileSync("tar", ["tvf", other.path("out/links.tar")], { encoding: "utf8" })).toContain(
      "./link -> file/x\n",
    );
    await other.good("maybe");
    expect(other.read("out/maybe")).toBe("");
    for (const [target, message] of [
      ["named", "named: input S: src/file/x does not exist"],
      ["glob", "glob: input S: nothing matches src/file/*.x"],
      ["names", "names: input S: list src/file/x cannot be read"],
    ] as const) {
      const { status, stderr } = await other.run(target);
      expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
    other.write("src/file.new", "");
    rmSync(other.path("src/file"));
    other.write("src/file/x", "now there\n");
    await other.good("maybe");
    expect(other.read("out/maybe")).toBe("src/file/x");
  });
});

describe("a link to nothing that is named outright", () => {
  test.each(["key", "keys", "later"])("is said before anything runs: %s", async (target) => {
    for (const words of [[target], ["-n", target], [target]]) {
      const { status, stdout, stderr } = await project.run(...words);
      expect([status, stdout.includes("built"), stderr.includes("built")]).toEqual([2, false, false]);
      expect(stderr).toContain("key is a symbolic link to ../etc/pki/KEY, and there is nothing");
      expect(stderr).toContain(`looked for ${join(dirname(project.dir), "etc/pki/KEY")}`);
    }
    expect(existsSync(project.path("out", target))).toBe(false);
  });
});

describe("two inputs that want one place in the stage", () => {
  const IMAGEFILE = `import { files, list, run } from "imagemake";
const made = run({ inputs: {}, cmd: 'echo made > "$OUT"', out: "made.txt" });
const lines = run({ inputs: {}, cmd: 'echo tree > "$OUT/f"', tree: true });
const both = (inputs) => run({ inputs, cmd: 'cat $P > "$OUT"', out: "both-" + Object.keys(inputs).join("-") });
export const host = both({ Q: files("/etc/hostname"), P: files("host/**") });
export const hostFirst = both({ P: files("host/**"), Q: files("/etc/hostname") });
export const artifact = both({ M: made, P: files("in/M/made.txt") });
export const artifactLater = both({ P: files("in/M/made.txt"), M: made });
export const tree = both({ P: files("in/T/f"), T: lines });
export const listed = both({ L: list("names"), P: files("in/L/names") });
export const output = run({ inputs: { P: files(".out/o") }, cmd: ":", out: "o" });
export const once = both({ P: files("host/**"), R: files("host/etc/hostname") });
`;
  const other = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "host/etc/hostname": "of the project\n",
    "in/M/made.txt": "of the project\n",
    "in/T/f": "of the project\n",
    "in/L/names": "of the project\n",
    names: "a\n",
    ".out/o": "of the project\n",
  });
  afterAll(() => other.remove());

  test.each(["host", "host-first", "artifact", "artifact-later", "tree", "listed", "output"])(
    "are refused with both, and neither is read as the other: %s",
    async (target) => {
      const { status, stderr } = await other.run(target);
      expect(stderr).toMatch(/two inputs have the same place in the stage, \S+: .*, and /);
      expect(status).not.toBe(0);
      const there = existsSync(other.path("out")) ? other.names("out") : [];
      expect(there.filter((name) => name !== "made.txt")).toEqual([]);
    },
  );

  test("may name the same file", async () => {
    await other.good("once");
    expect(other.read("out/both-P-R")).toBe("of the project\n");
  });
});
