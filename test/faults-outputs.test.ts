// Where build engines go wrong with outputs: deleted, edited, replaced, reached through links, left by rules that are
// gone. After each, one run puts it right, and the next has nothing to do.
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { displacedBy } from "../engine/execute/local/outputs.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectBuilds, expectSettled } from "./support/faults.js";
import { interfere, interfered, systemCalls, type SystemCall } from "./support/system-calls.js";

jest.setTimeout(120_000);

const ABC = `
export const a = run({ inputs: { SRC: files("src/*") }, cmd: 'cat $SRC > "$OUT"', out: "a.txt" });
export const b = run({ inputs: { A: a }, cmd: 'cat "$A" "$A" > "$OUT"', out: "b.txt" });
export const disk = run({ inputs: { A: a }, cmd: 'cat "$A" > "$OUT"; truncate -s 1M "$OUT"', out: "disk.img" });
export const tool = run({ inputs: {}, cmd: 'echo tool > "$OUT"; chmod +x "$OUT"', out: "tool" });
`;
const ALL = ["a", "b", "disk", "tool"];

describe("an output that was", () => {
  let project: TestProject;
  const out = (name: string): string => project.path("out", name);
  const all = (): object =>
    Object.fromEntries(
      ["a.txt", "b.txt", "disk.img", "tool"].map((name) => {
        const { mode, size } = lstatSync(out(name));
        return [name, { mode: mode.toString(8), size, begins: readFileSync(out(name), "utf8").slice(0, 8) }];
      }),
    );
  let good: object;
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": ABC, "src/1": "one\n" });
    await project.good(...ALL);
    good = all();
  });
  afterAll(() => project.remove());

  /** Edits in place and puts size and times back. */
  const editUnseen = (name: string): void => {
    const { atime, mtime } = statSync(out(name));
    writeFileSync(out(name), "two\n", { flag: "r+" });
    utimesSync(out(name), atime, mtime);
  };
  const replace = (name: string, by: (path: string) => void): void => {
    rmSync(out(name));
    by(out(name));
  };

  // Where the output is a hard link, the store was edited with it: then it is built again.
  test.each<readonly [string, "built" | "restored", readonly string[], () => void]>([
    ["deleted", "restored", ["a"], () => rmSync(out("a.txt"))],
    ["deleted with all others", "restored", ALL, () => rmSync(project.path("out"), { recursive: true })],
    ["truncated", "built", ["a"], () => truncateSync(out("a.txt"))],
    ["appended to", "built", ["a"], () => appendFileSync(out("a.txt"), "more\n")],
    ["edited in place", "built", ["a"], () => writeFileSync(out("a.txt"), "two\n")],
    ["edited in place, with size and time put back", "built", ["a"], () => editUnseen("a.txt")],
    ["edited as an input of another", "built", ["b"], () => editUnseen("b.txt")],
    ["booted writable", "restored", ["disk"], () => editUnseen("disk.img")],
    ["written anew", "restored", ["a"], () => replace("a.txt", (path) => writeFileSync(path, "one\n"))],
    ["replaced by a link", "restored", ["a"], () => replace("a.txt", (path) => symlinkSync("b.txt", path))],
    [
      "replaced by a dangling link",
      "restored",
      ["a"],
      () => replace("a.txt", (path) => symlinkSync("no", path)),
    ],
    ["replaced by an empty directory", "restored", ["a"], () => replace("a.txt", (path) => mkdirSync(path))],
    [
      "replaced by a pipe",
      "restored",
      ["a"],
      () => replace("a.txt", (path) => execFileSync("mkfifo", [path])),
    ],
    ["made writable", "restored", ["a"], () => chmodSync(out("a.txt"), 0o644)],
    ["made executable", "restored", ["a"], () => chmodSync(out("a.txt"), 0o555)],
    ["made not executable", "restored", ["tool"], () => chmodSync(out("tool"), 0o444)],
  ])("%s is put right by one run (%s)", async (_, how, which, damage) => {
    damage();
    const told = await project.events({}, ...ALL);
    expect({ status: told.status, built: told.which("built"), restored: told.which("restored") }).toEqual({
      status: 0,
      built: how === "built" ? which : [],
      restored: how === "restored" ? which : [],
    });
    expect(all()).toEqual(good);
    await expectSettled(project, ...ALL);
  });

  test("replaced by a directory with files in it is not deleted: that is said", async () => {
    replace("a.txt", (path) => mkdirSync(path));
    writeFileSync(join(out("a.txt"), "mine"), "mine\n");
    const { status, stderr } = await project.run(...ALL);
    expect(status).toBe(3);
    expect(stderr).toContain("out/a.txt: a directory with files is in its place");
    expect(readFileSync(join(out("a.txt"), "mine"), "utf8")).toBe("mine\n");
    rmSync(out("a.txt"), { recursive: true });
    await expectBuilds(project, [], ...ALL);
    expect(all()).toEqual(good);
  });
});

describe("the old output", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": ABC, "src/1": "one\n" });
    await project.good("a");
  });
  afterAll(() => project.remove());

  /** Calls about out/a.txt other than looking. */
  const touching = (calls: readonly SystemCall[]): readonly SystemCall[] =>
    calls.filter(
      ({ name, text }) =>
        /\/(?:out|fd\/\d+)\/a\.txt"/.test(text) && !/stat|access/.test(name) && !text.includes("O_RDONLY"),
    );

  test("is there until the new one takes its place, in a build and in a restore", async () => {
    for (const content of ["two\n", "one\n"]) {
      project.write("src/1", content);
      const { ended, calls } = await systemCalls(project, ["%file"], "a");
      expect(ended.stderr).toContain(content === "two\n" ? "built a" : "restored a");
      expect(touching(calls).map(({ name }) => name)).toEqual(["rename"]);
    }
    await expectSettled(project, "a");
  });

  test.each(["link", "rename"])("stays where any %s fails, until a run succeeds", async (name) => {
    for (let nth = 1; ; nth += 1) {
      const before = project.read("out/a.txt");
      const after = `${name} ${nth}\n`;
      project.write("src/1", after);
      const failing = await project.call({ under: interfere(project, { name, nth }, "error=ENOSPC") }, "a");
      const call = interfered(project);
      if (call === null) {
        expect(failing.status).toBe(0);
        expect(nth).toBeGreaterThan(1);
        break;
      }
      expect(project.names("out")).toEqual(["a.txt"]);
      const now = project.read("out/a.txt");
      // What only saves time may fail without harm; what comes after the output has its place cannot harm it.
      expect({ call, kept: [before, after].includes(now) }).toEqual({ call, kept: true });
      if (failing.status === 0) expect(now).toBe(after);
      else
        expect(failing).toMatchObject({ status: 3, stderr: expect.stringMatching(/no space (?:is )?left/) });
      expect(failing.stderr).not.toContain("internal error");
      await project.good("a");
      expect(project.read("out/a.txt")).toBe(after);
      await expectSettled(project, "a");
    }
  });
});

describe("the output directory", () => {
  let [project, elsewhere]: [TestProject | undefined, string | undefined] = [undefined, undefined];
  afterAll(() => {
    project?.remove();
    if (elsewhere !== undefined) rmSync(elsewhere, { recursive: true });
  });

  test("may be a symlink to another file system", async () => {
    const on = (project = makeProject({ "Imagefile.ts": ABC, "src/1": "one\n" }));
    elsewhere = mkdtempSync("/dev/shm/imagemake-out-");
    symlinkSync(elsewhere, on.path("out"));
    await expectBuilds(on, ALL, ...ALL);
    expect(statSync(on.path("out/a.txt")).dev).not.toBe(statSync(on.path("Imagefile.ts")).dev);
    writeFileSync(on.path("out/a.txt"), "two\n");
    await expectBuilds(on, [], ...ALL);
    expect(on.read("out/a.txt")).toBe("one\n");
    expect(lstatSync(on.path("out")).isSymbolicLink()).toBe(true);
  });
});

describe("a rule that is gone", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": ABC, "src/1": "one\n" });
    await project.good(...ALL);
  });
  afterAll(() => project.remove());

  test("leaves its outputs where they are, also those that became inputs", async () => {
    project.write(
      "Imagefile.ts",
      `export const c = run({ inputs: { OLD: files("out/b.txt") }, cmd: 'cat $OLD > "$OUT"', out: "c.txt" });`,
    );
    await expectBuilds(project, ["c"], "c");
    expect(project.names("out")).toEqual(["a.txt", "b.txt", "c.txt", "disk.img", "tool"]);
    expect(project.read("out/c.txt")).toBe("one\none\n");
    await project.good("cache", "gc");
    expect(project.names("out")).toEqual(["a.txt", "b.txt", "c.txt", "disk.img", "tool"]);
    await expectSettled(project, "c");
    await project.good("clean");
    expect(project.names("out")).toContain("b.txt");
    await expectBuilds(project, [], "c");
    // Edited now, it is an edited input.
    writeFileSync(project.path("out/b.txt"), "mine\n");
    await expectBuilds(project, ["c"], "c");
    expect(project.read("out/b.txt")).toBe("mine\n");
    expect(project.read("out/c.txt")).toBe("mine\n");
  });
});

describe("an action that puts a link in the place of a directory of its own", () => {
  let project: TestProject;
  /** Somebody else's files, under the names of outputs. */
  const THEIRS = ["there/out", "there/inside", "there/.out/work", "there/tree"];
  beforeAll(() => {
    project = makeProject(Object.fromEntries(THEIRS.map((name) => [name, "the user's\n"])));
    const there = project.path("there");
    const link = (name: string, cmd: string, rest = `out: "${name}"`): string =>
      `export const ${name} = run({ inputs: {}, cmd: '${cmd}', ${rest} });\n`;
    project.write(
      "Imagefile.ts",
      `import { run } from "imagemake";
const base = run({ inputs: {}, tree: true, cmd: \`
  for tool in /bin/bash /bin/sh /bin/rmdir /bin/ln; do
    cp --parents -L $tool $(ldd $tool | grep -o '/[^ ]*') "$OUT/"
  done\` });
${link("out", `rmdir .out; ln -s ${there} .out`)}
${link("inside", `rmdir .out; ln -s ${there} .out`, `within: base, out: "inside"`)}
${link("work", `cd ..; mv work w; ln -s ${there} work`)}
${link("tree", `rm -r .out; ln -s ${there} .out`, "tree: true")}
${link("itself", `rmdir "$OUT"; ln -s ${there} "$OUT"`, "tree: true")}`,
    );
  });
  afterAll(() => project.remove());

  // The working directory of an isolated action is a mount, which nobody can rename.
  test.each([["out"], ["inside"], ["work", "--no-isolation"], ["tree"], ["itself"]])(
    "fails, and what is there stays: %s",
    async (...words) => {
      const noted = project.path("there/out");
      execFileSync("setfattr", ["-n", "user.note", "-v", "kept", noted]);
      const { status, stderr } = await project.run(...words);
      expect(stderr).toContain("the action put something else in the place of the directory");
      expect(status).toBe(1);
      for (const name of THEIRS) expect(project.read(name)).toBe("the user's\n");
      expect(execFileSync("getfattr", ["-d", noted], { encoding: "utf8" })).toContain("kept");
      expect(project.names("out")).toEqual([]);
    },
  );
});

test("the output that is named is the one whose directory was displaced", () => {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-displaced-"));
  mkdirSync(join(dir, "work/.out"), { recursive: true });
  symlinkSync("/tmp", join(dir, "tree"));
  const outputs = [
    {
      output: { name: "FILE", kind: "file", pattern: "f" } as const,
      path: join(dir, "work/.out/f"),
      parent: null,
    },
    { output: { name: "TREE", kind: "tree", base: null } as const, path: join(dir, "tree"), parent: null },
  ];
  expect(displacedBy({ dir, outputs })).toEqual({ output: "TREE", at: "tree" });
  expect(displacedBy({ dir, outputs: outputs.slice(0, 1) })).toBeNull();
  rmSync(dir, { recursive: true });
});

test("an action that removes the directory of its outputs fails, and the output is named", async () => {
  const project = makeProject({
    "Imagefile.ts": `
export const file = run({ inputs: {}, cmd: "rm -r .out", out: "file" });
export const dated = run({ inputs: {}, cmd: "rm -r .out", out: "dated-{date}" });
export const work = run({ inputs: {}, cmd: 'rm -rf "$PWD"/.[a-z]*', out: "work" });
export const many = run({ inputs: {}, cmd: "rm -r .out", outs: { A: "a", B: "b" } });
export const tree = run({ inputs: {}, cmd: 'rmdir "$OUT"', tree: true });
export const above = run({ inputs: {}, cmd: "rm -r .out", tree: true });
export const here = run({ inputs: {}, cmd: "rm -r .out; echo 1 > f-20200101", out: "f-{date}", collect: "f-{date}" });
`,
  });
  const { status, stderr } = await project.run("-k", ...Object.keys(REMOVED), "here");
  expect(status).toBe(1);
  for (const [target, why] of Object.entries(REMOVED)) expect(stderr).toContain(`failed ${target}: ${why}`);
  expect(stderr).toContain("built here");
  project.remove();
});

/** What each of those is told. */
const REMOVED = {
  file: "output OUT was not made: expected file",
  dated: "output OUT was not made: expected dated-",
  work: "output OUT was not made: expected work",
  "many-A": "output A was not made: expected a",
  tree: "output OUT refused: $OUT was a directory, and the command removed it",
  above: "output OUT refused: $OUT was a directory, and the command removed it",
};

test("what an action gives to another user is root's all the same, in the store and in out/", async () => {
  const project = makeProject({
    "Imagefile.ts": `
export const a = run({ inputs: {}, cmd: 'echo x > "$OUT"; chown 33:33 "$OUT"', root: true, out: "a.txt" });
export const disk = run({ inputs: {}, cmd: 'echo x > "$OUT"; chown 33:33 "$OUT"', root: true, out: "a.img" });`,
  });
  try {
    await project.good("a", "disk");
    const mine = `${process.getuid?.()}`;
    const owners = execFileSync(
      "find",
      [project.path("out"), project.path(".imagemake/store"), "-printf", "%U\\n"],
      {
        encoding: "utf8",
      },
    );
    expect(new Set(owners.trim().split("\n"))).toEqual(new Set([mine]));
  } finally {
    project.remove();
  }
});
