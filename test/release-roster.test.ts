// What a release is about: its roster, and one moment of each repository. Through the real command line, apt and dpkg,
// with targets that cannot be resolved, repositories that change between two uses, and one that does not answer.
import { renameSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { addPackage, hostArch, type AptRepo } from "./support/apt-repo.js";
import { atTime } from "./support/cli.js";
import { LISTS, makePackageProject, makeTinyRepo, parsed, platforms } from "./support/packages.js";
import type { PackageProject } from "./support/packages.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

const STARTED = { type: "started" } as const;
const ROOTFS = LISTS["rootfs.list"] ?? "";

describe("of several targets one that cannot be resolved", () => {
  let project: PackageProject;
  beforeAll(async () => {
    const repo = makeTinyRepo();
    const four = platforms(repo.url)
      .replace('b: list("lists/b.list")', 'b: list("lists/b.list"), c: ["vim"], d: list("lists/d.list")')
      .replace(
        "default: [rootfs, platformfs]",
        "default: [rootfs, platformfs], release: { of: [platformfs.a] }",
      );
    project = makePackageProject(repo, { "Imagefile.ts": four, "lists/d.list": "late\n" });
    await project.good("rootfs.tree");
  });
  afterAll(() => project.remove());

  test("ends the build before anything starts, and all that cannot be are named at once", async () => {
    project.write("lists/b.list", "vimm\n");
    const told = await project.events({}, "platformfs-all");
    expect([told.status, told.events.filter(({ type }) => type === STARTED.type)]).toEqual([2, []]);
    expect(told.stderr).toMatch(/^imagemake: 2 targets cannot be built:\n/);
    expect(told.stderr).toMatch(
      /^ {2}platformfs-b\.tree: there is no package vimm .*\n {4}did you mean vim\?/m,
    );
    expect(told.stderr).toMatch(
      /^ {2}platformfs-d\.tree: there is no package late .*\(asked for in lists\/d\.list\)$/m,
    );
    expect(told.stderr).toMatch(/\n {2}-k builds the rest\n$/);
    expect(await project.run("-n", "platformfs-all")).toMatchObject({ status: 2, stdout: "" });
    // What helps is lines in a failure, in why and in log too.
    const lines = /\n {2}did you mean vim\?\n {2}the release's snapshot is of /;
    expect((await project.run("-k", "platformfs-b.tree")).stderr).toMatch(lines);
    expect((await project.run("why", "platformfs-b.tree")).stdout).toMatch(lines);
    const log = await project.run("log", "platformfs-b.tree");
    expect([log.status, log.stderr]).toEqual([2, expect.stringMatching(lines)]);
    expect(log.stderr).toContain(
      "platformfs-b.tree was never built here\n  its packages cannot be resolved: there is no package vimm",
    );
    project.write("lists/b.list", "nano\n");
  });

  test("fails alone with -k: the three others are built", async () => {
    const { stdout, status } = await project.run("-n", "-k", "platformfs-all");
    expect([status, stdout]).toEqual([
      2,
      expect.stringContaining("platformfs-d.tree: its packages cannot be resolved: there is no package late"),
    ]);
    const told = await project.events({}, "-k", "platformfs-all");
    expect([told.status, told.which("failed"), told.which("skipped")]).toEqual([
      2,
      ["platformfs-d.tree"],
      ["platformfs-d"],
    ]);
    expect(told.which("built").filter((id) => !id.endsWith(".tree"))).toEqual([
      "platformfs-a",
      "platformfs-b",
      "platformfs-c",
    ]);
  });

  test("is told by why, and stops no release whose roster does not have it", async () => {
    expect((await project.good("why", "platformfs-d")).stdout).toMatch(
      /\nplatformfs-d\.tree: its packages cannot be resolved: there is no package late /,
    );
    await project.good("release", "start", "--release", "20310101");
    await project.good("platformfs-a");
    expect((await project.good("release", "status")).stdout).toContain("1 of 1 targets are up to date");
    expect((await project.good("release", "refresh")).stdout).toBe("no package changed\n");
    await project.good("release", "collect");
    await project.good("release", "reopen");
  });

  test("on the roster it is told by status, named by collect, and can be dropped", async () => {
    await project.good("release", "start", "platformfs-a", "platformfs-d", "--release", "20310102");
    await project.run("-k", "platformfs-a", "platformfs-d");
    const { stdout } = await project.good("release", "status");
    expect(stdout).toContain("    platformfs-d: input platformfs-d.tree is out of date\n");
    expect((await project.run("release", "collect")).stderr).toContain(
      "platformfs-d: input platformfs-d.tree",
    );
    await project.good("release", "drop", "platformfs-d", "--because", "not today");
    await project.good("release", "collect");
    await project.good("release", "abandon");
  });

  test("after the repository was mended `release refresh` is what the message names, and what helps", async () => {
    addPackage(project.repo, { name: "late", files: { "/usr/share/late": "late\n" } });
    const again = await project.run("platformfs-d.tree");
    expect(again.status).toBe(2);
    expect(again.stderr).toMatch(
      /the release's snapshot is of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; `imagemake release refresh` takes a new one\n$/,
    );
    await project.good("release", "refresh", "platformfs-d");
    await project.good("platformfs-d.tree");
  });

  test("keeps a refresh from being written down, unless the rest is to be refreshed with -k", async () => {
    addPackage(project.repo, { name: "nano", version: "1.1" });
    await project.good("platformfs-b.tree");
    const file = `releases/20310101.json`;
    const before = project.read(file);
    project.write("lists/d.list", "late\nvimm\n");
    const stopped = await project.run("release", "refresh", "platformfs");
    expect([stopped.status, stopped.stderr]).toEqual([
      2,
      expect.stringMatching(
        /platformfs-d\.tree: there is no package vimm.*\n.*\n {2}the release stays as it was; -k /,
      ),
    ]);
    expect(project.read(file)).toBe(before);
    const rest = await project.run("release", "refresh", "-k", "platformfs");
    expect(rest.stdout).toContain("nano 1.0 → 1.1");
    expect([rest.status, rest.stderr]).toEqual([
      2,
      expect.stringContaining("not resolved: platformfs-d.tree: "),
    ]);
  });
});

describe("release start", () => {
  let project: PackageProject;
  let other: AptRepo;
  beforeAll(() => {
    const repo = makeTinyRepo();
    other = makeTinyRepo([], { suite: "other" });
    const rootfs = (name: string, url: string, suite: string): string =>
      `export const ${name} = rule.rootfs({ repo: apt({ url: "${url}", suite: "${suite}" }), arch: "${hostArch()}", variant: "busybox", packages: list("rootfs.list"), out: "${name}.tar" });`;
    project = makePackageProject(repo, {
      "Imagefile.ts": `
import { apt, list, rule, project } from "imagemake";
${rootfs("one", repo.url, "tiny")}
${rootfs("two", other.url, "other")}
export default project({ release: { of: [one, two] } });`,
      "rootfs.list": `${ROOTFS}nano\n`,
    });
  });
  afterAll(() => {
    project.remove();
  });

  const snapshotsOf = (day: string): Readonly<Record<string, { readonly taken: string }>> =>
    (JSON.parse(project.read(`releases/${day}.json`)) as never)["snapshots"];
  const [ONE, TWO] = [`apt tiny main ${hostArch()}`, `apt other main ${hostArch()}`];

  test("with a repository that does not answer opens nothing, and says how to begin without it", async () => {
    renameSync(other.dir, `${other.dir}-away`);
    const refused = await project.run("release", "start", "--release", "20310101");
    renameSync(`${other.dir}-away`, other.dir);
    expect(refused.status).toBe(3);
    expect(refused.stderr).toMatch(/no release was opened: two\.tree: .*other main/);
    expect(refused.stderr).toMatch(
      /\n {2}`imagemake release start one --release 20310101` opens it without two\n$/,
    );
    expect([project.names("releases"), project.names(".imagemake/releases")]).toEqual([[], []]);
  });

  test("takes all snapshots of the roster in one go; -n says which, and takes none", async () => {
    const { stderr } = await project.good("release", "start", "--release", "20310101", "-n");
    expect(stderr).toBe(
      `would take the snapshot of ${ONE}\nwould take the snapshot of ${TWO}\nwould open release 20310101 with 2 targets\n`,
    );
    expect(project.names("releases")).toEqual([]);
    const started = parsed(await project.good("release", "start", "--release", "20310101", "--json"));
    expect(started).toMatchObject({ snapshots: { [ONE]: {}, [TWO]: {} } });
    const [one, two] = [snapshotsOf("20310101")[ONE], snapshotsOf("20310101")[TWO]];
    expect(one?.taken).toBe(two?.taken);
  });

  test("so that what is first built later is of that moment too", async () => {
    await project.good("one.tree");
    addPackage(other, { name: "nano", version: "1.1" });
    expect((await project.good("two.tree")).stderr).not.toContain("warning: the snapshot");
    const { closures } = JSON.parse(project.read("releases/20310101.json")) as {
      closures: Record<string, { packages: { name: string; version: string }[] }>;
    };
    expect(closures["two.tree"]?.packages.find(({ name }) => name === "nano")?.version).toBe("1.0");
  });

  test("a snapshot that is taken later than the first is said, with both times", async () => {
    await project.good("release", "start", "one", "--release", "20310102");
    const hour = atTime(new Date(Date.now() + 3_600_000).toISOString());
    const { stderr } = await project.call({ under: hour }, "two.tree");
    const at = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC";
    expect(stderr).toMatch(
      new RegExp(
        `\\nwarning: the snapshot of ${TWO} is of ${at}, and the first of release 20310102 \\(${ONE}\\) is of ${at}: .imagemake release refresh. `,
      ),
    );
    expect((await project.good("release", "status")).stdout).toMatch(
      new RegExp(`\\n {2}snapshot of ${TWO}, taken ${at}, later than the first \\(${at}\\)`),
    );
    const part = await project.good("release", "refresh", "two");
    expect(part.stderr.match(/warning: the snapshot of /g)).toHaveLength(1);
    // All anew are of one moment again.
    const all = await project.good("release", "refresh", "one", "two");
    expect(all.stderr).not.toContain("warning");
    expect((await project.good("release", "status")).stdout).not.toContain("later than the first");
  });
});
