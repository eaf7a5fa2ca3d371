// Where build engines go wrong with inputs: edits that stamps hardly show, edits meanwhile, clocks that jump. After
// each, one run builds what it has to, and the next has nothing to do.
import { rmSync, statSync, utimesSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { atTime, finish, makeProject, type TestProject } from "./support/cli.js";
import { coarseDisk, type Disk } from "./support/disk.js";
import { expectBuilds, expectSettled, makePuppet } from "./support/faults.js";
import { until } from "./support/sandbox.js";

jest.setTimeout(120_000);

const CAT = `export const a = run({ inputs: { SRC: files("src/*") }, cmd: 'cat $SRC > "$OUT"', out: "a.txt" });\n`;

describe("an edit of the same size", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({ "Imagefile.ts": CAT, "src/1": "one\n" });
  });
  afterAll(() => project.remove());

  test("right after a build is built, and right after a run with nothing to do", async () => {
    await project.good("a");
    project.write("src/1", "two\n");
    await expectBuilds(project, ["a"], "a");
    expect(project.read("out/a.txt")).toBe("two\n");
    project.write("src/1", "six\n");
    await expectBuilds(project, ["a"], "a");
    expect(project.read("out/a.txt")).toBe("six\n");
  });

  test("whose time was put back is built", async () => {
    const { atime, mtime } = statSync(project.path("src/1"));
    project.write("src/1", "ten\n");
    utimesSync(project.path("src/1"), atime, mtime);
    await expectBuilds(project, ["a"], "a");
    expect(project.read("out/a.txt")).toBe("ten\n");
  });
});

/** Containers often have none. */
const withLoops = spawnSync("losetup", ["--find"]).status === 0 ? describe : describe.skip;

withLoops("where times are whole seconds, an edit within the second", () => {
  const puppet = makePuppet();
  let [disk, project]: [Disk | undefined, TestProject | undefined] = [undefined, undefined];
  const on = (): TestProject => {
    if (project === undefined) throw new Error("there is no project");
    return project;
  };
  beforeAll(async () => {
    disk = await coarseDisk();
    const later = `
export const wait = run({ inputs: { SRC: files("src/*") }, cmd: '${puppet.cmd} echo > "$OUT"', out: "wait.txt" });
export const late = run({ inputs: { WAIT: wait, SRC: files("late/*") }, cmd: 'cat $SRC > "$OUT"', out: "late.txt" });
`;
    project = makeProject({ "Imagefile.ts": CAT + later, "src/1": "?\n", "late/1": "?\n" }, disk);
  });
  afterAll(async () => {
    await disk?.remove();
    puppet.close();
  });

  const stamp = (path: string): string => {
    const { size, mtimeMs, ctimeMs, ino } = statSync(on().path(path));
    return [size, mtimeMs, ctimeMs, ino].join(" ");
  };
  /**
   * Does `work` between two writes, until they left the same stamp: a busy machine may need more than the second,
   * and then nothing was tried.
   */
  const within = async (
    path: string,
    [before, after]: readonly [string, string],
    work: () => Promise<void>,
    rounds = 4,
  ): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      await until("a second begins", () => Date.now() % 1000 < 20);
      on().write(path, before);
      const seen = stamp(path);
      await work();
      on().write(path, after);
      if (stamp(path) === seen) return;
    }
  };

  test("is built after a build", async () => {
    await on().good("a");
    const once = async (): Promise<void> => {
      await on().good("a");
    };
    await within("src/1", ["1\n", "2\n"], once);
    await on().good("a");
    expect(on().read("out/a.txt")).toBe("2\n");
  });

  test("is built after a run with nothing to do", async () => {
    const twice = async (): Promise<void> => {
      await on().good("a");
      await expectSettled(on(), "a");
    };
    await within("src/1", ["3\n", "4\n"], twice);
    await on().good("a");
    expect(on().read("out/a.txt")).toBe("4\n");
  });

  test("is built where the file was first looked at late in a long run", async () => {
    const building = on().start({}, "late");
    await puppet.started(1, building);
    const begun = Date.now();
    await until("three seconds have passed", () => Date.now() - begun > 3100);
    const end = async (): Promise<void> => {
      puppet.release();
      expect(await finish(building)).toMatchObject({ status: 0 });
    };
    await within("late/1", ["5\n", "6\n"], end, 1);
    await on().good("late");
    expect(on().read("out/late.txt")).toBe("6\n");
  });
});

describe("an edit while the build runs", () => {
  const puppet = makePuppet();
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({
      "Imagefile.ts": `
export const a = run({
  inputs: { SRC: files("src/*"), NAMES: list("names") }, cmd: '${puppet.cmd} cat $SRC $NAMES > "$OUT"', out: "a.txt",
});
// What was never built comes after a, of which it is known how long it takes.
export const b = run({ inputs: { SRC: files("other/*") }, cmd: 'cat $SRC > "$OUT"', out: "b.txt" });
export const c = run({ inputs: { SRC: files("third/*", { optional: true }) }, cmd: 'cat $SRC > "$OUT"', out: "c.txt" });
`,
      "src/1": "old\n",
      names: "old\n",
      "other/1": "old\n",
      "third/1": "old\n",
    });
  });
  afterAll(() => {
    project.remove();
    puppet.close();
  });

  /** Builds, with something done while `a` runs. */
  const meanwhile = async (work: () => void, ...words: string[]): Promise<void> => {
    const runs = puppet.runs();
    const building = project.start({}, ...words);
    await puppet.started(runs + 1, building);
    work();
    puppet.release();
    expect(await finish(building)).toMatchObject({ status: 0 });
  };

  test("is not in the result, and the next run builds; the result belongs to what was staged", async () => {
    await meanwhile(() => {
      project.write("src/1", "new\n");
      project.write("src/2", "added\n");
      project.write("names", "new\n");
    }, "a");
    expect(project.read("out/a.txt")).toBe("old\nold\n");
    puppet.release();
    await expectBuilds(project, ["a"], "a");
    expect(project.read("out/a.txt")).toBe("new\nadded\nnew\n");
    project.write("src/1", "old\n");
    project.write("names", "old\n");
    rmSync(project.path("src/2"));
    const back = await project.events({}, "a");
    expect(back.which("restored")).toEqual(["a"]);
    expect(project.read("out/a.txt")).toBe("old\nold\n");
    await expectSettled(project, "a");
  });

  test("of the Imagefile counts from the next run on", async () => {
    const text = project.read("Imagefile.ts");
    project.write("src/1", "older\n");
    const edit = (): void => project.write("Imagefile.ts", text.replace("cat $SRC $NAMES", "cat $NAMES"));
    await meanwhile(edit, "a");
    expect(project.read("out/a.txt")).toBe("older\nold\n");
    puppet.release();
    await expectBuilds(project, ["a"], "a");
    expect(project.read("out/a.txt")).toBe("old\n");
  });

  test("between decision and stage is in the result, under its own key", async () => {
    project.write("src/1", "oldest\n");
    project.write("Imagefile.ts", project.read("Imagefile.ts").replace("cat $NAMES", "cat $NAMES $SRC"));
    await meanwhile(() => project.write("other/1", "new\n"), "-j1", "a", "b");
    expect(project.read("out/b.txt")).toBe("new\n");
    await expectSettled(project, "a", "b");
  });

  test("that takes an input away fails the target alone, and nothing of it is believed", async () => {
    project.write("src/1", "gone\n");
    const runs = puppet.runs();
    const building = project.start({}, "-j1", "-k", "a", "c");
    await puppet.started(runs + 1, building);
    rmSync(project.path("third/1"));
    puppet.release();
    const { status, stderr } = await finish(building);
    expect(status).toBe(3);
    expect(stderr).toContain("built a");
    expect(stderr).toMatch(/failed c: .*third\/1/);
    expect(project.names("out")).toEqual(["a.txt", "b.txt"]);
    await expectBuilds(project, ["c"], "a", "c");
    expect(project.read("out/c.txt")).toBe("");
  });
});

describe("clocks", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({ "Imagefile.ts": CAT.replace("cat", "cat $SRC >&2; cat"), "src/1": "one\n" });
  });
  afterAll(() => project.remove());

  test("a file from the future is built once, and again after an edit that leaves its time", async () => {
    const future = new Date("2090-01-01");
    utimesSync(project.path("src/1"), future, future);
    await expectBuilds(project, ["a"], "a");
    project.write("src/1", "two\n");
    utimesSync(project.path("src/1"), future, future);
    await expectBuilds(project, ["a"], "a");
    expect(project.read("out/a.txt")).toBe("two\n");
  });

  test("a file from long ago that takes the place of a newer one is built", async () => {
    project.write("src/1", "old\n");
    utimesSync(project.path("src/1"), 1, 1);
    await expectBuilds(project, ["a"], "a");
    expect(project.read("out/a.txt")).toBe("old\n");
  });

  test("a clock that is put back makes nothing out of date, and the last build is the one that came last", async () => {
    const ahead = new Date(Date.now() + 40 * 24 * 3600 * 1000).toISOString();
    project.write("src/1", "ahead\n");
    const told = await project.events({ under: atTime(ahead) }, "a");
    expect(told.which("built")).toEqual(["a"]);
    await expectSettled(project, "a");
    project.write("src/1", "now\n");
    await expectBuilds(project, ["a"], "a");
    const log = await project.good("log", "a");
    expect(log.stdout).toBe("now\n");
    const why = await project.good("why", "a");
    expect(why.stdout).toContain(new Date().toISOString().slice(0, 10));
  });

  test.each(["-2h", "+400d"])(
    "a clock that is put right by %s while an action runs: it took no longer",
    async (jump) => {
      const puppet = makePuppet();
      const slow = makeProject({
        "Imagefile.ts": `export const a = run({ inputs: {}, cmd: '${puppet.cmd} echo > "$OUT"', out: "a" });\n`,
      });
      try {
        slow.write("clock", "+0");
        const clock = {
          FAKETIME_TIMESTAMP_FILE: slow.path("clock"),
          FAKETIME_NO_CACHE: "1",
          FAKETIME_DONT_FAKE_MONOTONIC: "1",
        };
        const under = ["faketime", "-f", "+0", "env", "-u", "FAKETIME"];
        const telling = slow.events({ under, env: clock }, "a");
        await puppet.started();
        slow.write("clock", jump);
        puppet.release();
        const told = await telling;
        expect(told.which("built")).toEqual(["a"]);
        for (const lasted of [told.about("built", "a")?.duration, told.about("done")?.duration]) {
          expect(lasted).toBeGreaterThanOrEqual(0);
          expect(lasted).toBeLessThan(100_000);
        }
      } finally {
        puppet.close();
        slow.remove();
      }
    },
  );
});
