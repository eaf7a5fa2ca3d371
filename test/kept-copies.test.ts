// Copies of sources of very many files are kept from one action to the next: only what changed is copied, and nothing
// that an action or anybody did to a copy is ever read by another.
import {
  closeSync,
  openSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { smallDisk, type Disk } from "./support/disk.js";

jest.setTimeout(300_000);

const COUNT = 2600;

/** An action that says of each file below `in` when its copy was made, and what all of them hold; then it does `after`. */
const LOOK = `find in -type f -printf 'time %P %m %C@\\n' > "$OUT"; find in -type f -exec sed 's/^/text /' {} + >> "$OUT"`;
const look = (after: string): string =>
  `run({ inputs: { I: files("in/**") }, cmd: ${JSON.stringify(`${LOOK}\n${after}`)}, out: "${after.replace(/[^a-z]/g, "")}" })`;

let project: TestProject;
let disk: Disk;
// In memory: file systems without a journal take long to make files where others were just deleted.
beforeEach(async () => {
  disk = await smallDisk(4_000_000);
  project = makeProject({ "Imagefile.ts": `export const a = ${look("# a")};\n` }, disk);
  for (let at = 0; at < COUNT; at++) {
    if (at < 7) mkdirSync(project.path("in", String(at)), { recursive: true });
    writeFileSync(project.path("in", String(at % 7), String(at)), `${String(at)}\n`);
  }
});
afterEach(() => disk.remove());

/** What the last build of an action that did `after` saw: each file with the moment when it was copied, and all texts. */
async function seen(target: string, after = "a"): Promise<{ times: Map<string, string>; texts: string[] }> {
  await project.good(target);
  const lines = project
    .read(`out/${after.replace(/[^a-z]/g, "")}`)
    .trimEnd()
    .split("\n");
  const of = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
  return {
    times: new Map(of("time").map((line) => [line.split(" ")[0] ?? "", line])),
    texts: of("text").sort(),
  };
}

const differing = (before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] =>
  [...after].flatMap(([path, line]) => (before.get(path) === line ? [] : [path])).sort();

const TEXTS = Array.from({ length: COUNT }, (_, at) => String(at)).sort();

test("after an edit, what did not change is not copied again", async () => {
  const first = await seen("a");
  project.write("in/3/3", "three\n");
  chmodSync(project.path("in/4/4"), 0o755);
  project.write("in/new/file", "new\n");
  rmSync(project.path("in/5/5"));
  rmSync(project.path("in/6/6"));
  symlinkSync("13", project.path("in/6/6"));
  const second = await seen("a");
  expect(differing(first.times, second.times)).toEqual(["3/3", "4/4", "new/file"]);
  expect(second.times.size).toBe(COUNT - 1);
  expect(second.texts).toHaveLength(COUNT - 1);
  expect(second.texts).toEqual(expect.arrayContaining(["three", "new"]));
  rmSync(project.path("in/new"), { recursive: true });
  rmSync(project.path("in/2"), { recursive: true });
  const third = await seen("a");
  expect(differing(second.times, third.times)).toEqual([]);
  expect(third.texts.filter((text) => Number(text) % 7 === 2)).toEqual([]);
});

test("a directory that lost all its files is not there", async () => {
  project.write("Imagefile.ts", `export const a = ${look("find in -type d | sort")};\n`);
  await project.good("a");
  rmSync(project.path("in/2"), { recursive: true });
  await project.good("a");
  expect((await project.good("log", "a")).stdout.match(/^in\/\d$/gm)).toEqual(
    ["0", "1", "3", "4", "5", "6"].map((name) => `in/${name}`),
  );
});

test("another action that reads the same source gets the same copies, and a third at the same time copies of its own", async () => {
  project.write(
    "Imagefile.ts",
    `export const a = ${look("# a")};\nexport const b = ${look("# b")};\nexport const c = ${look("# c")};\n`,
  );
  const [a, b] = [await seen("a"), await seen("b", "b")];
  expect(differing(a.times, b.times)).toEqual([]);
  project.write("in/3/3", "three\n");
  await project.good("-j3", "a", "b", "c");
  for (const target of ["a", "b", "c"]) expect((await seen(target, target)).texts).toContain("three");
});

describe("what an action does to its sources is not seen by the next one", () => {
  test.each([
    ["writes to a file", "echo more >> in/3/3"],
    [
      "writes to a file and puts its times back",
      "cp -p in/3/3 .tmp/x; echo 4 > in/3/3; touch -r .tmp/x in/3/3",
    ],
    ["makes a file executable", "chmod +x in/3/3"],
    ["makes a file of its own", "echo mine > in/3/mine"],
    ["removes a file", "rm in/3/3"],
    ["puts another file in its place", "echo 4 > in/3/x; mv in/3/x in/3/3"],
    ["puts a link in its place", "ln -sf 10 in/3/3"],
    ["moves a directory", "mv in/3 in/three"],
    ["opens a directory to all", "chmod 777 in/3"],
    ["links a file as its output", 'ln -f in/3/3 "$OUT"'],
    ["moves a file away", "mv in/3/3 .tmp/x"],
  ])("%s", async (_, does) => {
    project.write("Imagefile.ts", `export const a = ${look(does)};\nexport const b = ${look("# b")};\n`);
    await project.good("a");
    const { times, texts } = await seen("b", "b");
    expect(texts).toEqual(TEXTS);
    expect([...times.values()].filter((line) => line.split(" ")[1] !== "644")).toEqual([]);
    expect(times.size).toBe(COUNT);
  });
});

test("what was changed by hand where copies are kept is copied again", async () => {
  const first = await seen("a");
  const kept = project.path(".imagemake", "copies");
  const [id = "none"] = readdirSync(kept);
  const copy = join(kept, id, "files/in/3/3");
  const { atime, mtime } = lstatSync(copy);
  writeFileSync(copy, "4\n");
  utimesSync(copy, atime, mtime);
  project.write("in/4/4", "four\n");
  const second = await seen("a");
  expect(differing(first.times, second.times)).toEqual(["3/3", "4/4"]);
  expect(second.texts).toContain("3");
  // A link where a directory was leads nowhere that anything is taken or deleted.
  const outside = project.path("outside");
  renameSync(join(kept, id, "files/in/3"), outside);
  symlinkSync("../../../../../outside", join(kept, id, "files/in/3"));
  project.write("in/4/4", "vier\n");
  expect((await seen("a")).texts).toContain("vier");
  expect(readdirSync(outside)).toHaveLength(Math.ceil((COUNT - 3) / 7));
});

test("kept sources are counted, and removed by clean and by gc; the next build copies", async () => {
  const first = await seen("a");
  const stats = JSON.parse((await project.good("cache", "stats", "--json")).stdout) as Record<
    string,
    { count: number; disk: number }
  >;
  expect(stats["kept sources"]?.count).toBe(1);
  expect(stats["kept sources"]?.disk).toBeGreaterThan(COUNT);
  expect((await project.good("cache", "gc", "-n")).stdout).toContain("1 kept source");
  await project.good("cache", "gc");
  expect(project.names(".imagemake/copies")).toEqual([]);
  expect((await project.good("-n", "a")).stdout).not.toContain("stale");
  project.write("in/3/3", "three\n");
  const second = await seen("a");
  expect(differing(first.times, second.times)).toHaveLength(COUNT);
  expect((await project.good("clean", "-n")).stdout).toContain("kept source");
  await project.good("clean");
  expect(project.names(".imagemake/copies")).toEqual([]);
});

// V8 takes about 125,000 arguments of a call.
test("a hundred and thirty thousand files build, and after one edit one is copied", async () => {
  const many = 130_000;
  project.write(
    "Imagefile.ts",
    `export const a = run({ inputs: { I: files("many/*") }, cmd: 'find many -type f -printf "%f %C@\\\\n" | sort > "$OUT"', out: "a" });\n`,
  );
  mkdirSync(project.path("many"));
  for (let at = 0; at < many; at++) closeSync(openSync(project.path("many", String(at)), "w"));
  const copies = async (): Promise<string[]> => {
    await project.good("a");
    return project.read("out/a").trimEnd().split("\n");
  };
  const first = await copies();
  expect(first).toHaveLength(many);
  project.write("many/777", "edited\n");
  const before = new Set(first);
  expect((await copies()).filter((line) => !before.has(line))).toEqual([expect.stringMatching(/^777 /)]);
});
