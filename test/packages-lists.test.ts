// Package lists and what an edit of one leads to, through the real command line, apt, dpkg and mmdebstrap: exactly
// the targets whose closure changed are built, `why` says it in packages, and looking needs no network.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { Told } from "./support/cli.js";
import { ALL, listing, LISTS, makePackageProject, makeTinyRepo, platforms } from "./support/packages.js";
import type { PackageProject } from "./support/packages.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

/** No network but its own loopback, not even that one up. */
const OFFLINE = { under: ["unshare", "--net"] };

describe("editing a package list", () => {
  let project: PackageProject;
  let first: Told;
  beforeAll(async () => {
    project = makePackageProject(makeTinyRepo());
    first = await project.events({});
  });
  afterAll(() => project.remove());

  const change = (told: Told, target: string): unknown =>
    JSON.parse(JSON.stringify(told.about("started", target)?.reason)) as unknown;
  const added = (name: string, version: string): object => ({ name, before: null, after: version });

  test("at first everything is built, once", () => {
    expect(first.stderr).toBe("");
    expect(first.which("built")).toEqual(ALL);
  });

  test("adding a package builds that platform's layer and its packing, and nothing else", async () => {
    expect((await project.run("-q")).status).toBe(0);
    project.write("lists/a.list", "app\nvim\n");
    expect((await project.run("-q")).status).toBe(1);
    const told = await project.events({});
    expect(told.which("built")).toEqual(["platformfs-a", "platformfs-a.tree"]);
    expect(told.which("up-to-date")).toEqual(ALL.filter((id) => !id.startsWith("platformfs-a")));
    expect(change(told, "platformfs-a.tree")).toMatchObject({
      reason: { kind: "changed", packages: [added("vim", "2:9.0-1")] },
    });
  });

  test("comments, order, repetition and blank lines build nothing", async () => {
    project.write("lists/a.list", "# editors\n\nvim   # the editor\n  app app\n\n");
    project.write("rootfs.list", `# all\n${(LISTS["rootfs.list"] ?? "").split("\n").reverse().join("\n\n")}`);
    const { stderr, status } = await project.run();
    expect([status, stderr]).toEqual([0, expect.stringMatching(/\nnothing to do\n$/)]);
  });

  test("a name that is in the closure already, or in the tree beneath, builds nothing", async () => {
    project.write("lists/a.list", "app\nvim\nlibone\nbusybox-static\n");
    project.write("rootfs.list", `${LISTS["rootfs.list"] ?? ""}libc6\ntar\n`);
    const told = await project.events({});
    expect([told.which("built"), told.which("restored")]).toEqual([[], []]);
    expect(told.which("failed")).toEqual([]);
  });

  test("taking an edit back links what was built before", async () => {
    project.write("lists/a.list", "app\n");
    const told = await project.events({});
    expect(told.which("built")).toEqual([]);
    expect(told.which("restored")).toEqual(["platformfs-a"]);
  });

  test("an edit of the root filesystem's list builds it and all that is on it", async () => {
    project.write("rootfs.list", `${LISTS["rootfs.list"] ?? ""}other\n`);
    const told = await project.events({});
    expect(told.which("built")).toEqual(ALL);
    expect(change(told, "rootfs.tree")).toMatchObject({
      reason: { kind: "changed", packages: [added("other", "1.0")] },
    });
  });
});

describe("looking", () => {
  let project: PackageProject;
  beforeAll(() => {
    project = makePackageProject(makeTinyRepo());
  });
  afterAll(() => project.remove());

  /** What commands that only look print; nothing may change, and nobody may be asked. */
  async function look(...commands: readonly string[]): Promise<Record<string, string>> {
    const before = listing(project.dir);
    const said = await project.withoutRepo(() =>
      Promise.all(
        commands.map(async (words) => {
          const { stdout, stderr, status } = await project.call(OFFLINE, ...words.split(" "));
          if (status !== 0 && !words.startsWith("-q")) throw new Error(`${words}: ${status} ${stderr}`);
          return [words, stdout] as const;
        }),
      ),
    );
    expect(listing(project.dir)).toEqual(before);
    return Object.fromEntries(said);
  }

  test("before the first build says `not resolved`, and leaves no state behind", async () => {
    const words = ["list", "platformfs-all-print", "-n", "-q", "why rootfs.tree", "show rootfs.tree"];
    const said = await look(...words);
    expect(said["why rootfs.tree"]).toBe("rootfs.tree: packages not resolved\n");
    expect(said["show rootfs.tree"]).toContain("not resolved");
    expect(said["-n"]).toContain("rootfs.tree: packages not resolved");
    expect(project.names(".")).not.toContain(".imagemake");
  });

  test("resolves a new list from the release's snapshot", async () => {
    await project.good("rootfs.tree");
    const said = await look("why platformfs-a.tree", "show platformfs-a.tree");
    expect(said["why platformfs-a.tree"]).toBe("platformfs-a.tree: never built\n");
    expect(said["show platformfs-a.tree"]).toMatch(/^ +packages +2 apt packages/m);
  });

  test("says an edited list in packages, before the build and after it", async () => {
    await project.good("platformfs-a");
    project.write("lists/a.list", "vim\n");
    const changes = "packages: + vim 2:9.0-1, - app, - libone";
    const before = await look("why platformfs-a.tree", "why platformfs-a", "-n platformfs-a");
    expect(before["why platformfs-a.tree"]).toBe(`platformfs-a.tree: ${changes}\n`);
    expect(before["why platformfs-a"]).toContain(`\nplatformfs-a.tree: ${changes}\n`);
    expect(before["-n platformfs-a"]).toContain(`platformfs-a.tree: ${changes}\n`);
    await project.good("platformfs-a");
    const after = await look("why platformfs-a.tree");
    expect(after["why platformfs-a.tree"]).toMatch(/^platformfs-a.tree: up to date\n {2}last built /);
    expect(after["why platformfs-a.tree"]).toContain(`\n    ${changes}\n`);
  });

  test("an edited list of the tree beneath shows in what is built on it", async () => {
    project.write("rootfs.list", `${LISTS["rootfs.list"] ?? ""}nano\n`);
    const said = await look("why platformfs-a");
    expect(said["why platformfs-a"]).toContain("rootfs.tree: packages: + nano 1.0\n");
    expect(said["why platformfs-a"]).toContain("platformfs-a.tree: input rootfs.tree is out of date\n");
    project.write("rootfs.list", LISTS["rootfs.list"] ?? "");
  });
});

describe("putting a step in", () => {
  let project: PackageProject;
  const STEPS = ['step.write("/etc/a", "a")', 'step.install(["vim"])', 'step.write("/etc/b", "b")'] as const;
  const withSteps = (...steps: readonly string[]): string => `${platforms(project.repo.url)}
import { step } from "imagemake";
export const img = rule.platformfs({ from: rootfs, packages: ["app"], steps: [${steps.join(", ")}] });
`;
  beforeAll(async () => {
    project = makePackageProject(makeTinyRepo());
    project.write("Imagefile.ts", withSteps(...STEPS));
    await project.good("img");
  });
  afterAll(() => project.remove());

  const why = async (): Promise<string[]> => (await project.good("why", "img")).stdout.split("\n");

  test("is told as one line, however much it differs from the one that had its name", async () => {
    const [write, install, last] = STEPS;
    project.write("Imagefile.ts", withSteps(write, 'step.remove(["usr/share/other"])', install, last));
    expect(await why()).toEqual([
      "img: input img/base is out of date",
      "img/base-2: a new step.remove; what had its name is img/base-3",
      "img/base: input img/base-2 is out of date",
      "",
    ]);
  });

  test("at the end is told so too, and a step taken out by what comes after it", async () => {
    const [write, install, last] = STEPS;
    project.write("Imagefile.ts", withSteps(...STEPS, 'step.write("/etc/c", "c")'));
    expect(await why()).toEqual(["img: a new step.write; what had its name is img/base", ""]);
    project.write("Imagefile.ts", withSteps(write, last));
    expect(await why()).toEqual(["img: input BASE in/BASE changed", ""]);
    project.write("Imagefile.ts", withSteps(install, last));
    expect((await why()).length).toBeLessThan(5);
  });

  test("beside an edit: what moved is compared with what it was under its other name", async () => {
    project.write("lists/more.list", "nano\n");
    const text = withSteps('step.remove(["usr/share/other"])', ...STEPS).replace(
      '["app"]',
      '["app", "nano"]',
    );
    project.write("Imagefile.ts", text);
    const said = await why();
    expect(said).toContain("img/base-4: packages: + nano 1.0");
    expect(said.length).toBeLessThan(10);
  });
});

describe("a list that cannot be met", () => {
  let project: PackageProject;
  beforeAll(async () => {
    project = makePackageProject(makeTinyRepo([{ name: "broken", depends: "libone (>= 9)" }]), {
      // Its repository is asked only after its lists were read.
      "unready.ts": platforms("file:///nonexistent").replace("lists/a.list", "lists/missing.list"),
    });
    await project.good("rootfs.tree");
  });
  afterAll(() => project.remove());

  /** What building and looking say of it; nothing may be started. */
  async function refused(...args: string[]): Promise<readonly string[]> {
    const told = await project.events({}, ...args);
    const looked = await project.run("-n", ...args);
    expect([told.status, looked.status]).toEqual([2, 2]);
    expect(told.events.filter((event) => event.type === "started")).toEqual([]);
    return [told.stderr, looked.stderr];
  }

  test("names the package, the list, the target and the nearest package", async () => {
    project.write("lists/a.list", "app\nvimm\n");
    for (const said of await refused("platformfs-a")) {
      expect(said).toContain("platformfs-a.tree: there is no package vimm in tiny main");
      expect(said).toContain("(asked for in lists/a.list)\n  did you mean vim?");
    }
  });

  test("passes on apt's reasons", async () => {
    project.write("lists/a.list", "broken\n");
    for (const said of await refused("platformfs-a")) {
      expect(said).toMatch(/platformfs-a\.tree: broken cannot be installed .*Depends: libone \(>= 9\)/);
      expect(said).toContain("(asked for in lists/a.list)");
    }
  });

  test("that is not there is named, with its target and its place in the Imagefile", async () => {
    for (const said of await refused("-f", "unready.ts", "platformfs-a")) {
      expect(said).toMatch(
        /unready\.ts:\d+: platformfs-a\.tree: list lists\/missing\.list cannot be read\n.*ENOENT/,
      );
    }
  });

  test("does not keep others from being built", async () => {
    project.write("lists/a.list", "vimm\n");
    const told = await project.events({}, "platformfs-b.tree");
    expect(told.which("built")).toEqual(["platformfs-b.tree"]);
    expect((await project.run("-q", "platformfs-b.tree")).status).toBe(0);
  });
});
