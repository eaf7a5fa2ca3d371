// SIGKILL at system calls between the steps that have a name (killed.test.ts has those). Afterwards nothing half-made is
// in out/, nothing is mounted, nothing runs; the next run makes the right bytes, and the one after it has nothing to do.
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectSettled, noneLeft } from "./support/faults.js";
import { mountsOf } from "./support/sandbox.js";
import { interfere, systemCalls, type SystemCall } from "./support/system-calls.js";

jest.setTimeout(240_000);

const EXPENSIVE = process.env["IMAGEMAKE_EXPENSIVE"] !== undefined;

/** Big enough to be copied and digested elsewhere than on the main thread. */
const BIG = `${"0123456789abcdef".repeat(4096)}\n`.repeat(32);

/** A file, a disk image and a tree, each from something big. */
const IMAGEFILE = `
export const a = run({ inputs: { SRC: files("src/*") }, cmd: 'cat $SRC > "$OUT"', out: "a.txt" });
export const disk = run({ inputs: { A: a }, cmd: 'cat "$A" > "$OUT"; truncate -s 4M "$OUT"', out: "disk.img" });
export const tree = run({ inputs: { A: a }, cmd: 'mkdir "$OUT/sub"; cp "$A" "$OUT/sub/a"', tree: true });
export const packed = run({ inputs: { TREE: tree }, cmd: 'cat "$TREE/sub/a" > "$OUT"', out: "packed.txt" });
`;
const ALL = ["disk", "packed"];

type Outputs = Readonly<Record<string, string>>;

/** What out/ has to hold when the sources hold this. */
const expected = (text: string): Outputs => ({
  "a.txt": text,
  "disk.img": text.padEnd(4 << 20, "\0"),
  "packed.txt": text,
});

/** Outputs that are none of these; compared without a difference of megabytes in the report. */
const strange = (project: TestProject, ...possible: readonly Outputs[]): string[] =>
  project.names("out").filter((name) => {
    const text = project.read(`out/${name}`);
    return !possible.some((outputs) => outputs[name] === text);
  });

/** Right after a kill: every output is the old one or the new one, whole. */
async function expectNothingHalf(project: TestProject, before: Outputs, after: Outputs): Promise<void> {
  await noneLeft(project);
  expect(mountsOf(project.dir)).toEqual([]);
  expect(strange(project, before, after)).toEqual([]);
}

/** The next run puts everything right, the one after it has nothing to do. */
async function expectRecovery(project: TestProject, after: Outputs): Promise<void> {
  await project.good(...ALL);
  expect(strange(project, after)).toEqual([]);
  expect(project.names("out")).toEqual(Object.keys(after));
  await expectSettled(project, ...ALL);
}

/** Calls that change something on the disk. */
const CALLS = [
  "rename",
  "link",
  "unlink",
  "mkdir",
  "rmdir",
  "fsync",
  "ftruncate",
  "pwrite64",
  "copy_file_range",
];

/** So many of them, evenly spread. */
const spread = (calls: readonly SystemCall[], count: number): readonly SystemCall[] =>
  Array.from({ length: count }, (_, i) => calls[Math.floor(((i + 0.5) * calls.length) / count)]).flatMap(
    (call) => call ?? [],
  );

describe.each([
  { name: "the first build", points: EXPENSIVE ? 10 : 5, fresh: true },
  { name: "a build after an edit", points: EXPENSIVE ? 16 : 7, fresh: false },
])("the engine alone, killed at $points places of $name,", ({ points, fresh }) => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE, "src/1": "0\n", "src/2": BIG });
  });
  afterAll(() => project.remove());

  test("is followed by a run that makes everything right", async () => {
    const { calls } = await systemCalls(project, CALLS, ...ALL);
    let [before, killed] = [expected(`0\n${BIG}`), 0];
    for (const [at, call] of spread(calls, points).entries()) {
      const after = expected(`${at + 1}\n${BIG}`);
      if (fresh) for (const dir of ["out", ".imagemake"]) rmSync(project.path(dir), { recursive: true });
      project.write("src/1", `${at + 1}\n`);
      const { status } = await project.call(
        { under: interfere(project, call, "signal=KILL") },
        "-j2",
        ...ALL,
      );
      if (status !== 0) killed += 1;
      await expectNothingHalf(project, fresh ? {} : before, after);
      await expectRecovery(project, after);
      before = after;
    }
    // Runs differ a little in their calls: one with fewer may come to its end.
    expect(killed).toBeGreaterThan(points * 0.7);
  });
});
