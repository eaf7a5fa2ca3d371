// A file from elsewhere in place of a build: judged by the target's guards, recorded with a person's reason, valid in
// one release and while the target is made from what it was made from then.
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectBuilds, expectSettled } from "./support/faults.js";
import { makeMachines, releaseOf, said } from "./support/exchange.js";

jest.setTimeout(120_000);

/** The tree cannot be built here: whoever tries fails. */
const IMAGEFILE = `
const base = run({ inputs: { SRC: files("src/*.txt") }, tree: true, cmd: "exit 1" });
export const image = run({ inputs: { IN: base }, cmd: "exit 1", out: "image-{date}.txt", guards: { minSize: 4, magic: "696d61" } });
export const both = run({ inputs: {}, cmd: 'echo > "$A"; echo > "$B"', outs: { A: "a.txt", B: "b.txt" } });
export const reader = run({ inputs: { IN: image }, cmd: 'tr a-z A-Z < "$IN" > "$OUT"', out: "reader-{date}.txt" });
export default project({ default: [image], release: { of: [image] } });
`;
const FILES = { "Imagefile.ts": IMAGEFILE, "src/a.txt": "a\n" };
const DATE = "20310203";
const OUT = `out/image-${DATE}.txt`;

let project: TestProject;
beforeEach(async () => {
  project = makeProject({
    ...FILES,
    "given/image": "image\n",
    "given/other": "other\n",
    "given/small": "im",
  });
  await project.good("release", "start", "--release", DATE);
});
afterEach(() => project.remove());

const adopt = (...words: string[]): ReturnType<TestProject["run"]> =>
  project.run("release", "adopt", ...words, "--because", "their machine broke");

describe("release adopt", () => {
  test.each([
    ["by a guard on its size", ["image", "given/small"], 1, "it has 2 bytes, at least 4 are demanded"],
    ["by a guard on its first bytes", ["image", "given/other"], 1, "it begins with 6f7468, not with 696d61"],
    ["for a file that is not there", ["image", "given/none"], 2, "is not there"],
    ["for a directory", ["image", "given"], 2, "is not a regular file"],
    ["for a tree", ["image/in", "given/image"], 2, "is not a file"],
    ["for one of several outputs", ["both-A", "given/image"], 2, "made together with others"],
    ["for an unknown target", ["imagge", "given/image"], 2, "unknown target imagge"],
    ["without a file", ["image"], 2, "missing required argument 'file'"],
  ])("is refused %s", async (_why, words, status, says) => {
    const [target = "", file] = words;
    const path = file === undefined ? [] : [project.path(file)];
    expect(said(await adopt(target, ...path))).toEqual([status, expect.stringContaining(says)]);
    expect(releaseOf(project).artifacts).toEqual({});
    expect(project.names("out")).toEqual([]);
    expect(project.names(".imagemake/stage")).toEqual([]);
  });

  test("is refused without a reason", async () => {
    const ended = await project.run("release", "adopt", "image", project.path("given/image"));
    expect(said(ended)).toEqual([2, expect.stringContaining("--because TEXT gives it")]);
  });

  test("-n judges it and changes nothing", async () => {
    const ended = await adopt("image", project.path("given/image"), "-n");
    expect(said(ended)).toEqual([0, expect.stringContaining("would adopt")]);
    expect(releaseOf(project).artifacts).toEqual({});
    expect((await adopt("image", project.path("given/small"), "-n")).status).toBe(1);
  });
});

describe("an adopted file", () => {
  beforeEach(async () => {
    expect(said(await adopt("image", project.path("given/image")))).toEqual([
      0,
      expect.stringContaining(`as image-${DATE}.txt\n`),
    ]);
  });

  test("counts as up to date, and nothing beneath it is built", async () => {
    expect(project.read(OUT)).toBe("image\n");
    await expectSettled(project);
    const { stdout } = await project.good("release", "status");
    expect(stdout).toContain("1 of 1 targets are up to date\n");
    expect(stdout).toContain("  image is adopted: their machine broke\n");
    expect(releaseOf(project).artifacts["image"]?.provenance).toMatchObject({
      kind: "adopted",
      because: "their machine broke",
    });
    writeFileSync(project.path("given/image"), "changed later\n");
    expect(project.read(OUT)).toBe("image\n");
  });

  test("is what readers read", async () => {
    await expectBuilds(project, ["reader"], "reader");
    expect(project.read(`out/reader-${DATE}.txt`)).toBe("IMAGE\n");
  });

  test("is put back when its link is deleted or edited", async () => {
    rmSync(project.path(OUT));
    expect((await project.events({})).which("restored")).toEqual(["image"]);
    rmSync(project.path(OUT));
    writeFileSync(project.path(OUT), "edited\n");
    expect((await project.events({})).which("restored")).toEqual(["image"]);
    expect(project.read(OUT)).toBe("image\n");
    await expectSettled(project);
  });

  test("no longer counts when what the target is made from has changed, and again when that is taken back", async () => {
    project.write("src/a.txt", "b\n");
    const ended = await project.run();
    expect(ended.status).toBe(1);
    const { stdout } = await project.good("why", "image");
    expect(stdout).toContain("image was adopted (their machine broke) for what it was made from then");
    project.write("src/a.txt", "a\n");
    expect((await project.run("-q")).status).toBe(0);
  });

  test("counts in its release only", async () => {
    await project.good("release", "start", "--release", "20310204");
    expect((await project.run("-q")).status).toBe(1);
    expect((await project.run("-q", "--release", DATE)).status).toBe(0);
  });

  test("is collected as what it is", async () => {
    await project.good("release", "collect");
    expect(project.read(`${DATE}/image-${DATE}.txt`)).toBe("image\n");
    expect(releaseOf(project).artifacts["image"]?.provenance.kind).toBe("adopted");
    expect(said(await adopt("image", project.path("given/image")))).toEqual([
      2,
      expect.stringContaining("is collected"),
    ]);
  });

  test("is found again when the database was lost", async () => {
    for (const name of project.names(".imagemake"))
      if (name.startsWith("index.db")) rmSync(project.path(".imagemake", name));
    await project.good();
    expect(project.read(OUT)).toBe("image\n");
    await expectSettled(project);
    await project.good("release", "collect");
    expect(project.names(DATE)).toContain(`image-${DATE}.txt`);
  });

  test("does not count when the store's copy is damaged or a person rejected it", async () => {
    await project.good("release", "reject", "image", "--because", "does not boot");
    expect((await project.run("-q")).status).toBe(1);
    expect(said(await adopt("image", project.path("given/image")))).toEqual([
      1,
      expect.stringContaining("this very file was rejected"),
    ]);
  });

  test("survives a gc", async () => {
    await project.good("cache", "gc");
    await expectSettled(project);
    rmSync(project.path(OUT));
    await project.good("cache", "gc");
    await project.good();
    expect(project.read(OUT)).toBe("image\n");
  });
});

describe("what another machine adopted", () => {
  const machines = makeMachines(["there", "here"], FILES);
  const { at, between } = machines;
  afterEach(() => machines.remove());

  test("comes with the reason, and is refused where the target is made from something else", async () => {
    for (const one of [at.there, at.here]) await one.good("release", "start", "--release", DATE);
    at.there.write("given", "image\n");
    chmodSync(at.there.path("given"), 0o755);
    await at.there.good("release", "adopt", "image", at.there.path("given"), "--because", "no loop devices");
    await at.there.good("reader");
    await at.there.good("release", "export", "image", "reader", between("a"));
    at.here.write("src/a.txt", "b\n");
    expect(said(await at.here.run("release", "import", between("a")))).toEqual([
      2,
      expect.stringContaining("is made from something else here"),
    ]);
    at.here.write("src/a.txt", "a\n");
    await at.here.good("release", "import", between("a"));
    await expectSettled(at.here, "image", "reader");
    expect(releaseOf(at.here).artifacts).toMatchObject({
      image: { executable: true, provenance: { kind: "adopted", because: "no loop devices" } },
      reader: { provenance: { kind: "imported" } },
    });
  });
});
