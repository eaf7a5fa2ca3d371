// `imagemake cache gc`, `stats` and `ls` through the real command line: what the next build and releases need stays,
// all else goes, and the numbers say so.
import { rmSync } from "node:fs";
import { afterEach, describe, expect, test } from "@jest/globals";
import { projectOf } from "../engine/project.js";
import { neededBy } from "../engine/release/needed.js";
import type { Release } from "../engine/release/record.js";
import { newRelease } from "../engine/release/release.js";
import { atTime, finish, makeProject, type TestProject } from "./support/cli.js";

/** A tree from a file, a layer on it, a file made from the layer; and a file beside. */
const IMAGEFILE = `import { files, project, rule, run, step } from "imagemake";
export const base = run({ inputs: { SRC: files("base.txt") }, tree: true, cmd: 'mkdir "$OUT/etc"; cp $SRC "$OUT/etc/"' });
export const platform = rule.platformfs({ from: base, steps: [step.overlay("overlay")] });
export const image = run({ inputs: { IN: platform }, cmd: 'cat "$IN"/etc/* > "$OUT"', out: "image-{date}.txt" });
export const other = run({ inputs: { SRC: files("base.txt") }, cmd: 'cp $SRC "$OUT"', out: "other.txt" });
export default project({ default: [image, other] });
`;

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

function made(): TestProject {
  const project = makeProject({ "Imagefile.ts": IMAGEFILE, "base.txt": "base\n", "overlay/etc/more": "1\n" });
  projects.push(project);
  return project;
}

async function built(): Promise<TestProject> {
  const project = made();
  await project.good();
  return project;
}

interface Removed {
  readonly dryRun: boolean;
  readonly removed: readonly {
    readonly kind: string;
    readonly name: string;
    readonly target: string | null;
    readonly bytes: number;
  }[];
  readonly builds: number;
  readonly bytes: number;
  readonly kept: number;
}

async function gc(project: TestProject, ...args: string[]): Promise<Removed> {
  return JSON.parse((await project.good("cache", "gc", "--json", ...args)).stdout) as Removed;
}

/** Targets of the artifacts that go, with their kind. */
const targets = ({ removed }: Removed): string[] =>
  removed
    .filter(({ kind }) => kind === "file" || kind === "layer")
    .map(({ kind, target }) => `${kind} ${target ?? ""}`)
    .sort();

interface Artifact {
  readonly id: string;
  readonly kind: string;
  readonly action: string | null;
  readonly parent: string | null;
}

const ls = async (project: TestProject): Promise<Artifact[]> =>
  JSON.parse((await project.good("cache", "ls", "--json")).stdout) as Artifact[];

const idle = async (project: TestProject, ...args: string[]): Promise<boolean> =>
  (await project.run("-q", ...args)).status === 0;

describe("what stays", () => {
  test("everything that was built last: nothing goes, and there is nothing to do", async () => {
    const project = await built();
    const before = await ls(project);
    expect((await project.good("cache", "gc")).stdout).toBe("nothing to remove\n");
    expect(await ls(project)).toEqual(before);
    expect((await project.good()).stderr).toContain("nothing to do");
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test("what a build restored, and all that was made of: also what was not built last", async () => {
    const project = await built();
    project.write("base.txt", "another\n");
    await project.good();
    project.write("base.txt", "base\n");
    const back = await project.events({});
    expect(back.which("built")).toEqual([]);
    await project.good("cache", "gc");
    expect(await idle(project)).toBe(true);
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test("the tree beneath a layer, though a newer one was built and nothing is linked", async () => {
    const project = made();
    await project.good("platform");
    const old = (await ls(project)).find(({ action }) => action === "platform")?.parent;
    project.write("base.txt", "another\n");
    await project.good("base");
    await project.good("cache", "gc");
    const kept = await ls(project);
    expect(kept.map(({ id }) => id)).toContain(old);
    expect(kept).toHaveLength(3);
    expect((await project.good("cache", "verify")).stdout).toContain("3 trees");
    project.write("base.txt", "base\n");
    expect(await idle(project, "platform")).toBe(true);
  });

  test("what an open explicit release shows, though it is not the current one", async () => {
    const project = made();
    await project.good("release", "start", "--release", "20260101");
    await project.good();
    project.write("base.txt", "another\n");
    await project.good("--release", "20260202");
    await project.good("cache", "gc");
    project.write("base.txt", "base\n");
    expect(await idle(project, "--release", "20260101", "image")).toBe(true);
  });

  test("verdicts on artifacts that stay", async () => {
    const project = makeProject({
      "Imagefile.ts": `
        export const a = run({ inputs: { SRC: files("a.txt") }, cmd: 'cp $SRC "$OUT"', out: "a" });
        export const checked = rule.check({ inputs: { IN: a }, cmd: 'test -s "$IN"' });
      `,
      "a.txt": "a\n",
    });
    projects.push(project);
    await project.good("checked");
    project.write("a.txt", "b\n");
    await project.good("checked");
    project.write("a.txt", "a\n");
    await project.good("checked");
    expect((await gc(project)).builds).toBe(0);
    expect(await idle(project, "checked")).toBe(true);
    // Of artifacts that go, the verdict goes too.
    project.write("a.txt", "c\n");
    await project.good("checked");
    expect((await gc(project)).builds).toBe(4);
  });

  test("what other Imagefiles beside this one built", async () => {
    const project = await built();
    project.write("8.2.ts", `export const two = run({ inputs: {}, cmd: 'echo 2 > "$OUT"', out: "two" });`);
    await project.good("-f", "8.2.ts", "two");
    await project.good("cache", "gc");
    expect(await idle(project, "-f", "8.2.ts", "two")).toBe(true);
    expect(await idle(project)).toBe(true);
  });
});

describe("what goes", () => {
  test("what was built before, with its record and its log; -n says the same and changes nothing", async () => {
    const project = await built();
    project.write("base.txt", "another\n");
    await project.good();
    const before = await ls(project);
    const dry = await gc(project, "-n");
    expect(dry.dryRun).toBe(true);
    expect(targets(dry)).toEqual(["file image", "file other", "layer base", "layer platform"]);
    expect(dry.builds).toBe(4);
    expect(await ls(project)).toEqual(before);
    const real = await gc(project);
    expect({ ...real, dryRun: true }).toEqual(dry);
    expect(await ls(project)).toHaveLength(4);
    expect(project.names(".imagemake/store/layers")).toHaveLength(4);
    expect(project.names(".imagemake/store/manifests")).toHaveLength(2);
    expect(project.names(".imagemake/logs")).toHaveLength(4);
    expect((await project.good()).stderr).toContain("nothing to do");
  });

  test("only the layers above what changed", async () => {
    const project = await built();
    project.write("overlay/etc/more", "2\n");
    await project.good();
    expect(targets(await gc(project))).toEqual(["file image", "layer platform"]);
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test("the bytes it says are those that are free afterwards", async () => {
    const project = await built();
    const disk = async (): Promise<number> =>
      (
        JSON.parse((await project.good("cache", "stats", "--json")).stdout) as Record<
          string,
          { disk: number }
        >
      )["files"]?.disk ?? 0;
    project.write("base.txt", "x".repeat(1_000_000));
    await project.good();
    project.write("base.txt", "small\n");
    await project.good();
    const before = await disk();
    const { removed } = await gc(project);
    const freed = removed.filter(({ kind }) => kind === "file").reduce((sum, { bytes }) => sum + bytes, 0);
    expect(freed).toBeGreaterThan(1_000_000);
    expect(before - (await disk())).toBe(freed);
  });

  test("packages and snapshots that no release names, and what a crash left in the store", async () => {
    const project = await built();
    project.write(`.imagemake/store/packages/${"0123".repeat(16)}`, "x");
    project.write(`.imagemake/store/snapshots/${"4567".repeat(16)}/InRelease`, "x");
    project.write(".imagemake/store/layers/aaaa.1-0.tmp/etc/file", "x");
    project.write(".imagemake/store/layers/bbbb.json", "{}");
    project.write(".imagemake/store/manifests/cccc", "x");
    const { removed } = await gc(project);
    expect(removed.map(({ kind }) => kind).sort()).toEqual([
      "layer",
      "leftover",
      "manifest",
      "package",
      "snapshot",
    ]);
    for (const dir of ["packages", "snapshots"]) expect(project.names(`.imagemake/store/${dir}`)).toEqual([]);
    expect((await project.good("cache", "gc")).stdout).toBe("nothing to remove\n");
    expect(await idle(project)).toBe(true);
  });

  test("an implicit release that is over, once nothing of it is in out/", async () => {
    const project = made();
    const at = (day: number, ...args: string[]): ReturnType<TestProject["call"]> =>
      project.call({ under: atTime(`2026-03-0${day}T12:00:00Z`) }, ...args);
    await at(1);
    await at(2);
    const releases = (): string[] => project.names(".imagemake/releases");
    expect(releases()).toEqual(["20260301.json", "20260302.json"]);
    await at(3, "cache", "gc");
    expect(releases()).toEqual(["20260301.json", "20260302.json"]);
    rmSync(project.path("out/image-20260301.txt"));
    rmSync(project.path("out/other.txt"));
    expect((await at(3, "cache", "gc", "-n")).stdout).toMatch(/release +0 B +20260301\n/);
    await at(3, "cache", "gc");
    expect(releases()).toEqual(["20260302.json"]);
  });
});

describe("with others at work", () => {
  test("it waits for a build, and takes nothing that the build has just made", async () => {
    const project = makeProject({
      "Imagefile.ts": `
        export const first = run({ inputs: {}, cmd: 'echo 1 > "$OUT"', out: "first" });
        export const second = run({
          inputs: { IN: first }, env: { GO: process.cwd() + "/go" },
          cmd: 'while ! [ -e "$GO" ]; do :; done; cat "$IN" > "$OUT"', out: "second",
        });`,
    });
    projects.push(project);
    const building = project.start({}, "second", "--progress", "plain");
    await new Promise<void>((resolve) => {
      building.stderr?.on("data", (chunk: Buffer) => {
        if (chunk.includes("start second")) resolve();
      });
    });
    const refused = await project.run("cache", "gc", "--no-wait");
    expect([refused.status, refused.stderr]).toEqual([3, expect.stringContaining("is running here")]);
    // Looking does not wait; the build's own log has no record yet.
    expect(targets(await gc(project, "-n"))).toEqual([]);
    const collecting = finish(project.start({}, "cache", "gc"));
    project.write("go", "");
    expect((await finish(building)).status).toBe(0);
    expect((await collecting).status).toBe(0);
    expect(await idle(project, "second")).toBe(true);
  });

  test("a release file that cannot be read stops it before anything is removed", async () => {
    const project = await built();
    project.write("base.txt", "another\n");
    await project.good();
    project.write("releases/20250101.json", "{");
    const refused = await project.run("cache", "gc");
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining("20250101.json")]);
    expect(await ls(project)).toHaveLength(8);
  });
});

describe("stats and ls", () => {
  test("say nothing is there where nothing was built, and make nothing", async () => {
    const project = made();
    const stats = JSON.parse((await project.good("cache", "stats", "--json")).stdout) as Record<
      string,
      { count: number }
    >;
    expect(Object.values(stats).every(({ count }) => count === 0)).toBe(true);
    expect(await ls(project)).toEqual([]);
    expect((await project.good("cache", "gc")).stdout).toBe("nothing to remove\n");
    expect(project.exists(".imagemake")).toBe(false);
  });

  test("count and measure what is there", async () => {
    const project = await built();
    const stats = JSON.parse((await project.good("cache", "stats", "--json")).stdout) as Record<
      string,
      { count: number; size: number; disk: number }
    >;
    expect(stats["files"]).toMatchObject({ count: 2, size: 12 });
    expect(stats["trees"]?.count).toBe(2);
    expect(stats["builds"]?.count).toBe(4);
    expect(stats["database"]?.size).toBeGreaterThan(4096);
    expect((await project.good("cache", "stats")).stdout).toMatch(/^files +2 +12 B +8\.2 kB$/m);
  });

  test("name each artifact with the action that made it", async () => {
    const project = await built();
    const rows = await ls(project);
    expect(rows.map(({ kind, action }) => `${kind} ${action ?? ""}`).sort()).toEqual([
      "file image",
      "file other",
      "tree base",
      "tree platform",
    ]);
    expect((await project.good("cache", "ls")).stdout).toMatch(
      /^file +7 B +\d{4}-\d\d-\d\d \d\d:\d\d +image +f:[0-9a-f]{64}$/m,
    );
  });
});

describe("limits", () => {
  const FILE = `import { run } from "imagemake";
    const made = (size) => run({ inputs: {}, cmd: \`head -c \${size} /dev/zero > "$OUT"\`, out: \`f\${size}-{date}.bin\` });
    export const first = made(1000001);
    export const second = made(1000002);
    export const third = made(1000003);
  `;

  /** The first two of long ago, in turn; the third is that of the current release. */
  async function aged(): Promise<TestProject> {
    const project = makeProject({ "Imagefile.ts": FILE });
    projects.push(project);
    for (const [target, minute] of [
      ["first", "00"],
      ["second", "30"],
    ] as const) {
      const { status } = await project.call({ under: atTime(`2026-01-01 12:${minute}:00`) }, target);
      expect(status).toBe(0);
    }
    await project.good("third");
    return project;
  }

  test("--older-than takes last builds of long ago, and never what the current release needs", async () => {
    const project = await aged();
    expect(targets(await gc(project, "-n"))).toEqual([]);
    expect(targets(await gc(project, "--older-than", "30d"))).toEqual(["file first", "file second"]);
    expect(await idle(project, "third")).toBe(true);
    expect((await project.events({}, "first")).which("built")).toEqual(["first"]);
    // What is linked under the old date is the user's.
    expect(project.names("out")).toContain("f1000002-20260101.bin");
  });

  test("--max-size takes what was made first until it fits, and says what has to stay", async () => {
    const project = await aged();
    expect(targets(await gc(project, "-n", "--max-size", "3G"))).toEqual([]);
    expect(targets(await gc(project, "-n", "--max-size", "2100000"))).toEqual(["file first"]);
    expect((await project.good("cache", "gc", "--max-size", "1K")).stdout).toMatch(
      /^removed 2 files, .*\n1\.0 MB stay, more than 1\.0 kB: releases need them\n$/,
    );
  });

  test("space.max-size does it after each build", async () => {
    const project = await aged();
    const { stderr } = await project.call({ env: { IMAGEMAKE_SPACE_MAX_SIZE: "1M" } }, "-B", "third");
    expect(stderr).toContain("the store held 3.0 MB, and 1.0 MB after a gc (space.max-size is 1.0 MB)");
    expect((await ls(project)).map(({ action }) => action)).toEqual(["third"]);
  });

  test("--keep-releases lets go of promoted and withdrawn ones, never of one open, signed or current", () => {
    const release = (datecode: string, state: Release["state"]): Release =>
      newRelease(datecode, 0, {
        explicit: true,
        state,
        artifacts: { a: { name: "a", digest: datecode, executable: false } as Release["artifacts"][string] },
      });
    const kept = (releases: readonly Release[], keep?: number): string[] => {
      const lines = [{ project: { ...projectOf("/p", "Imagefile.ts") }, releases }];
      return [...neededBy(lines, [], keep === undefined ? {} : { releases: keep }).artifacts].sort();
    };
    const all = [
      release("1", "promoted"),
      release("2", "signed"),
      release("3", "promoted"),
      release("4", "withdrawn"),
      release("5", "open"),
    ];
    expect(kept(all)).toEqual(["f:1", "f:2", "f:3", "f:4", "f:5"]);
    expect(kept(all, 2)).toEqual(["f:2", "f:3", "f:4", "f:5"]);
    // The current one is older than the newest that is settled.
    expect(kept(all, 1)).toEqual(["f:2", "f:3", "f:4", "f:5"]);
  });

  test.each([
    [["--older-than", "30"], '--older-than: expected an age such as 12h, 30d or 8w, found "30"'],
    [["--max-size", "much"], '--max-size: expected a size such as 50GiB, found "much"'],
    [["--keep-releases", "none"], "it must be a number from 1 up"],
  ])("%j is refused", async (words, message) => {
    const project = made();
    const { status, stderr } = await project.run("cache", "gc", ...words);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
