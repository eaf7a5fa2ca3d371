// The cache commands as an ordinary user: trees made in a user namespace are measured, verified and deleted in one,
// and layers that root made are left to root.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { afterAll, afterEach, expect, test } from "@jest/globals";
import { makeProject, type Ended, type TestProject } from "./support/cli.js";
import { asUser, makeTrial, USER } from "./support/sandbox.js";

/** The tree has other owners and a directory that is closed to all but one of them. */
const IMAGEFILE = `import { files, project, rule, run, step } from "imagemake";
export const base = run({ inputs: { SRC: files("base.txt") }, tree: true, root: true,
  cmd: 'mkdir -p "$OUT/home/closed"; cp $SRC "$OUT/home/closed/"; chown -R 7:7 "$OUT/home"; chmod 700 "$OUT/home/closed"' });
export const platform = rule.platformfs({ from: base, steps: [step.write("etc/more", "more")] });
export default project({ default: [platform] });
`;

const trial = makeTrial();
const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));
afterAll(() => rmSync(trial.dir, { recursive: true, force: true }));

test("gc, stats and verify work on trees of a user namespace", async () => {
  const project = makeProject({ "Imagefile.ts": IMAGEFILE, "base.txt": "x".repeat(100_000) });
  projects.push(project);
  execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
  const user = (...args: string[]): Promise<Ended> => project.call({ under: asUser(trial, "all") }, ...args);
  expect(await user()).toMatchObject({ status: 0 });
  const stats = JSON.parse((await user("cache", "stats", "--json")).stdout) as {
    trees: { count: number; disk: number };
  };
  expect(stats.trees.count).toBe(2);
  expect(stats.trees.disk).toBeGreaterThan(100_000);
  expect(await user("cache", "verify")).toMatchObject({
    status: 0,
    stdout: "0 files, 2 trees and 0 packages: all whole\n",
  });
  execFileSync("sh", [
    "-c",
    'echo y > "$1"; chown "$2:$2" "$1"',
    "sh",
    project.path("base.txt"),
    String(USER),
  ]);
  expect(await user()).toMatchObject({ status: 0 });
  // A layer that root made, and that nothing names.
  cpSync("/etc/hostname", project.path(".imagemake/store/layers/aaaar/etc/hostname"), { recursive: true });
  const said = await user("cache", "gc");
  expect([said.status, said.stderr]).toEqual([3, expect.stringContaining("1 layer was made as root")]);
  expect(said.stdout).toMatch(/^removed 2 layers, 4 manifests.*: 1\d\d kB$/m);
  expect(project.names(".imagemake/store/layers").filter((name) => !name.endsWith(".json"))).toHaveLength(3);
  expect(await user("-q")).toMatchObject({ status: 0 });
  // Root deletes it.
  expect((await project.good("cache", "gc")).stdout).toContain("removed 1 layer");
  expect(project.names(".imagemake/store/layers")).not.toContain("aaaar");
});

test("damage in a directory that is closed to the user is found before the tree is read", async () => {
  const reader = (word: string): string =>
    `${IMAGEFILE}export const image = run({ inputs: { IN: base }, root: true,
  cmd: 'cat "$IN/home/closed/base.txt" > "$OUT"; echo ${word} >> "$OUT"', out: "image.txt" });\n`;
  const project = makeProject({ "Imagefile.ts": reader("one"), "base.txt": "base\n" });
  projects.push(project);
  execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
  const user = (...args: string[]): Promise<Ended> => project.call({ under: asUser(trial, "all") }, ...args);
  expect(await user("image")).toMatchObject({ status: 0 });
  const inLayer = 'for file in "$1"/*/home/closed/base.txt; do';
  execFileSync("sh", [
    "-euc",
    `${inLayer} cp -p "$file" "$2"; echo bass > "$file"; touch -r "$2" "$file"; done`,
    "sh",
    project.path(".imagemake/store/layers"),
    project.path("as-it-was"),
  ]);
  project.write("Imagefile.ts", reader("two"));
  const told = await user("image");
  expect([told.status, told.stderr]).toEqual([0, expect.stringMatching(/the tree t:\w+ .*is damaged/)]);
  expect(project.read("out/image.txt")).toBe("base\ntwo\n");
  project.write("Imagefile.ts", reader("three"));
  expect((await user("image")).stderr).not.toContain("damaged");
  expect(project.read("out/image.txt")).toBe("base\nthree\n");
});
