// A release's file that somebody else writes while imagemake is at work: a pull from version control, an editor. No lock
// keeps them out, and what they wrote stays.
import { copyFileSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { finish, makeProject, type TestProject } from "./support/cli.js";
import { makePuppet, type Puppet } from "./support/faults.js";

const DAY = "20261121";
const FILE = `releases/${DAY}.json`;

let puppet: Puppet;
let project: TestProject;
beforeEach(async () => {
  puppet = makePuppet();
  project = makeProject({
    "Imagefile.ts": `export const slow = run({ inputs: { SRC: files("src") }, cmd: '${puppet.cmd} cat "$SRC" > "$OUT"', out: "slow.txt" });
export const quick = run({ inputs: {}, cmd: 'echo quick > "$OUT"', out: "quick.txt" });\n`,
    src: "one\n",
  });
  await project.good("release", "start", "--release", DAY);
  await project.good("quick");
});
afterEach(() => {
  puppet.close();
  project.remove();
});

/** Builds `slow` and does `work` while it runs. */
async function during(work: () => void): ReturnType<typeof finish> {
  const building = project.start({}, "slow");
  await puppet.started(1, building);
  work();
  puppet.release();
  return finish(building);
}

const release = (): Readonly<Record<string, unknown>> =>
  JSON.parse(project.read(FILE)) as Readonly<Record<string, unknown>>;
const edit = (change: Readonly<Record<string, unknown>>): void =>
  project.write(FILE, JSON.stringify({ ...release(), ...change }));

describe("while a build runs", () => {
  test("a rejection that comes into the release's file stays, and counts", async () => {
    copyFileSync(project.path(FILE), project.path("before.json"));
    await project.good("release", "reject", "quick", "--because", "it does not start");
    const { rejected } = release();
    copyFileSync(project.path("before.json"), project.path(FILE));
    const { lastBuild } = release();
    expect((await during(() => edit({ rejected }))).status).toBe(0);
    expect(release()["rejected"]).toEqual(rejected);
    expect(release()["lastBuild"]).not.toBe(lastBuild);
    // Once more: what we wrote ourselves is no change of somebody else's.
    const { status, stderr } = await project.run("quick");
    expect([status, stderr]).toEqual([1, expect.stringContaining("it does not start")]);
    expect(release()["rejected"]).toEqual(rejected);
  });

  test("a file with the marks of a conflict is left as it is", async () => {
    const conflict = "<<<<<<< ours\n{}\n=======\n";
    const { status, stderr } = await during(() => project.write(FILE, conflict));
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining(`${FILE} cannot be read as a release file`),
    ]);
    expect(project.read(FILE)).toBe(conflict);
    expect(project.read("out/slow.txt")).toBe("one\n");
  });

  test("a file that is removed is not made again", async () => {
    const { status, stderr } = await during(() => rmSync(project.path(FILE)));
    expect([status, stderr]).toEqual([3, expect.stringContaining(`${FILE} was removed while this ran`)]);
    expect(project.exists(FILE)).toBe(false);
  });

  test("another project in the place of the one that was moved keeps its own release", async () => {
    const moved = `${project.dir}-moved`;
    const other = `{ "of": "the other" }\n`;
    const { status, stderr } = await during(() => {
      renameSync(project.dir, moved);
      mkdirSync(project.dir);
      project.write("src", "other\n");
      project.write(FILE, other);
      project.write(".imagemake/releases/mine", "mine");
    });
    try {
      expect([status, stderr]).toEqual([
        3,
        expect.stringContaining("is another directory than when this began"),
      ]);
      expect(project.read(FILE)).toBe(other);
      expect(project.names("out")).toEqual([]);
      expect(project.names(".imagemake/releases")).toEqual(["mine"]);
    } finally {
      rmSync(moved, { recursive: true });
    }
  });
});
