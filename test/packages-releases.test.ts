// Repositories that change or move, through the real command line: what a release has pinned stays, a refresh and
// the next release bring what is new to exactly those that contain it.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { addPackage, hostArch, removePackage } from "./support/apt-repo.js";
import { atTime } from "./support/cli.js";
import { ALL, listing, makePackageProject, makeTinyRepo, platforms } from "./support/packages.js";
import type { PackageProject } from "./support/packages.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

/** So many hours from now, when the implicit release of now is no longer joined. */
const hoursLater = (hours: number): readonly string[] =>
  atTime(new Date(Date.now() + hours * 3_600_000).toISOString());

describe("a repository that changes", () => {
  let project: PackageProject;
  beforeAll(async () => {
    project = makePackageProject(makeTinyRepo());
    await project.good();
  });
  afterAll(() => project.remove());

  const NOTHING = expect.stringMatching(/\nnothing to do\n$/);
  const ofA = ["platformfs-a", "platformfs-a.tree"];

  test("leaves the open release as it is", async () => {
    addPackage(project.repo, { name: "libone", version: "1.1" }, { name: "other", version: "2.0" });
    expect(await project.run()).toMatchObject({ status: 0, stderr: NOTHING });
    project.write("lists/b.list", "nano\nlibone\n");
    expect((await project.run("why", "platformfs-b.tree")).stdout).toContain("+ libone 1.0");
    project.write("lists/b.list", "nano\n");
  });

  test("`release refresh -n` says what it would change, by target, and changes nothing", async () => {
    const before = listing(project.dir);
    const { stdout } = await project.good("release", "refresh", "-n");
    expect(stdout).toBe("platformfs-a.tree\n  packages: libone 1.0 → 1.1\n");
    expect(listing(project.dir)).toEqual(before);
    expect(await project.run()).toMatchObject({ status: 0, stderr: NOTHING });
  });

  test("`release refresh` of a target that does not contain it changes nothing there", async () => {
    expect((await project.good("release", "refresh", "platformfs-b")).stdout).toBe("no package changed\n");
    expect(await project.run()).toMatchObject({ status: 0, stderr: NOTHING });
  });

  test("`release refresh` brings it to exactly those that contain it", async () => {
    const { stdout } = await project.good("release", "refresh", "platformfs", "--json");
    expect(JSON.parse(stdout)).toEqual([
      { target: "platformfs-a.tree", changes: [{ name: "libone", before: "1.0", after: "1.1" }] },
    ]);
    expect((await project.run("-q")).status).toBe(1);
    const told = await project.events({});
    expect(told.which("built")).toEqual(ofA);
    expect(told.which("up-to-date")).toEqual(ALL.filter((id) => !ofA.includes(id)));
    expect((await project.good("why", "platformfs-a.tree")).stdout).toContain("packages: libone 1.0 → 1.1\n");
  });

  test("a refresh of the root filesystem is one of all that is built on it", async () => {
    addPackage(project.repo, { name: "app", version: "1.1", depends: "libone" });
    const { stdout } = await project.good("release", "refresh", "rootfs", "-n");
    expect(stdout).toBe("platformfs-a.tree\n  packages: app 1.0 → 1.1\n");
  });

  test("the next release brings it too, and links everything else under its new name", async () => {
    const told = await project.events({ under: hoursLater(13) });
    expect(told.about("release")).toMatchObject({ joined: false });
    expect(told.which("built")).toEqual(ofA);
    expect(told.which("restored").concat(told.which("up-to-date")).sort()).toEqual(
      ALL.filter((id) => !ofA.includes(id)),
    );
  });

  test("a later release without changes links everything and builds nothing", async () => {
    addPackage(project.repo, { name: "other", version: "3.0" });
    const told = await project.events({ under: hoursLater(48) });
    const date = told.about("release")?.datecode ?? "";
    expect(told.events.filter((event) => event.type === "started")).toEqual([]);
    expect(told.which("restored")).toEqual(["platformfs-a", "platformfs-b", "rootfs"]);
    expect(project.names("out").filter((name) => name.includes(date))).toEqual([
      `platformfs-a-${date}.tar`,
      `platformfs-b-${date}.tar`,
      `rootfs-${date}.tar`,
    ]);
  });
});

describe("refresh", () => {
  test("without an open release, or of what has no packages, says so and makes nothing", async () => {
    const repo = makeTinyRepo();
    const project = makePackageProject(repo, {
      "Imagefile.ts": `${platforms(repo.url)}export const plain = run({ inputs: {}, cmd: ":", out: "plain" });`,
    });
    const [none, plain] = await Promise.all([
      project.run("release", "refresh"),
      project.run("release", "refresh", "plain"),
    ]);
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining("no release is open\n")]);
    expect([plain.status, plain.stderr]).toEqual([2, expect.stringContaining("plain has no packages")]);
    expect(project.names(".imagemake/releases")).toEqual([]);
    project.remove();
  });

  test("brings what a list could not be resolved for, and fails where that cannot be had", async () => {
    const repo = makeTinyRepo();
    const nowhere = `rule.rootfs({ repo: apt({ url: "nowhere", suite: "none" }), arch: "${hostArch()}", packages: ["x"] })`;
    const project = makePackageProject(repo, {
      "Imagefile.ts": `${platforms(repo.url)}export const c = ${nowhere};`,
    });
    await project.good("rootfs.tree");
    project.write("lists/a.list", "late\n");
    expect(await project.run("platformfs-a.tree")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("late") as unknown,
    });
    for (const options of [[], ["-n"], ["-k"]]) {
      const missing = await project.run("release", "refresh", ...options, "platformfs-a");
      expect([missing.status, missing.stderr]).toEqual([
        2,
        expect.stringContaining("there is no package late"),
      ]);
      if (options[0] !== "-k") expect(missing.stderr).toMatch(/\n {2}the release stays as it was\n$/);
      const unread = await project.run("release", "refresh", ...options, "c");
      expect([unread.status, unread.stderr]).toEqual([
        expect.any(Number),
        expect.stringMatching(/imagemake: c: .*nowhere does not exist/),
      ]);
      expect(unread.status).toBeGreaterThan(1);
    }
    addPackage(project.repo, { name: "late", files: { "/usr/share/late": "late\n" } });
    const now = await project.good("release", "refresh", "platformfs-a");
    expect(now.stderr).toContain("resolved now: platformfs-a.tree: 1 package\n");
    await project.good("platformfs-a.tree");
    project.remove();
  });
});

describe("what a release has pinned", () => {
  let project: PackageProject;
  beforeAll(async () => {
    project = makePackageProject(makeTinyRepo());
    await project.good("rootfs.tree");
  });
  afterAll(() => project.remove());

  test("is fetched in one phase, before the first action", async () => {
    expect((await project.run("--events", "events", "-B")).status).toBe(0);
    const events = project
      .read("events")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; phase?: string });
    const types = events.map(({ type, phase }) => phase ?? type);
    expect(types.filter((type) => type === "started")).toHaveLength(ALL.length);
    expect(types.indexOf("fetch")).toBeGreaterThan(types.indexOf("plan"));
    expect(types.lastIndexOf("fetch")).toBeLessThan(types.indexOf("started"));
  });

  test("is kept: everything can be built again without the repository", async () => {
    const told = await project.withoutRepo(() => project.events({ under: ["unshare", "--net"] }, "-B"));
    expect([told.stderr, told.which("built")]).toEqual(["", ALL]);
  });

  test("and the mirror has dropped is an error before anything runs, and `release refresh` is what helps", async () => {
    project.write("lists/a.list", "app\nvim\n");
    project.write("lists/b.list", "nano\nother\n");
    removePackage(project.repo, "vim");
    const told = await project.events({});
    expect(told.status).toBe(3);
    expect(told.events.filter(({ type }) => type === "started")).toEqual([]);
    expect(told.stderr).toContain("platformfs-a.tree: the mirror has dropped vim 2:9.0-1");
    expect(told.stderr).toContain("`imagemake release refresh` takes a new snapshot");
    // With -k that is the problem of what wants it alone.
    const rest = await project.events({}, "-k");
    expect([rest.status, rest.which("failed"), rest.which("skipped")]).toEqual([
      3,
      ["platformfs-a.tree"],
      ["platformfs-a"],
    ]);
    expect(rest.which("built")).toEqual(["platformfs-b", "platformfs-b.tree"]);
    addPackage(project.repo, { name: "vim", version: "2:9.1-1" });
    expect((await project.good("release", "refresh")).stdout).toContain("vim 2:9.0-1 → 2:9.1-1");
    expect((await project.events({})).which("built")).toContain("platformfs-a.tree");
  });

  test("is fetched from where the repository is now; its place is in no key", async () => {
    const moved = `${project.repo.dir}-moved`;
    renameSync(project.repo.dir, moved);
    const again = await project.events({}, `MIRROR=file://${moved}`);
    expect([again.status, again.which("built"), again.which("restored")]).toEqual([0, [], []]);
    project.write("lists/b.list", "nano\nvim\nlibone\n");
    const more = await project.events({}, `MIRROR=${moved}`);
    renameSync(moved, project.repo.dir);
    expect([more.stderr, more.which("built")]).toEqual(["", ["platformfs-b", "platformfs-b.tree"]]);
  });

  test("a package file that was cut off in the store is fetched again; so is one that was changed", async () => {
    const file = project.path(
      ".imagemake/store/packages",
      project.names(".imagemake/store/packages")[0] ?? "",
    );
    truncateSync(file, 100);
    const cut = await project.events({}, "-B", "rootfs.tree");
    expect([cut.stderr, cut.status]).toEqual(["", 0]);
    const bytes = readFileSync(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
    writeFileSync(file, bytes);
    const changed = await project.run("-B", "rootfs.tree");
    expect([changed.status, changed.stderr]).toEqual([
      0,
      expect.stringContaining("in the store is damaged, and is fetched again"),
    ]);
    expect((await project.run("cache", "verify")).status).toBe(0);
  });
});
