// What goes wrong between machines: files that were changed or are missing, other sources, other pins, two results for
// one target, another date. Each is refused by name, and nothing is taken over.
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import {
  chmodSync,
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { expectSettled, temporaries } from "./support/faults.js";
import { forgeIndex, indexOf, makeMachines, releaseOf, said, tamper } from "./support/exchange.js";
import { interfere, systemCalls } from "./support/system-calls.js";

jest.setTimeout(180_000);

const IMAGEFILE = `
const base = run({ inputs: { SRC: files("src/*.txt") }, tree: true, cmd: 'cat $SRC > "$OUT/os"' });
export const rootfs = run({ inputs: { IN: base }, cmd: 'cat "$IN/os" > "$OUT"', out: "rootfs-{date}.txt" });
export const pxe = run({ inputs: { IN: rootfs }, cmd: 'tr a-z A-Z < "$IN" > "$OUT"', out: "pxe-{date}.txt", env: { LANG: "C" } });
export const now = run({ inputs: {}, cmd: 'cat /proc/sys/kernel/random/uuid > "$OUT"', out: "now-{date}.txt" });
`;
const FILES = { "Imagefile.ts": IMAGEFILE, "src/a.txt": "void\n" };
const DATE = "20310203";
const START = ["release", "start", "--release", DATE];
const ROOTFS = `rootfs-${DATE}.txt`;

describe("an import is refused", () => {
  const machines = makeMachines(["there", "here"], FILES);
  const { at, between } = machines;
  const [good, bad] = [between("good"), between("bad")];
  beforeAll(async () => {
    for (const project of [at.there, at.here]) await project.good(...START);
    await at.there.good("rootfs", "pxe");
    await at.there.good("release", "export", "rootfs", "pxe", good);
  });
  beforeEach(() => {
    rmSync(bad, { recursive: true, force: true });
    cpSync(good, bad, { recursive: true });
    for (const [name, text] of Object.entries(FILES)) at.here.write(name, text);
  });
  afterAll(() => machines.remove());

  const index = join(bad, "index.json");
  const cases: readonly (readonly [what: string, change: () => void, says: string | RegExp])[] = [
    [
      "a file was changed",
      () => tamper(join(bad, "files", ROOTFS)),
      `${ROOTFS} was changed after it was exported`,
    ],
    ["a file is missing", () => unlinkSync(join(bad, "files", ROOTFS)), ROOTFS],
    [
      "a file is a link that leads elsewhere",
      () => {
        unlinkSync(join(bad, "files", ROOTFS));
        symlinkSync("/etc/hostname", join(bad, "files", ROOTFS));
      },
      `${ROOTFS} was changed`,
    ],
    ["the index was changed", () => tamper(index), "index.json was changed after it was exported"],
    ["the release file was changed", () => tamper(join(bad, "release.json")), "release.json was changed"],
    ["the index is missing", () => unlinkSync(index), "index.json is missing"],
    [
      "another version of imagemake wrote it",
      () => forgeIndex(bad, (text) => text.replace(/"imagemakeExport": \d+/, '"imagemakeExport": 1')),
      "was written by another version of imagemake: its form is 1",
    ],
    [
      "it is no export",
      () => rmSync(bad, { recursive: true }),
      "is not an export that this imagemake can read",
    ],
    [
      "the index was forged: a component",
      () => forgeIndex(bad, (text) => text.replace('"value": "run"', '"value": "ran"')),
      /the key of \S+ is not that of its components/,
    ],
    [
      "the index was forged: a name that leads out of the directory",
      () => forgeIndex(bad, (text) => text.replaceAll(ROOTFS, `../${ROOTFS}`)),
      "index.json: files.0.name",
    ],
    [
      "the index was forged: another file for the target",
      () =>
        forgeIndex(bad, (text) =>
          text.replace(/("name": "rootfs-.*",\s+"id": "f:)\w/, "$1x").replace("f:x", "f:0"),
        ),
      /the file of rootfs is not in its index|was changed after it was exported/,
    ],
    [
      "the sources differ",
      () => at.here.write("src/a.txt", "other\n"),
      /rootfs of \S+ is refused: rootfs\/in, beneath it, is made from something else here\n {2}input SRC src\/a.txt changed/,
    ],
    [
      "the Imagefile differs",
      () => at.here.write("Imagefile.ts", IMAGEFILE.replace('LANG: "C"', 'LANG: "de"')),
      /pxe of \S+ is refused: it is made from something else here\n {2}environment LANG changed/,
    ],
    [
      "the target is not in the Imagefile",
      () => at.here.write("Imagefile.ts", IMAGEFILE.replace("const pxe =", "const netboot =")),
      "this Imagefile has no such target",
    ],
    [
      "what it was made from is not in the index",
      () =>
        forgeIndex(bad, (text) => {
          const value = JSON.parse(text) as { actions: Record<string, unknown> };
          return JSON.stringify({ ...value, actions: { ...value.actions, "rootfs/in": undefined } });
        }),
      "rootfs/in, beneath it, is not complete in the export",
    ],
  ];

  test.each(cases)("when %s", async (_what, change, says) => {
    change();
    const ended = await at.here.run("release", "import", bad);
    expect(said(ended)).toEqual([2, expect.stringMatching(says instanceof RegExp ? says : escaped(says))]);
    expect(at.here.names("out")).toEqual([]);
    expect(at.here.names(".imagemake/stage")).toEqual([]);
    expect(releaseOf(at.here).artifacts).toEqual({});
  });

  test("--json names target, action and component", async () => {
    at.here.write("src/a.txt", "other\n");
    const { stdout } = await at.here.run("release", "import", "--json", bad);
    expect(JSON.parse(stdout)).toMatchObject({
      refused: [
        {
          target: "rootfs",
          kind: "different",
          action: "rootfs/in",
          changes: [{ component: "input SRC src/a.txt" }],
        },
        { target: "pxe", kind: "different", action: "rootfs/in" },
      ],
    });
  });

  test("after the person's verdict on it", async () => {
    await at.there.good("release", "reject", "pxe", "--because", "does not boot");
    const { rejected } = releaseOf(at.there);
    at.here.write(`releases/${DATE}.json`, JSON.stringify({ ...releaseOf(at.here), rejected }));
    const ended = await at.here.run("release", "import", bad);
    expect(said(ended)).toEqual([2, expect.stringContaining("was rejected by a person")]);
  });
});

const escaped = (text: string): RegExp => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));

describe("an import into another release", () => {
  const machines = makeMachines(["there", "here"], FILES);
  const { at, between } = machines;
  afterAll(() => machines.remove());

  test("than the current one is refused, and --release insists", async () => {
    await at.there.good(...START);
    await at.there.good("pxe");
    await at.there.good("release", "export", "pxe", between("a"));
    await at.here.good("release", "start", "--release", "20310301");
    expect(said(await at.here.run("release", "import", between("a")))).toEqual([
      2,
      expect.stringContaining(`is of release ${DATE}, and release 20310301 is the current one here`),
    ]);
    expect(said(await at.here.run("release", "import", "--release", "20310301", between("a")))[0]).toBe(2);
    expect(at.here.names("releases")).toEqual(["20310301.json"]);
    await at.here.good("release", "import", "--release", DATE, between("a"));
    await expectSettledIn(DATE);
  });

  const expectSettledIn = async (date: string): Promise<void> => {
    const told = await at.here.events({}, "--release", date, "pxe");
    expect([told.status, told.which("built")]).toEqual([0, []]);
  };

  test("of pins that differ from those here is refused", async () => {
    await at.there.good("release", "export", "--pins", between("pins"));
    at.there.write(`releases/${DATE}.json`, JSON.stringify({ ...releaseOf(at.there), roster: ["pxe"] }));
    await at.there.good("release", "export", "--pins", between("others"));
    await at.here.good("release", "import", between("pins"));
    expect(said(await at.here.run("release", "import", between("others")))).toEqual([
      2,
      expect.stringContaining("pins something else: the roster"),
    ]);
    expect(said(await at.here.run("-f", "other.ts", "release", "import", between("pins")))[0]).toBe(2);
  });

  test("that is no longer open is refused with what helps", async () => {
    await at.here.good("release", "abandon", "--release", DATE);
    expect(said(await at.here.run("release", "import", "--release", DATE, between("a")))).toEqual([
      2,
      expect.stringContaining(`release ${DATE} is abandoned`),
    ]);
  });
});

describe("two results for one target", () => {
  const machines = makeMachines(["one", "two", "here", "built"], FILES);
  const { at, between } = machines;
  const dirs = [between("one"), between("two")];
  const NOW = `out/now-${DATE}.txt`;
  beforeAll(async () => {
    for (const project of Object.values(at)) await project.good(...START);
    for (const name of ["one", "two"] as const) {
      await at[name].good("now", "pxe");
      await at[name].good("release", "export", "now", "pxe", between(name));
    }
    await at.built.good("now");
  });
  afterAll(() => machines.remove());

  test("of two machines are refused, by the target's name", async () => {
    const ended = await at.here.run("release", "import", ...dirs);
    expect(said(ended)).toEqual([
      2,
      expect.stringMatching(/now of \S+two is refused: it is not what \S+one has/),
    ]);
    expect(ended.stderr).toContain("--prefer DIR says whose artifact it is");
    expect(ended.stderr).not.toContain("pxe");
    expect(at.here.names("out")).toEqual([]);
  });

  test("--prefer says whose it is; what is equal comes all the same", async () => {
    expect(said(await at.here.run("release", "import", "--prefer", between("three"), ...dirs))[0]).toBe(2);
    const ended = await at.here.good("release", "import", "--prefer", between("two"), ...dirs);
    expect(ended.stderr).toContain(`left out: now of ${between("one")}`);
    expect(at.here.read(NOW)).toBe(at.two.read(NOW));
    await expectSettled(at.here, "now", "pxe");
  });

  test("of which one was built here are refused, and --prefer replaces it", async () => {
    const own = at.built.read(NOW);
    expect(said(await at.built.run("release", "import", between("one")))).toEqual([
      2,
      expect.stringContaining("it is not what was built here has"),
    ]);
    expect(at.built.read(NOW)).toBe(own);
    await at.built.good("release", "import", "--prefer", between("one"), between("one"));
    expect(at.built.read(NOW)).toBe(at.one.read(NOW));
    await expectSettled(at.built, "now", "pxe");
  });
});

describe("another version of a tool", () => {
  const machines = makeMachines(["there", "here"], {});
  const { at, between } = machines;
  const tool = between("tool");
  const version = (number: string): void => {
    writeFileSync(tool, `#!/bin/sh\necho tool ${number}\n`);
    chmodSync(tool, 0o755);
  };
  afterAll(() => machines.remove());

  test("is shown and recorded, and does not keep the artifact out", async () => {
    version("1.0");
    for (const project of [at.there, at.here]) {
      project.write("Imagefile.ts", withTool(tool));
      await project.good(...START);
    }
    await at.there.good();
    await at.there.good("release", "export", between("a"));
    version("1.1");
    const ended = await at.here.good("release", "import", between("a"));
    expect(ended.stderr).toContain(`another version of ${tool}: tool 1.0 there, tool 1.1 here\n`);
    expect(releaseOf(at.here).artifacts["made"]?.provenance).toMatchObject({
      kind: "imported",
      tools: { [tool]: ["tool 1.0", "tool 1.1"] },
    });
    await expectSettled(at.here);
    // Here it is what this machine's tool would make; another one still makes it anew.
    version("1.2");
    expect((await at.here.run("-q")).status).toBe(1);
  });
});

/** An action that needs the program `tool`, which no rule would declare. */
const withTool = (tool: string): string => `import { project } from "imagemake";
import { declareOne } from ${JSON.stringify(fileURLToPath(new URL("../engine/declare.js", import.meta.url)))};
export const made = declareOne({ rule: "mine", command: { kind: "shell", text: 'echo made > "$OUT"' }, inputs: {},
  outputs: [{ name: "OUT", kind: "file", pattern: "made-{date}.txt" }], tools: [{ name: ${JSON.stringify(tool)}, package: "none" }] });
export default project({ default: [made] as never });
`;

describe("killed", () => {
  const machines = makeMachines(["there", "here"], FILES);
  const { at, between } = machines;
  const CALLS = ["rename", "link", "unlink", "mkdir", "fsync", "pwrite64", "copy_file_range"];
  const POINTS = 5;
  beforeAll(async () => {
    for (const project of [at.there, at.here]) await project.good(...START);
    await at.there.good("pxe");
  });
  afterAll(() => machines.remove());

  test("anywhere, an export is there whole or not at all, and the next one clears up", async () => {
    const words = ["release", "export", "pxe", between("a")];
    // What only the first run does would not be there to be killed at.
    await at.there.good(...words);
    rmSync(between("a"), { recursive: true });
    const { calls } = await systemCalls(at.there, ["rename", "mkdir", "fsync"], ...words);
    const size = readFileSync(join(between("a"), "index.json")).length;
    let killed = 0;
    for (let point = 0; point < POINTS; point += 1) {
      const call = calls[Math.floor(((point + 0.5) * calls.length) / POINTS)];
      if (call === undefined) continue;
      rmSync(between("a"), { recursive: true, force: true });
      const { status } = await at.there.call({ under: interfere(at.there, call, "signal=KILL") }, ...words);
      if (status !== 0) killed += 1;
      if (existsSync(between("a"))) expect(indexOf(between("a")).files).toHaveLength(2);
      await at.there.good(...words);
      expect(readFileSync(join(between("a"), "index.json"))).toHaveLength(size);
      expect(readdirSync(dirname(between("a")))).toEqual(["a"]);
    }
    expect(killed).toBeGreaterThan(POINTS / 2);
  });

  test("anywhere, an import is made whole by the next one", async () => {
    const words = ["release", "import", between("a")];
    const clear = (): void => {
      for (const dir of ["out", ".imagemake"]) rmSync(at.here.path(dir), { recursive: true, force: true });
      const release = { ...releaseOf(at.here), artifacts: {} };
      at.here.write(`releases/${DATE}.json`, JSON.stringify(release));
    };
    const { calls } = await systemCalls(at.here, CALLS, ...words);
    let killed = 0;
    for (let point = 0; point < POINTS; point += 1) {
      const call = calls[Math.floor(((point + 0.5) * calls.length) / POINTS)];
      if (call === undefined) continue;
      clear();
      const { status } = await at.here.call({ under: interfere(at.here, call, "signal=KILL") }, ...words);
      if (status !== 0) killed += 1;
      for (const name of at.here.names("out"))
        expect(at.here.read(`out/${name}`)).toBe(at.there.read(`out/${name}`));
      await at.here.good(...words);
      await expectSettled(at.here, "pxe");
      expect(releaseOf(at.here).artifacts["pxe"]?.provenance.kind).toBe("imported");
      expect(temporaries(at.here)).toEqual([]);
    }
    expect(killed).toBeGreaterThan(POINTS / 2);
  });
});
