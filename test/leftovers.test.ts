// Temporary files that a kill left: whoever was killed, with the lock or before it was taken, the next run that holds the
// lock removes them, and nothing that somebody else has called nearly so.
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { mkdirSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { startAt, stepsOf, type Point } from "./support/steps.js";

jest.setTimeout(120_000);

const IMAGEFILE = `export const a = run({ inputs: { SRC: files("src") }, cmd: 'cat $SRC > "$OUT"', out: "a.txt" });`;

let project: TestProject;
beforeEach(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE, "8.2.ts": IMAGEFILE, src: "1\n" });
});
afterEach(() => project.remove());

/** Kills imagemake while a file whose path matches has its temporary name. */
async function killWriting(file: RegExp, ...words: string[]): Promise<void> {
  const isIt = ({ step, of = "" }: Point): boolean => step === "file written" && file.test(of);
  const other = makeProject({ "Imagefile.ts": IMAGEFILE, "8.2.ts": IMAGEFILE, src: "1\n" });
  const point = (await stepsOf(other, ...words)).steps.find(isIt);
  other.remove();
  if (point === undefined) throw new Error(`${words.join(" ")} writes no ${file.source}`);
  const run = startAt(project, point, ...words);
  await run.stopped();
  run.child.kill("SIGKILL");
  expect((await run.ended()).signal).toBe("SIGKILL");
}

const DIRECTORIES = ["", "/8.2"].flatMap((line) => [`releases${line}`, `.imagemake/releases${line}`]);

/** Temporary files in a project. */
const temporaries = (): string[] =>
  [...DIRECTORIES, "out", ".imagemake", ".imagemake/graphs", ".imagemake/store/checked"].flatMap((dir) =>
    project.names(dir).flatMap((name) => (/\.\d+-\d+\.tmp$/.test(name) ? [`${dir}/${name}`] : [])),
  );

test.each([
  { of: "an explicit release", file: /releases\/\d+\.json$/, words: ["release", "start"] },
  {
    of: "an explicit release of another line",
    file: /releases\/8\.2\/\d+\.json$/,
    words: ["-f", "8.2.ts", "release", "start"],
  },
  {
    of: "an implicit release of another line",
    file: /releases\/8\.2\/\d+\.json$/,
    words: ["-f", "8.2.ts", "a"],
  },
  { of: "a graph, before the lock was taken", file: /graphs\/graph-/, words: ["a"] },
])("half of $of goes with the next run", async ({ file, words }) => {
  await killWriting(file, ...words);
  expect(temporaries()).toEqual([expect.stringMatching(/\.json\.\d+-\d+\.tmp$/)]);
  await project.good("a");
  expect(temporaries()).toEqual([]);
});

test("a command that builds nothing clears them as well", async () => {
  await killWriting(/releases\/\d+\.json$/, "release", "start");
  await project.good("cache", "gc");
  expect(temporaries()).toEqual([]);
});

test("what others have called nearly so stays", async () => {
  await project.good("a");
  const foreign = [
    "releases/notes.txt.12-0.tmp",
    "releases/20310506.json.tmp",
    "releases/20310506.json.12-0.tmp.bak",
    "releases/8.2/mine.json.12-0.tmp",
    "out/a.txt.tmp",
  ];
  for (const name of foreign) project.write(name, "");
  for (const dir of ["out/notes.12-0.tmp", "releases/20310506.json.12-1.tmp"]) mkdirSync(project.path(dir));
  project.write("releases/20310506.json.12-0.tmp", "");
  project.write("src", "2\n");
  await project.good("a");
  for (const name of foreign) expect([name, project.exists(name)]).toEqual([name, true]);
  expect(temporaries()).toEqual([
    ...["releases/20310506.json.12-1.tmp", "releases/notes.txt.12-0.tmp"],
    ...["releases/8.2/mine.json.12-0.tmp", "out/notes.12-0.tmp"],
  ]);
});
