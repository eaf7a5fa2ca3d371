// One machine an architecture, and one that merges: three projects in three directories, through the real command
// line. What was built elsewhere counts as built here, without the trees beneath it, and is built on.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { rmSync, writeFileSync } from "node:fs";
import { expectBuilds, expectSettled } from "./support/faults.js";
import { indexOf, makeMachines, releaseOf, said, type Machines } from "./support/exchange.js";

jest.setTimeout(120_000);

const ARCHS = ["x86_64", "aarch64"] as const;

/** For each architecture a tree, a file packed from it, and a file made from both. */
const IMAGEFILE = `
const archs = ["x86_64", "aarch64"] as const;
const only = { only: "ARCHS" };
const base = each([...archs], a => run({
  inputs: { SRC: files("src/*.txt") }, tree: true, cmd: \`mkdir "$OUT/etc"; cat $SRC > "$OUT/etc/os"; echo \${a} > "$OUT/etc/arch"\`,
}));
export const rootfs = each([...archs], a => run({
  inputs: { IN: base[a] }, cmd: 'cat "$IN"/etc/* > "$OUT"', out: \`rootfs-\${a}-{date}.txt\`,
}), only);
export const pxe = each([...archs], a => run({
  inputs: { IN: rootfs[a], TREE: base[a] }, cmd: 'tr a-z A-Z < "$IN" > "$OUT"; ls "$TREE" >> "$OUT"', out: \`pxe-\${a}-{date}.txt\`,
}), only);
export const sane = each([...archs], a => rule.check({ inputs: { IN: pxe[a] }, cmd: 'test -s "$IN"' }), only);
export default project({ default: [rootfs, pxe, sane], release: { of: [rootfs, pxe], gate: [sane] } });
`;
/** Another target on a tree that did not come along. */
const MORE = `export const more = run({ inputs: { TREE: base.aarch64 }, cmd: 'ls "$TREE" > "$OUT"', out: "more-{date}.txt" });\n`;
const FILES = { "Imagefile.ts": IMAGEFILE, "src/a.txt": "void\n" };

/** Starts a release on the first machine and brings it to the others; each builds its own and exports it. */
async function buildEverywhere(machines: Machines<"merge" | (typeof ARCHS)[number]>): Promise<void> {
  const { at, between } = machines;
  await at.merge.good("release", "start");
  await at.merge.good("release", "export", "--pins", "--packages", between("pins"));
  for (const arch of ARCHS) {
    await at[arch].good("release", "import", between("pins"));
    await at[arch].good(`ARCHS=${arch}`);
    await at[arch].good("release", "export", `ARCHS=${arch}`, between(arch));
  }
}

describe("one machine an architecture, and one that merges", () => {
  const machines = makeMachines(["merge", ...ARCHS], FILES);
  const { at, between } = machines;
  const exports = ARCHS.map((arch) => between(arch));
  let date = "";
  beforeAll(async () => {
    await buildEverywhere(machines);
    date = releaseOf(at.merge).datecode;
  });
  afterAll(() => machines.remove());

  test("all work in one release, with one roster", () => {
    const { roster } = releaseOf(at.merge);
    expect(roster).toHaveLength(4);
    for (const arch of ARCHS)
      expect(releaseOf(at[arch])).toMatchObject({ datecode: date, roster, explicit: true });
  });

  test("VAR= narrows what is exported, and nothing but files goes out", () => {
    expect(indexOf(between("x86_64")).targets).toEqual(["rootfs-x86_64", "pxe-x86_64", "sane-x86_64"]);
    expect(indexOf(between("x86_64")).files.map(({ name }) => name)).toEqual([
      `rootfs-x86_64-${date}.txt`,
      `pxe-x86_64-${date}.txt`,
    ]);
  });

  test("-n says what would come and changes nothing", async () => {
    const ended = await at.merge.good("release", "import", "-n", ...exports);
    expect(ended.stderr).toBe(`would import 6 targets into release ${date}\n`);
    expect(at.merge.names("out")).toEqual([]);
    expect((await at.merge.run("-q")).status).toBe(1);
  });

  test("after the import everything is up to date, and nothing is built", async () => {
    await at.merge.good("release", "import", ...exports);
    expect((await at.merge.run("-q")).status).toBe(0);
    await expectSettled(at.merge);
    const { stdout } = await at.merge.good("release", "status");
    expect(stdout).toContain("4 of 4 targets are up to date\n");
    expect(stdout).toMatch(/^ {2}2 imported from \S+:aarch64$/m);
    expect((await at.merge.good("-n")).stdout).toBe("nothing to do\n");
    expect(at.merge.read(`out/pxe-aarch64-${date}.txt`)).toBe("AARCH64\nVOID\netc\n");
    // No tree came along.
    expect(at.merge.names(".imagemake/store/layers")).toEqual([]);
  });

  test("the release says where each artifact comes from", async () => {
    expect(said(await at.merge.run("log", "pxe-aarch64"))).toEqual([
      2,
      expect.stringContaining("pxe-aarch64 was built on another machine"),
    ]);
    const { artifacts } = releaseOf(at.merge);
    expect(Object.keys(artifacts).sort()).toEqual([
      "pxe-aarch64",
      "pxe-x86_64",
      "rootfs-aarch64",
      "rootfs-x86_64",
    ]);
    for (const { provenance } of Object.values(artifacts))
      expect(provenance).toMatchObject({
        kind: "imported",
        from: expect.stringMatching(/:(x86_64|aarch64)$/),
        tools: {},
      });
  });

  test("importing it again changes nothing", async () => {
    const before = at.merge.read(`releases/${date}.json`).replace(/"lastBuild".*/, "");
    await at.merge.good("release", "import", ...exports);
    expect(at.merge.read(`releases/${date}.json`).replace(/"lastBuild".*/, "")).toBe(before);
    await expectSettled(at.merge);
  });

  test("a gc takes nothing of it, and a deleted output comes back from the store", async () => {
    await at.merge.good("cache", "gc");
    expect((await at.merge.run("-q")).status).toBe(0);
    rmSync(at.merge.path(`out/pxe-x86_64-${date}.txt`));
    expect((await at.merge.events({})).which("restored")).toEqual(["pxe-x86_64"]);
    await expectSettled(at.merge);
  });

  test("it is collected as if it had been built here", async () => {
    await at.merge.good("release", "collect");
    expect(at.merge.names(date)).toEqual([
      `pxe-aarch64-${date}.txt`,
      `pxe-x86_64-${date}.txt`,
      `rootfs-aarch64-${date}.txt`,
      `rootfs-x86_64-${date}.txt`,
      "sha256sum.txt",
    ]);
    // The checks ran elsewhere, and judged these very files.
    expect(Object.keys(releaseOf(at.merge).verdicts).sort()).toEqual(["sane-aarch64", "sane-x86_64"]);
    const before = at.merge.read(`releases/${date}.json`);
    await at.merge.good("release", "export", "pxe-aarch64", between("collected"));
    expect(at.merge.read(`releases/${date}.json`)).toBe(before);
    await at.merge.good("release", "reopen");
  });

  test("another target on a tree that is not here builds that tree, and nothing else", async () => {
    at.merge.write("Imagefile.ts", IMAGEFILE + MORE);
    await expectBuilds(at.merge, ["more", "rootfs-aarch64/in"], "rootfs", "pxe", "more");
  });

  test("an edited source builds all that is made from it, as ever", async () => {
    at.merge.write("src/a.txt", "another\n");
    await expectBuilds(at.merge, [
      "pxe-aarch64",
      "pxe-x86_64",
      "rootfs-aarch64",
      "rootfs-aarch64/in",
      "rootfs-x86_64",
      "rootfs-x86_64/in",
      "sane-aarch64",
      "sane-x86_64",
    ]);
    at.merge.write("src/a.txt", "void\n");
    // What was imported is known still.
    const told = await at.merge.events({});
    expect([told.which("built"), told.which("restored")]).toEqual([
      [],
      ["pxe-aarch64", "pxe-x86_64", "rootfs-aarch64", "rootfs-x86_64"],
    ]);
  });
});

describe("a tree that is not here and comes out different when it is made anew", () => {
  // The tree holds a number of the kernel's making.
  const RANDOM = `
const base = run({ inputs: {}, tree: true, cmd: 'cp /proc/sys/kernel/random/uuid "$OUT/id"' });
const other = run({ inputs: { SRC: files("src/*.txt") }, tree: true, cmd: 'cat $SRC > "$OUT/other"' });
export const packed = run({ inputs: { IN: base, OTHER: other }, cmd: 'cat "$IN/id" "$OTHER/other" > "$OUT"', out: "packed.txt" });
export const more = run({ inputs: { IN: base }, cmd: 'cat "$IN/id" > "$OUT"', out: "more.txt" });
`;
  const machines = makeMachines(["there", "here"], { "Imagefile.ts": RANDOM, "src/a.txt": "a\n" });
  const { at, between } = machines;
  afterAll(() => machines.remove());

  test("takes along all that is made from it, with what else that reads", async () => {
    await at.there.good("release", "start");
    await at.there.good("packed");
    await at.there.good("release", "export", "packed", between("a"));
    await at.here.good("release", "import", between("a"));
    await expectSettled(at.here, "packed");
    const told = await at.here.events({}, "packed", "more");
    expect([told.status, told.stderr]).toEqual([0, ""]);
    expect(told.which("built")).toEqual(["more", "packed", "packed/in", "packed/other"]);
    expect(at.here.read("out/packed.txt")).toBe(`${at.here.read("out/more.txt")}a\n`);
    await expectSettled(at.here, "packed", "more");
  });
});

describe("release export", () => {
  const machines = makeMachines(["one"], FILES);
  const { at, between } = machines;
  afterAll(() => machines.remove());

  test("without a release, or of what is not up to date, writes nothing and says what is missing", async () => {
    expect(said(await at.one.run("release", "export", between("a")))).toEqual([
      2,
      expect.stringContaining("no release is open"),
    ]);
    await at.one.good("release", "start");
    expect(said(await at.one.run("release", "export", between("a")))).toEqual([
      1,
      expect.stringContaining("nothing of the roster is up to date here"),
    ]);
    expect(said(await at.one.run("release", "export", "pxe-x86_64", between("a")))).toEqual([
      1,
      expect.stringContaining("not up to date: pxe-x86_64"),
    ]);
    expect(said(await at.one.run("release", "export", "pxe-x86_64/tree", between("a")))[0]).toBe(2);
  });

  test("writes over an earlier export of the release, and over nothing else", async () => {
    await at.one.good("ARCHS=x86_64");
    await at.one.good("release", "export", "ARCHS=x86_64", between("a"));
    await at.one.good();
    await at.one.good("release", "export", between("a"));
    expect(indexOf(between("a")).targets).toHaveLength(6);
    writeFileSync(between("file"), "");
    expect(said(await at.one.run("release", "export", between("file")))[0]).toBe(2);
    expect(said(await at.one.run("release", "export", at.one.path("src")))).toEqual([
      2,
      expect.stringContaining("holds something other than an export"),
    ]);
    expect(said(await at.one.run("release", "export", at.one.path("out/x")))[0]).toBe(2);
    await at.one.good("release", "start", "--release", "20310203");
    expect(said(await at.one.run("release", "export", "--pins", between("a")))).toEqual([
      2,
      expect.stringContaining("holds the export of release"),
    ]);
    expect(indexOf(between("a")).targets).toHaveLength(6);
  });

  test("-n and --json tell what it would write", async () => {
    const { stdout } = await at.one.good("release", "export", "--pins", "-n", "--json", between("b"));
    expect(JSON.parse(stdout)).toMatchObject({ datecode: "20310203", pins: true, files: [] });
  });
});
