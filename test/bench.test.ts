// Guards the benchmark itself: that all programs get one and the same graph, that its bars say what they
// should, and that a measurement of nothing is not taken for a good one.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { fullBar, idleBars, scheduleBar } from "../bench/bars.js";
import { full } from "../bench/full.js";
import { imagefile, layered, layerSizes, wireitPackage, writeProject } from "../bench/graph.js";
import { idle } from "../bench/idle.js";
import { BenchError, inTurn, median, mustRun, peakMemory, runOnce } from "../bench/measure.js";
import { parse } from "../bench/options.js";
import { make, missing, ninja, wireitBuild } from "../bench/programs.js";

const node = (code: string) => ({ name: "node", argv: [process.execPath, "-e", code], cwd: tmpdir() });

async function inTemporary<T>(work: (dir: string) => T | Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-bench-test-"));
  try {
    return await work(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const leavesInOrder = (n: number): string => Array.from({ length: n }, (_, i) => `leaf ${i}\n`).join("");

describe("the graph", () => {
  test.each([
    [1, [1, 1]],
    [10, [10, 1]],
    [11, [11, 2, 1]],
    [107, [107, 11, 2, 1]],
    [1000, [1000, 100, 10, 1]],
    [10_000, [10_000, 1000, 100, 10, 1]],
  ])("of %d leaves joins ten to one until one is left", (leaves, sizes) => {
    expect(layerSizes(leaves)).toEqual(sizes);
    expect(layered(leaves)).toHaveLength(sizes.reduce((sum, size) => sum + size, 0));
  });

  test("names each target after all that it reads, once, and ends in the root", () => {
    const seen = new Set<string>();
    const read = new Map<string, number>();
    for (const { id, inputs, leaf } of layered(107)) {
      expect(seen.has(id)).toBe(false);
      if (!leaf) for (const input of inputs) expect(seen.has(input)).toBe(true);
      for (const input of inputs) read.set(input, (read.get(input) ?? 0) + 1);
      seen.add(id);
    }
    expect([...seen].at(-1)).toBe("root");
    expect([...seen].filter((id) => read.get(id) !== 1)).toEqual(["root"]);
  });

  test("is the same in the Imagefile as elsewhere: its groups have the layers' sizes, its last export is the root", async () => {
    await inTemporary((dir) => {
      // A stand-in for the engine's module: handles that remember what they were made from.
      const stub =
        "const run = spec => spec; const files = pattern => ({ pattern });" +
        "const each = (keys, make) => Object.fromEntries(keys.map(key => [key, make(key)]));";
      const text = imagefile(107).replace(/^import .*\n/, `${stub}\n`);
      writeFileSync(join(dir, "imagefile.mjs"), text);
      const read = `import(${JSON.stringify(join(dir, "imagefile.mjs"))}).then(m => console.log(JSON.stringify(m)))`;
      const evaluated = JSON.parse(mustRun(node(read)).output) as Record<string, Record<string, Spec> & Spec>;
      interface Spec {
        readonly out: string;
        readonly inputs: Record<string, Spec & { readonly pattern?: string }>;
      }
      const specs = Object.entries(evaluated).flatMap(([name, value]) =>
        name === "root" ? [value as Spec] : Object.values(value as Record<string, Spec>),
      );
      const found = specs.map((spec) => [
        spec.out,
        Object.values(spec.inputs).map((input) => input.pattern?.replace("src/", "") ?? input.out),
      ]);
      expect(Object.fromEntries(found)).toEqual(
        Object.fromEntries(layered(107).map((each) => [each.id, each.inputs])),
      );
    });
  });

  test("is the same for wireit: a script and its dependencies for each target", () => {
    const { wireit } = JSON.parse(wireitPackage(107)) as {
      wireit: Record<string, { files: string[]; dependencies?: string[] }>;
    };
    expect(Object.entries(wireit).map(([id, script]) => [id, script.dependencies ?? script.files])).toEqual(
      layered(107).map(({ id, leaf, inputs }) => [id, leaf ? inputs.map((input) => `src/${input}`) : inputs]),
    );
  });

  test("is built by wireit to a root that holds every leaf in order", async () => {
    await inTemporary((dir) => {
      const project = join(dir, "wireit");
      writeProject(project, "wireit", 12);
      mustRun(wireitBuild(project, 2));
      expect(readFileSync(join(project, "out/root"), "utf8")).toBe(leavesInOrder(12));
    });
  }, 60_000);

  for (const builder of [make, ninja]) {
    const there = !missing().some((name) => name.startsWith(builder.form));
    (there ? test : test.skip)(
      `${builder.form} builds it, then does nothing, then sees an edit`,
      async () => {
        await inTemporary((dir) => {
          const project = join(dir, builder.form);
          writeProject(project, builder.form, 12);
          expect(builder.stale(project)).toBe(true);
          expect(builder.didNothing(mustRun(builder.build(project, 2)))).toBe(false);
          expect(readFileSync(join(project, "out/root"), "utf8")).toBe(leavesInOrder(12));
          expect(builder.stale(project)).toBe(false);
          expect(builder.didNothing(mustRun(builder.again(project)))).toBe(true);
          // Make compares times: an edit within the same tick of the clock would be its bug, not ours.
          const later = new Date(Date.now() + 60_000);
          writeFileSync(join(project, "src/s0"), "LEAF 0\n");
          spawnSync("touch", ["-d", later.toISOString(), join(project, "src/s0")]);
          expect(builder.stale(project)).toBe(true);
        });
      },
    );
  }
});

describe("the real programs", () => {
  const silent = (): void => undefined;

  (missing().length === 0 ? test : test.skip)(
    "with nothing to do are timed, found to have done nothing, and found to see an edit afterwards",
    async () => {
      await inTemporary((dir) => {
        const { rows, medians, targets } = idle(12, 2, 2, dir, silent);
        expect(targets).toBe(15);
        expect(rows.map(({ program }) => program)).toEqual(["imagemake", "make", "ninja", "make -r", "node"]);
        expect(medians.imagemake).toBeGreaterThan(medians.node / 2);
      });
    },
    120_000,
  );

  test("build from nothing to the same root, imagemake and wireit", async () => {
    await inTemporary((dir) => {
      const { imagemake, wireit } = full(12, 1, 2, dir, silent);
      expect(imagemake).toBeGreaterThan(0);
      expect(wireit).toBeGreaterThan(0);
    });
  }, 120_000);
});

describe("measuring", () => {
  test("the median is the middle, of an even number the mean of both", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test("programs run in turn, one uncounted round first", () => {
    const order: string[] = [];
    const programs = ["a", "b"].map((name) => ({ ...node("0"), name }));
    const times = inTurn(programs, 2, ({ name }) => order.push(name));
    expect(order).toEqual(["a", "b", "a", "b", "a", "b"]);
    expect([...times].map(([name, list]) => [name, list.length])).toEqual([
      ["a", 2],
      ["b", 2],
    ]);
  });

  test("a program that fails ends the benchmark, and shows what it said", () => {
    expect(() => mustRun(node("console.error('broken'); process.exit(3)"))).toThrow(BenchError);
    expect(() => mustRun(node("console.error('broken'); process.exit(3)"))).toThrow(/broken/);
  });

  test("a program that is not there is a failure, not a crash", () => {
    expect(runOnce({ name: "none", argv: ["/nonexistent/program"], cwd: tmpdir() }).status).toBeNull();
  });

  test("peak memory is the child's own: 64 MiB more show", () => {
    const small = peakMemory(node("0"));
    const large = peakMemory(node("Buffer.alloc(64 << 20, 1)"));
    if (small === null || large === null) return; // GNU time is not installed
    expect(large - small).toBeGreaterThan(48 * 1024);
  });
});

describe("the bars", () => {
  const medians = { imagemake: 100, make: 101, ninja: 10, node: 50 };

  test("at 1,000 leaves are make and twice node's start", () => {
    expect(idleBars(1000, medians).map(({ limit, pass }) => [limit, pass])).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(idleBars(1000, { ...medians, make: 99, node: 49 }).map(({ pass }) => pass)).toEqual([
      false,
      false,
    ]);
  });

  test("at 10,000 leaves are 0.15 of make and three times ninja", () => {
    const good = { ...medians, make: 700, ninja: 34 };
    expect(idleBars(10_000, good).map(({ limit, pass }) => [limit, pass])).toEqual([
      [0.15, true],
      [3, true],
    ]);
    expect(idleBars(10_000, medians).map(({ pass }) => pass)).toEqual([false, false]);
  });

  test("there is none at other sizes", () => {
    expect(idleBars(107, medians)).toEqual([]);
  });

  test("what could not be measured does not pass", () => {
    expect(idleBars(1000, { ...medians, imagemake: Number.NaN }).map(({ pass }) => pass)).toEqual([
      false,
      false,
    ]);
    expect(fullBar(1000, Number.NaN, 1).pass).toBe(false);
    expect(scheduleBar(107, 8, Number.NaN, 1).pass).toBe(false);
  });

  test("wireit may be equalled, the lower bound be missed by a twentieth", () => {
    expect([fullBar(1000, 10, 10).pass, fullBar(1000, 11, 10).pass]).toEqual([true, false]);
    expect([scheduleBar(107, 8, 105, 100).pass, scheduleBar(107, 8, 106, 100).pass]).toEqual([true, false]);
  });
});

describe("the command line", () => {
  test("has the sizes of the issue by default", () => {
    expect(parse([])).toMatchObject({ sizes: [107, 1000, 10_000], rounds: 7, full: 1000, json: false });
  });

  test("takes sizes, rounds and parts", () => {
    expect(parse(["--sizes", "10,20", "--rounds", "3", "--only", "idle", "--json"])).toMatchObject({
      sizes: [10, 20],
      rounds: 3,
      parts: ["idle"],
      json: true,
    });
  });

  test.each([
    ["--sizes", "0"],
    ["--rounds", "x"],
    ["--only", "nothing"],
    ["--unknown", "1"],
  ])("refuses %s %s", (option, value) => {
    expect(typeof parse([option, value])).toBe("string");
  });
});
