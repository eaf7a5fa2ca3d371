// Symlinks among inputs, and globs whose matches come and go: what is matched is staged, and what changes is noticed.
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectBuilds } from "./support/faults.js";

jest.setTimeout(120_000);

/** A target that says of each input what it is and what it holds. */
const says = (name: string, source: string): string => `
export const ${name} = run({
  inputs: { SRC: ${source} },
  cmd: 'for i in $SRC; do if [ -L "$i" ]; then echo "$i -> $(readlink "$i")"; else echo "$i: $(cat "$i")"; fi; done > "$OUT"',
  out: "${name}.txt",
});`;

const said = (project: TestProject, name: string): string[] =>
  project.read(`out/${name}.txt`).split("\n").slice(0, -1);

describe("symlinks", () => {
  let project: TestProject;
  /** Makes or changes a symlink as programs do: by rename. */
  const link = (to: string, path: string): void => {
    symlinkSync(to, project.path("new"));
    renameSync(project.path("new"), project.path(path));
  };
  beforeAll(() => {
    project = makeProject({
      "real/Imagefile.ts": [
        says("glob", `files("src/*")`),
        says("dir", `files("src/dir")`),
        says("names", `list("src/file")`),
        says("lost", `files("src/dangling")`),
      ].join("\n"),
      ...{ "src/1": "one", "data/2": "two", "data/same": "two", "data/dir/3": "three", "data/other/3": "3" },
    });
    link("real/Imagefile.ts", "Imagefile.ts");
    link("../data/2", "src/file");
    link("../data/dir", "src/dir");
    link("nowhere", "src/dangling");
  });
  afterAll(() => project.remove());

  test("are links, whatever they lead to; none is left out", async () => {
    await expectBuilds(project, ["glob"], "glob");
    expect(said(project, "glob")).toEqual([
      "src/1: one",
      "src/dangling -> nowhere",
      "src/dir -> ../data/dir",
      "src/file -> ../data/2",
    ]);
  });

  test("named as a directory are all that is beneath", async () => {
    await expectBuilds(project, ["dir"], "dir");
    expect(said(project, "dir")).toEqual(["src/dir/3: three"]);
  });

  test("that lead nowhere cannot be named: that is said", async () => {
    const { status, stderr } = await project.run("lost");
    expect(status).toBe(2);
    expect(stderr).toContain("src/dangling is a symbolic link to nowhere, and there is nothing");
  });

  test("bring along what they lead to: an edit there is built; a list is looked through, and what leads there is no matter", async () => {
    await expectBuilds(project, ["names"], "glob", "dir", "names");
    project.write("data/2", "zwei");
    await expectBuilds(project, ["glob", "names"], "glob", "dir", "names");
    project.write("data/same", "zwei");
    link("../data/same", "src/file");
    await expectBuilds(project, ["glob"], "glob", "dir", "names");
    expect(said(project, "glob")).toContain("src/file -> ../data/same");
    rmSync(project.path("src/file"));
    project.write("src/file", "zwei");
    await expectBuilds(project, ["glob"], "glob", "dir", "names");
  });

  test("that come to lead elsewhere are built", async () => {
    link("../data/other", "src/dir");
    await expectBuilds(project, ["dir", "glob"], "glob", "dir");
    expect(said(project, "dir")).toEqual(["src/dir/3: 3"]);
    link("elsewhere", "src/dangling");
    await expectBuilds(project, ["glob"], "glob", "dir");
    expect(said(project, "glob")).toContain("src/dangling -> elsewhere");
  });

  test("may be what the Imagefile is", async () => {
    project.write("real/Imagefile.ts", says("glob", `files("src/1")`));
    await expectBuilds(project, ["glob"], "glob");
    expect(said(project, "glob")).toEqual(["src/1: one"]);
  });
});

describe("a glob", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({
      "Imagefile.ts": [
        says("deep", `files("src/**/*.txt")`),
        says("later", `files("later/*/x", { optional: true })`),
        says("all", `files(".")`),
        says("up", `files("../**/*.txt", { from: "src" })`),
        says("own", `files("out/*", { from: "src" })`),
      ].join("\n"),
      ...{ "src/a.txt": "a", "src/sub/b.txt": "b", "src/c.md": "c", "src/out/o.txt": "o" },
    });
  });
  afterAll(() => project.remove());

  test("notices what is added, removed and renamed, in directories that are new and that were not there", async () => {
    const words = ["deep", "later"];
    await expectBuilds(project, ["deep", "later"], ...words);
    expect(said(project, "later")).toEqual([]);
    const steps: readonly (readonly [() => void, string, readonly string[]])[] = [
      [
        () => project.write("src/d.txt", "d"),
        "deep",
        ["a.txt: a", "d.txt: d", "out/o.txt: o", "sub/b.txt: b"],
      ],
      [
        () => {
          rmSync(project.path("src/a.txt"));
          renameSync(project.path("src/d.txt"), project.path("src/sub/e.txt"));
        },
        "deep",
        ["out/o.txt: o", "sub/b.txt: b", "sub/e.txt: d"],
      ],
      [
        () => {
          mkdirSync(project.path("src/new/empty"), { recursive: true });
          project.write("src/new/f.txt", "f");
          rmSync(project.path("src/sub"), { recursive: true });
        },
        "deep",
        ["new/f.txt: f", "out/o.txt: o"],
      ],
      [() => project.write("later/sub/x", "x"), "later", ["later/sub/x: x"]],
      [() => rmSync(project.path("later"), { recursive: true }), "later", []],
    ];
    for (const [edit, name, expected] of steps) {
      edit();
      const told = await project.events({}, ...words);
      expect({ status: told.status, what: [...told.which("built"), ...told.which("restored")] }).toEqual({
        status: 0,
        what: [name],
      });
      expect(said(project, name).map((line) => line.replace(/^src\//, ""))).toEqual(expected);
      await expectBuilds(project, [], ...words);
    }
  });

  test("does not notice what it does not match", async () => {
    project.write("src/other.md", "new");
    mkdirSync(project.path("src/.empty"));
    mkdirSync(project.path("src/empty"));
    await expectBuilds(project, [], "deep", "later");
  });

  test("never matches the state and the outputs, from wherever it looks", async () => {
    project.write("src/.hidden.txt", "new");
    await expectBuilds(project, ["all", "own", "up"], "all", "up", "own");
    const sources = ["src/.hidden.txt", "src/c.md", "src/new/f.txt", "src/other.md", "src/out/o.txt"];
    expect(said(project, "all").map((line) => line.replace(/: .*/, ""))).toEqual(
      expect.arrayContaining(["Imagefile.ts", ...sources]),
    );
    expect(project.read("out/all.txt")).not.toMatch(/^(?:out|\.imagemake)\//m);
    expect(said(project, "up").map((line) => line.replace(/: .*/, ""))).toEqual([
      "src/.hidden.txt",
      "src/new/f.txt",
      "src/out/o.txt",
    ]);
    expect(said(project, "own")).toEqual(["src/out/o.txt: o"]);
  });
});
