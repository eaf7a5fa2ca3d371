// After an edit only what the changed stamps reach is decided, once each; what lies outside is taken as it was found, and
// what the record of a run with nothing to do would notice is noticed there too. On any doubt everything is decided.
// Decisions are counted by the steps that a build tells of (cache/steps.ts).
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject, type Told } from "./support/cli.js";
import { VARIABLE } from "./support/stop-at-step.js";

jest.setTimeout(180_000);

/** `a`, `b` and `c` go into `ab` and `bc`, those into `all`; `size` comes out the same whatever the bytes; `tree` and what has no name. */
const imagefile = (): string => `
const cat = (inputs: Parameters<typeof run>[0]["inputs"], out: string) =>
  run({ inputs, cmd: "cat " + Object.keys(inputs).map((name) => "$" + name).join(" ") + ' > "$OUT"', out });
export const a = cat({ A: files("a.txt") }, "a-{date}.txt");
export const b = cat({ A: files("b.txt") }, "b.txt");
export const c = cat({ A: files("c.txt", "shared/*.txt") }, "c.txt");
export const d = cat({ A: files("shared/*.txt") }, "d.txt");
export const ab = cat({ A: a, B: b }, "ab.txt");
export const bc = cat({ A: b, B: c }, "bc.txt");
export const size = run({ inputs: { A: files("b.txt") }, cmd: 'wc -c < $A > "$OUT"', out: "size.txt" });
export const sized = cat({ A: size, B: files("flavour.txt") }, "sized.txt");
export const tree = run({ inputs: { T: files("tree.txt") }, cmd: 'cp "$T" "$OUT/f"', tree: true });
export const packed = run({ inputs: { T: tree }, cmd: 'cat "$T/f" > "$OUT"', out: "packed.txt" });
export const setting = run({ inputs: { SET: env("IM_SET", { optional: true }) }, cmd: 'echo "$SET" > "$OUT"', out: "setting.txt" });
export const flavour = cat({ A: files("flavour.txt") }, \`flavour-\${arg("FLAVOUR", "plain")}.txt\`);
export const slow = run({ inputs: { A: files("slow.txt") }, cmd: 'while [ -e ${hold()} ]; do sleep 0.1; done; cat $A > "$OUT"', out: "slow.txt" });
export const all = cat({ A: ab, B: bc, C: d }, "all.txt");
`;
const EVERYTHING = "a ab all b bc c d flavour packed setting size sized slow tree".split(" ");
const WORDS = ["all", "sized", "packed", "setting", "flavour", "slow"];

/** What a run decided, each time that it did. */
interface Decided extends Told {
  readonly decided: readonly string[];
  readonly built: readonly string[];
  readonly restored: readonly string[];
}

let template: TestProject;
let project: TestProject;
let hooks: string;

const hold = (): string => join(hooks, "hold");

/** Gives files a time that is long enough ago for their digests to be believed. */
async function settled(): Promise<void> {
  const newest = (dir: string): number =>
    Math.max(
      ...readdirSync(dir, { withFileTypes: true, recursive: true })
        .filter((entry) => !/\/(?:\.imagemake|out)(?:\/|$)/.test(join(entry.parentPath, entry.name)))
        .map((entry) => statSync(join(entry.parentPath, entry.name)).ctimeMs),
    );
  while (Date.now() - newest(project.dir) < 3100) await setTimeout(50);
}

async function build(words = WORDS, env: Readonly<Record<string, string>> = {}): Promise<Decided> {
  const log = join(mkdtempSync(join(hooks, "log-")), "steps");
  writeFileSync(log, "");
  const told = await project.events(
    {
      env: {
        [VARIABLE]: JSON.stringify({ log, gate: "", at: null }),
        NODE_OPTIONS: `--import ${fileURLToPath(new URL("support/stop-at-step.js", import.meta.url))}`,
        ...env,
      },
    },
    ...words,
  );
  const decided = readFileSync(log, "utf8")
    .split("\n")
    .flatMap((line) => (line.startsWith("decided\t") ? [line.slice("decided\t".length)] : []));
  expect([told.status, told.stderr]).toEqual([0, ""]);
  return { ...told, decided, built: told.which("built"), restored: told.which("restored") };
}

/** What was decided, sorted: each once a build. */
const which = ({ decided }: Decided): string[] => [...decided].sort();

beforeAll(() => {
  hooks = mkdtempSync(join(tmpdir(), "imagemake-hooks-"));
  template = makeProject({
    "Imagefile.ts": imagefile(),
    ...Object.fromEntries(
      ["a", "b", "c", "tree", "flavour", "slow", "shared/one", "shared/two"].map((name) => [
        `${name}.txt`,
        `${name}\n`,
      ]),
    ),
  });
});
afterAll(() => {
  template.remove();
  rmSync(hooks, { recursive: true });
});
beforeEach(async () => {
  project = makeProject({});
  cpSync(template.dir, project.dir, { recursive: true });
  await settled();
  const first = await build();
  expect(first.built).toEqual(EVERYTHING);
  // Each of them once, whether it could be planned or had to wait.
  expect([...first.decided].sort()).toEqual(EVERYTHING);
});
afterEach(() => project.remove());

describe("after one edit", () => {
  test("what does not read it is not decided, and is told of as up to date all the same", async () => {
    project.write("c.txt", "other\n");
    const run = await build();
    expect(which(run)).toEqual(["all", "bc", "c"]);
    expect(run.built).toEqual(["all", "bc", "c"]);
    expect(run.which("up-to-date")).toEqual(EVERYTHING.filter((id) => !run.built.includes(id)));
    expect(
      run
        .about("plan")
        ?.decisions.map(({ target }) => target)
        .sort(),
    ).toEqual(EVERYTHING);
    expect(run.about("done")).toMatchObject({ built: 3, upToDate: 11 });
    expect(project.read("out/all.txt")).toContain("other\n");
    // And nothing is left to do, whatever is decided for that: the edit is still too fresh to be believed.
    const next = await build();
    expect([next.built, which(next)]).toEqual([[], ["c"]]);
    await settled();
    expect(which(await build())).toEqual(["c"]);
    expect(which(await build())).toEqual([]);
  });

  test("one after the other, each is as little: also where digests are too fresh to be believed", async () => {
    for (const text of ["one\n", "two\n"]) {
      project.write("a.txt", text);
      const run = await build();
      expect(which(run)).toEqual(["a", "ab", "all"]);
      expect(run.built).toEqual(["a", "ab", "all"]);
    }
  });

  test("a source that several read reaches all of them, and a file added to a pattern too", async () => {
    project.write("shared/one.txt", "another\n");
    expect((await build()).built).toEqual(["all", "bc", "c", "d"]);
    project.write("shared/three.txt", "three\n");
    const run = await build();
    expect([which(run), run.built]).toEqual([
      ["all", "bc", "c", "d"],
      ["all", "bc", "c", "d"],
    ]);
    expect(project.read("out/d.txt")).toContain("three\n");
  });

  test("what is made anew and comes out the same ends the search where it is found", async () => {
    project.write("b.txt", "B\n");
    const run = await build();
    expect(run.built).toEqual(["ab", "all", "b", "bc", "size"]);
    // It waited, since nobody could know.
    expect(which(run)).toEqual(["ab", "all", "b", "bc", "size", "sized"]);
    utimesSync(project.path("c.txt"), 1, 1);
    expect(which(await build())).toEqual(["b", "c", "size"]);
  });

  test("-n and -q decide as little, and say the same", async () => {
    project.write("tree.txt", "other\n");
    const said = async (...words: string[]) => project.run(...words, ...WORDS);
    expect([await said("-q"), await said("-n")]).toEqual([
      { status: 1, stdout: "", stderr: "" },
      {
        status: 0,
        stdout: "tree: input T tree.txt changed\npacked: input tree is out of date\n",
        stderr: expect.stringMatching(/^release \d{8}\n2 to build, 12 up to date\n$/),
      },
    ]);
  });
});

describe("outside of what an edit reaches", () => {
  /** The change, what is decided because of it beside the cone of the edit, and what is done. */
  const CHANGES: readonly (readonly [
    string,
    () => void,
    Partial<Record<"decided" | "built" | "restored", readonly string[]>>,
  ])[] = [
    ["a deleted link", () => rmSync(project.path("out/d.txt")), { decided: ["d"], restored: ["d"] }],
    [
      "an output edited in place",
      () => {
        chmodSync(project.path("out/b.txt"), 0o644);
        writeFileSync(project.path("out/b.txt"), "EDITED\n");
      },
      { decided: ["b"], built: ["b"] },
    ],
    [
      "a layer gone from the store",
      () => rmSync(project.path(".imagemake/store/layers"), { recursive: true }),
      { decided: ["tree"], built: ["tree"] },
    ],
    [
      "a manifest gone from the store",
      () => rmSync(project.path(".imagemake/store/manifests"), { recursive: true }),
      { decided: ["tree"], built: ["tree"] },
    ],
  ];
  test.each(CHANGES)("%s is noticed", async (_, change, { decided = [], built = [], restored = [] }) => {
    project.write("slow.txt", "other\n");
    change();
    const run = await build();
    expect(run.built).toEqual([...built, "slow"].sort());
    expect(run.restored).toEqual(restored);
    for (const id of [...decided, "slow"]) expect(which(run)).toContain(id);
    expect(which(run)).not.toContain("c");
    expect(project.names("out")).toContain("d.txt");
    expect(project.read("out/b.txt")).toBe("b\n");
    expect((await build()).built).toEqual([]);
  });

  test("an edit while actions run is built by the next run", async () => {
    writeFileSync(hold(), "");
    project.write("slow.txt", "held\n");
    const log = project.path(".imagemake/logs");
    const logs = (): number => readdirSync(log).filter((name) => name.endsWith(".log")).length;
    const before = logs();
    const first = build();
    while (logs() === before) await setTimeout(20);
    project.write("c.txt", "meanwhile\n");
    rmSync(hold());
    expect((await first).built).toEqual(["slow"]);
    expect((await build()).built).toEqual(["all", "bc", "c"]);
    expect(project.read("out/all.txt")).toContain("meanwhile\n");
  });

  test("what another command line built since is decided", async () => {
    project.write("a.txt", "other\n");
    expect((await build(["ab"])).built).toEqual(["a", "ab"]);
    const run = await build();
    expect([which(run), run.built]).toEqual([["a", "ab", "all"], ["all"]]);
  });
});

describe("everything is decided", () => {
  const DOUBTS: readonly (readonly [string, () => unknown])[] = [
    [
      "the Imagefile is another",
      () => project.write("Imagefile.ts", `${imagefile()}export const more = cat({ A: a }, "more.txt");\n`),
    ],
    ["the index is another", () => rmSync(project.path(".imagemake/index.db"))],
    [
      "what belongs to whom is damaged",
      () => {
        const [name = ""] = project.names(".imagemake/graphs").filter((one) => one.startsWith("known-"));
        const file = project.path(".imagemake/graphs", name);
        writeFileSync(file, project.read(`.imagemake/graphs/${name}`).replace('"shared"', '"shored"'));
      },
    ],
    [
      "what belongs to whom is of another record",
      async () => {
        const [name = ""] = project.names(".imagemake/graphs").filter((one) => one.startsWith("known-"));
        const file = project.path(".imagemake/graphs", name);
        renameSync(file, `${file}.kept`);
        project.write("b.txt", "some\n");
        await build();
        renameSync(`${file}.kept`, file);
      },
    ],
    ["another release is worked in", () => project.good("release", "start", "--release", "20310203")],
    [
      "somebody rejected something",
      () => project.good("release", "reject", "packed", "--because", "a trial"),
    ],
    ["a clean removed what was remembered", () => project.good("clean")],
  ];
  test.each(DOUBTS)("when %s", async (_, doubt) => {
    await doubt();
    project.write("c.txt", "other\n");
    const run = await build().catch(() => null);
    // What is rejected again has no build that succeeds.
    if (run !== null) expect(which(run).filter((id) => id !== "more")).toEqual(EVERYTHING);
    else expect(_).toContain("rejected");
  });

  test("when a variable or a VAR= is another", async () => {
    const set = await build(WORDS, { IM_SET: "x" });
    expect([which(set), set.built]).toEqual([EVERYTHING, ["setting"]]);
    const other = await build([...WORDS, "FLAVOUR=other"]);
    expect([which(other), other.built]).toEqual([EVERYTHING, ["flavour"]]);
  });

  test("with -B and without isolation", async () => {
    expect((await build([...WORDS, "-B"])).built).toEqual(EVERYTHING);
    const alone = await build([...WORDS, "--no-isolation"]);
    expect(which(alone)).toEqual(EVERYTHING);
  });
});
