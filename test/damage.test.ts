// One byte changed in what lies in the state directory: what is stored, remembered or indexed. What is made from it is
// right, what is damaged is made again and named, and no command fails for it. Through the real command line.
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject, type Told } from "./support/cli.js";

jest.setTimeout(120_000);

/** `word` is in every reader's command: another one makes all of them anew. */
const imagefile = (word: string): string => `import { files, project, run, rule, step } from "imagemake";
export const base = run({ inputs: { SRC: files("base.txt") }, tree: true, cmd: 'mkdir "$OUT/etc"; cp $SRC "$OUT/etc/"' });
export const platform = rule.platformfs({ from: base, steps: [step.write("etc/more", "more ${word}\\n")] });
const inner = run({ inputs: { SRC: files("base.txt") }, cmd: 'tr a-z A-Z < $SRC > "$OUT"', out: "inner.txt" });
export const image = run({ inputs: { IN: base }, cmd: 'cat "$IN"/etc/* > "$OUT"; echo ${word} >> "$OUT"', out: "image.txt" });
export const reader = run({ inputs: { IN: inner }, cmd: 'cat "$IN" > "$OUT"; echo ${word} >> "$OUT"', out: "reader.txt" });
export const second = run({ inputs: { IN: image }, cmd: 'cat "$IN" > "$OUT"', out: "second.txt" });
export default project({ default: [platform, image, reader, second] });
`;

const ALL = ["base", "image", "platform", "reader", "reader/in", "second"];

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

async function built(): Promise<TestProject> {
  const project = makeProject({ "Imagefile.ts": imagefile("one"), "base.txt": "base\n" });
  projects.push(project);
  await project.good();
  return project;
}

/** The warnings of a build. */
const warnings = ({ events }: Told): string =>
  events.flatMap((event) => (event.type === "notice" ? [event.message] : [])).join("\n");

const onlyFile = (project: TestProject, dir: string, prefix: string): string => {
  const name = project.names(dir).find((one) => one.startsWith(prefix));
  if (name === undefined) throw new Error(`no ${prefix} in ${dir}`);
  return project.path(dir, name);
};

const NOTHING = expect.stringContaining("nothing to do");

describe("what is remembered", () => {
  test("a graph with any byte changed is neither believed nor fatal", async () => {
    const project = await built();
    const file = onlyFile(project, ".imagemake/graphs", "graph-");
    const [whole, list] = [readFileSync(file), (await project.good("list")).stdout];
    const places = ['"actions"', "tr a-z", '"targets"', '"project"'];
    for (const place of places) {
      const at = whole.indexOf(place) + place.length - 2;
      expect(at).toBeGreaterThan(place.length);
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(file, bytes);
      for (const args of [["list"], ["-n"], ["-q"], ["clean", "-n"], ["cache", "gc", "-n"]]) {
        const ended = await project.run(...args);
        expect([place, args, ended.status]).toEqual([place, args, 0]);
        if (args[0] === "list") expect(ended.stdout).toBe(list);
        expect(ended.stderr).not.toContain("a fault of its own");
      }
    }
    expect((await project.events({})).which("built")).toEqual([]);
    const graphIn = (text: Buffer): unknown => (JSON.parse(text.toString()) as { graph: unknown }).graph;
    expect(graphIn(readFileSync(file))).toEqual(graphIn(whole));
    writeFileSync(file, whole.subarray(0, whole.length / 2));
    await project.good("clean");
  });

  test("a record of nothing to do with any byte changed is no record", async () => {
    const project = await built();
    // What was written just now is not recorded.
    await setTimeout(3_100);
    expect((await project.good()).stderr).toEqual(NOTHING);
    const file = onlyFile(project, ".imagemake/graphs", "quick-");
    const whole = readFileSync(file);
    project.write("base.txt", "bass\n");
    let tried = 0;
    for (let at = 0; at < whole.length; at += 97, tried += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x11;
      writeFileSync(file, bytes);
      const ended = await project.run("-q");
      expect([at, ended.status, ended.stderr]).toEqual([at, 1, ""]);
    }
    expect(tried).toBeGreaterThan(10);
    writeFileSync(file, whole.subarray(0, whole.length - 40));
    expect((await project.run("-q")).status).toBe(1);
  });
});

describe("releases", () => {
  const damages: Readonly<Record<string, (text: string) => string>> = {
    "cut off": (text) => text.slice(0, text.length / 2),
    empty: () => "",
    "with another digit": (text) => text.replace(/"opened": "2/, '"opened": "3'),
    "with a part of another kind": (text) => text.replace('"rejected": []', '"rejected": 10'),
  };

  test.each(Object.keys(damages))("an implicit one %s is set aside, and no command fails", async (how) => {
    const project = await built();
    const file = onlyFile(project, ".imagemake/releases", "2");
    const text = readFileSync(file, "utf8");
    const damaged = damages[how]?.(text) ?? "";
    expect(damaged).not.toBe(text);
    writeFileSync(file, damaged);
    for (const args of [
      ["list"],
      ["-n"],
      ["release", "status"],
      ["clean", "-n"],
      ["cache", "gc", "-n"],
      ["why", "image"],
    ]) {
      const ended = await project.run(...args);
      expect([args, ended.status, ended.stderr]).toEqual([args, 0, expect.not.stringContaining("fault")]);
    }
    expect(readFileSync(file, "utf8")).toBe(damaged);
    const told = await project.events({});
    expect([told.status, told.which("built")]).toEqual([0, []]);
    expect(warnings(told)).toContain("set aside");
    expect(readFileSync(`${file}.set-aside`, "utf8")).toBe(damaged);
    expect((await project.good()).stderr).toEqual(NOTHING);
  });

  test("an explicit one is an error that names it", async () => {
    const project = await built();
    await project.good("release", "start");
    const file = onlyFile(project, "releases", "2");
    writeFileSync(file, readFileSync(file, "utf8").slice(0, 100));
    const ended = await project.run();
    expect([ended.status, ended.stderr]).toEqual([2, expect.stringContaining(file)]);
  });
});

describe("an index", () => {
  const damages: Readonly<Record<string, string>> = {
    "that lacks a table": "DROP TABLE stamps",
    "that lacks the table of results": "DROP TABLE results",
    "with a column of another name": "ALTER TABLE artifacts RENAME COLUMN layer TO lager",
    "with a column too many": "ALTER TABLE builds ADD COLUMN more TEXT",
    "whose outputs do not go with their builds":
      "DROP TABLE outputs; CREATE TABLE outputs (build TEXT NOT NULL, name TEXT NOT NULL, artifact TEXT NOT NULL, PRIMARY KEY (build, name)) WITHOUT ROWID",
  };

  test.each(Object.keys(damages))("%s is set aside and made anew", async (how) => {
    const project = await built();
    const file = project.path(".imagemake/index.db");
    const db = new Database(file);
    db.exec(damages[how] ?? "");
    db.close();
    project.write("base.txt", "bass\n");
    for (const args of [["list"], ["-n"], ["why", "image"], ["cache", "ls"]]) {
      const ended = await project.run(...args);
      expect([args, ended.status, ended.stderr]).toEqual([args, 0, expect.not.stringContaining("fault")]);
    }
    const told = await project.events({});
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(warnings(told)).toContain("set aside");
    expect((await project.good()).stderr).toEqual(NOTHING);
  });
});
