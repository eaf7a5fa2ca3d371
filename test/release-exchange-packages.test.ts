// Pins between machines, with real packages of a tiny repository: what one machine resolved and fetched another builds
// with, without network; what was built from other packages is refused by their names.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { cpSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { addPackage } from "./support/apt-repo.js";
import { expectSettled } from "./support/faults.js";
import { ALL, LISTS, makeTinyRepo, platforms } from "./support/packages.js";
import { indexOf, makeMachines, releaseOf, said, tamper } from "./support/exchange.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(180_000);

const DATE = "20310203";
/** Neither the repository nor any network. */
const ALONE = { under: ["unshare", "--net"] };

describe("a release whose pins were handed on", () => {
  const repo = makeTinyRepo();
  const machines = makeMachines(["merge", "builder", "stranger"], {
    "Imagefile.ts": platforms(repo.url),
    ...LISTS,
  });
  const { at, between } = machines;
  const { merge, builder, stranger } = at;
  const [pins, built] = [between("pins"), between("built")];
  const away = `${repo.dir}-away`;

  beforeAll(async () => {
    await merge.good("release", "start", "--release", DATE);
    await merge.good("release", "export", "--pins", "--packages", pins);
    addPackage(repo, { name: "libone", version: "1.1" });
    await stranger.good("release", "start", "--release", DATE);
    await stranger.good("platformfs-a");
    await stranger.good("release", "export", "platformfs-a", between("strange"));
    renameSync(repo.dir, away);
  });
  afterAll(() => {
    machines.remove();
    for (const dir of [repo.dir, away]) rmSync(dir, { recursive: true, force: true });
  });

  test("has its packages pinned before anything was built", () => {
    const { closures, snapshots } = releaseOf(merge);
    expect(Object.keys(closures).sort()).toEqual(["platformfs-a.tree", "platformfs-b.tree", "rootfs.tree"]);
    expect(indexOf(pins)).toMatchObject({ pins: true, targets: [], files: [] });
    expect(readdirSync(join(pins, "snapshots"))).toEqual(
      Object.values(snapshots).map(({ digest }) => digest),
    );
    expect(readdirSync(join(pins, "packages"))).toEqual(indexOf(pins).packages);
    expect(merge.names("out")).toEqual([]);
  });

  // What is called by its digest and whole is kept although the rest is refused, so the snapshot comes first.
  test.each([
    [
      "a snapshot",
      () => join("snapshots", indexOf(pins).snapshots[0] ?? ""),
      /is not the snapshot that it is called/,
    ],
    [
      "a package file",
      () => join("packages", indexOf(pins).packages[0] ?? ""),
      /the package \S+ \S+ was changed after it was exported/,
    ],
  ])("is not taken over when %s was changed", async (_what, where, says) => {
    const bad = between("bad");
    cpSync(pins, bad, { recursive: true, preserveTimestamps: true });
    const path = join(bad, where());
    const [file = ""] = path.includes("snapshots") ? filesBelow(path) : [path];
    tamper(file);
    expect(said(await builder.run("release", "import", bad))).toEqual([2, expect.stringMatching(says)]);
    expect(builder.names("releases")).toEqual([]);
    rmSync(bad, { recursive: true });
  });

  test("is built elsewhere with the pinned packages, without repository and network", async () => {
    // As a CI hands files on: their times are lost on the way.
    cpSync(pins, between("sent"), { recursive: true });
    await builder.good("release", "import", between("sent"));
    const told = await builder.events(ALONE);
    expect([told.stderr, told.which("built")]).toEqual(["", ALL]);
    expect(releaseOf(builder).closures).toEqual(releaseOf(merge).closures);
    await builder.good("release", "export", built);
  });

  test("comes back and is up to date, nothing is built, and no tree came along", async () => {
    await merge.call(ALONE, "release", "import", built);
    await expectSettled(merge);
    expect(merge.names(".imagemake/store/layers")).toEqual([]);
    for (const name of ["rootfs", "platformfs-a", "platformfs-b"])
      expect(merge.exists(`out/${name}-${DATE}.tar`)).toBe(true);
    expect(merge.names("out")).toEqual(builder.names("out"));
  });

  test("is collected where it was merged", async () => {
    await merge.good("release", "collect");
    expect(merge.names(DATE)).toEqual([...builder.names("out"), "sha256sum.txt"]);
    await merge.good("release", "reopen");
  });

  test("is built on: a changed list makes the trees beneath anew, and what does not change stays", async () => {
    merge.write("lists/a.list", "app\nlibone\nnano\n");
    merge.write("lists/b.list", "nano\n");
    const told = await merge.events(ALONE, "platformfs-a", "platformfs-b");
    expect([told.stderr, told.which("built")]).toEqual([
      "",
      ["platformfs-a", "platformfs-a.tree", "rootfs.tree"],
    ]);
    merge.write("lists/a.list", LISTS["lists/a.list"] ?? "");
  });

  test("takes nothing that was built from other packages, and names them", async () => {
    const ended = await builder.run("release", "import", between("strange"));
    expect(said(ended)).toEqual([
      2,
      expect.stringMatching(
        /platformfs-a of \S+ is refused: platformfs-a.tree, beneath it, is made from something else here\n(?:.*\n)*? {2}.*libone 1\.1 → 1\.0/,
      ),
    ]);
  });
});

/** The files below a directory. */
const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
