// SOURCE_DATE_EPOCH: what an action sees is a function of what it is made from, never of what this machine built
// before. Through the real command line.
import { afterEach, describe, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectBuilds, expectSettled } from "./support/faults.js";

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

function made(files: Readonly<Record<string, string>>): TestProject {
  const project = makeProject(files);
  projects.push(project);
  return project;
}

/** `a` has the same bytes at each epoch; `b` reads it and shows the epoch that it sees, `c` reads `b`. */
const imagefile = (epoch: string): string => `
export const a = run({ inputs: {}, cmd: 'echo same > "$OUT"', out: "a.txt" });
export const tree = run({ inputs: {}, tree: true, cmd: 'echo same > "$OUT/f"; touch -d 2001-02-03 "$OUT/f" "$OUT"' });
export const b = run({ inputs: { A: a }, cmd: 'echo $SOURCE_DATE_EPOCH > "$OUT"', out: "b.txt" });
export const c = run({ inputs: { T: tree }, cmd: 'echo $SOURCE_DATE_EPOCH > "$OUT"', out: "c.txt" });
export default project({ default: [b, c], epoch: "${epoch}" });
`;
const EPOCHS = ["2020-01-02", "2022-03-04", "2021-02-03"];

const results = (project: TestProject): string[] => ["b", "c"].map((name) => project.read(`out/${name}.txt`));

describe("one key has one content", () => {
  test("whatever epochs there were before: each build gives what a fresh machine gives", async () => {
    const project = made({});
    for (const epoch of EPOCHS) {
      project.write("Imagefile.ts", imagefile(epoch));
      await project.good();
      await expectSettled(project);
      const fresh = made({ "Imagefile.ts": imagefile(epoch) });
      await fresh.good();
      expect(results(project)).toEqual(results(fresh));
      expect(results(project)).toEqual(Array(2).fill(`${Date.parse(epoch) / 1000}\n`));
    }
  });

  test("an epoch that was there before is known again: nothing runs", async () => {
    const project = made({});
    for (const epoch of EPOCHS.slice(0, 2)) {
      project.write("Imagefile.ts", imagefile(epoch));
      await project.good();
    }
    project.write("Imagefile.ts", imagefile("2020-01-02"));
    await expectBuilds(project, []);
    expect(results(project)).toEqual(Array(2).fill(`${Date.parse("2020-01-02") / 1000}\n`));
  });

  test("two makers of the same bytes date their readers each by its own", async () => {
    const project = made({
      "Imagefile.ts": `
        export const old = run({ inputs: {}, cmd: 'echo same > "$OUT"', out: "old.txt" });
        export const reads = run({ inputs: { IN: old }, cmd: 'echo $SOURCE_DATE_EPOCH > "$OUT"', out: "reads.txt" });
        export default project({ default: [reads], epoch: "2020-01-02" });`,
      "other.ts": `
        export const young = run({ inputs: {}, cmd: 'echo same > "$OUT"', out: "young.txt" });
        export const seen = run({ inputs: { IN: young }, cmd: 'echo $SOURCE_DATE_EPOCH > "$OUT"', out: "seen.txt" });
        export default project({ default: [seen], epoch: "2022-03-04" });`,
    });
    await project.good();
    await project.good("-f", "other.ts");
    await project.good("-B");
    expect([project.read("out/reads.txt"), project.read("out/seen.txt")]).toEqual(
      ["2020-01-02", "2022-03-04"].map((date) => `${Date.parse(date) / 1000}\n`),
    );
  });
});
