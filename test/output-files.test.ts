// Files in out/ that imagemake did not make are not replaced: exit 2 with their names before anything runs. What it made
// is known by the index, else by its bytes.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";

const IMAGEFILE = `import { arg, run } from "imagemake";
export const a = run({ inputs: {}, cmd: \`echo \${arg("WORD", "a")} > "$OUT"\`, out: "a.txt" });
export const b = run({ inputs: {}, cmd: 'echo b > "$OUT"', out: "b.txt" });
export const c = run({ inputs: {}, cmd: 'echo c > "$OUT"', out: "c.img" });
`;

let project: TestProject;
beforeEach(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE });
});
afterEach(() => project.remove());

/** Exit 2 with these words, and nothing was started. */
async function refused(words: RegExp, ...args: string[]): Promise<void> {
  const { status, stderr, events } = await project.events({}, ...args);
  expect([stderr, status]).toEqual([expect.stringMatching(words), 2]);
  expect(events.filter(({ type }) => type === "started")).toEqual([]);
}

test("a file of the user's own is named and stays", async () => {
  project.write("out/a.txt", "mine\n");
  await refused(/out\/a\.txt already exists, and imagemake did not make it[^]*move it elsewhere/, "a");
  expect(project.read("out/a.txt")).toBe("mine\n");
  const rest = await project.events({}, "a", "b", "-k");
  expect([rest.status, rest.which("built"), project.read("out/a.txt")]).toEqual([2, ["b"], "mine\n"]);
  renameSync(project.path("out/a.txt"), project.path("a.txt"));
  await project.good("a");
  expect(project.read("out/a.txt")).toBe("a\n");
});

test("links, directories with files, and what is in the way of a directory are refused as well", async () => {
  mkdirSync(project.path("out"));
  project.write("mine", "mine\n");
  symlinkSync("../mine", project.path("out/a.txt"));
  await refused(/out\/a\.txt already exists/, "a");
  rmSync(project.path("out/a.txt"));
  project.write("out/a.txt/mine", "mine\n");
  await refused(/out\/a\.txt is a directory with files in it, and/, "a");
  rmSync(project.path("out"), { recursive: true });
  project.write("out", "mine\n");
  await refused(/out is not a directory, and out\/b\.txt is to lie in it/, "b");
  expect([project.read("mine"), project.read("out")]).toEqual(["mine\n", "mine\n"]);
});

test("what was edited is made good again, and what another word makes takes its place", async () => {
  await project.good("a");
  rmSync(project.path("out/a.txt"));
  project.write("out/a.txt", "edited\n");
  await project.good("a");
  expect(project.read("out/a.txt")).toBe("a\n");
  await project.good("a", "WORD=other");
  expect(project.read("out/a.txt")).toBe("other\n");
});

test("without the index, or in a copy of the project, what imagemake made is known by its bytes", async () => {
  await project.good("a", "b", "c");
  for (const name of project.names(".imagemake").filter((one) => one.startsWith("index.db")))
    rmSync(project.path(".imagemake", name));
  await project.good("a", "b", "c", "WORD=other");
  expect(project.read("out/a.txt")).toBe("other\n");
  // The links have absolute names in the index.
  const moved = `${project.dir}-moved`;
  renameSync(project.dir, moved);
  mkdirSync(project.dir);
  execFileSync("cp", ["-a", `${moved}/.`, project.dir]);
  rmSync(moved, { recursive: true });
  await project.good("a", "b", "c", "WORD=third");
  expect(project.read("out/a.txt")).toBe("third\n");
});

test("without the whole state what comes out the same is taken, and what does not is not replaced", async () => {
  await project.good("a", "b");
  rmSync(project.path(".imagemake"), { recursive: true });
  await project.good("a", "b");
  expect((await project.good("a", "b")).stderr).toContain("nothing to do");
  rmSync(project.path(".imagemake"), { recursive: true });
  const { status, stderr } = await project.run("a", "WORD=other");
  expect([stderr, status]).toEqual([
    expect.stringContaining("out/a.txt already exists, and imagemake did not make it"),
    2,
  ]);
  expect(project.read("out/a.txt")).toBe("a\n");
  chmodSync(project.path("out/a.txt"), 0o644);
  await refused(/out\/a\.txt already exists/, "a", "WORD=other");
  expect(lstatSync(project.path("out/a.txt")).size).toBe(2);
});
