// Packages and targets that are marked as native-only, through the real command line: refused under emulation before anything is
// built, by name, and built as any other where the machine runs them itself.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addPackage, hostArch, makeAptRepo, type AptRepo } from "./support/apt-repo.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { makeTinyRepo } from "./support/packages.js";
import { TINY_DEBIAN } from "./support/tiny-debian.js";

// mmdebstrap is quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

/** An architecture that this machine does not run. */
const FOREIGN = process.arch === "arm64" ? "amd64" : "arm64";
const dir = mkdtempSync(join(tmpdir(), "imagemake-native-"));
let repo: AptRepo;
let project: TestProject;

beforeAll(() => {
  repo = makeAptRepo(dir, [], { arch: FOREIGN });
  addPackage(repo, { name: "lib" }, { name: "compiler", depends: "lib" });
  project = makeProject({
    "Imagefile.ts": `
import { apt, list, project, rule } from "imagemake";
const repo = apt({ url: ${JSON.stringify(repo.url)}, suite: "tiny" });
export const tools = rule.rootfs({ repo, arch: "${FOREIGN}", variant: "busybox", packages: list("packages") });
export const said = rule.rootfs({ repo, arch: "${FOREIGN}", variant: "busybox", native: true, packages: ["lib"], out: "said.tar" });
export default project({ nativeOnly: ["compiler", "other"] });
`,
    packages: "compiler\n",
  });
});
afterAll(() => {
  project.remove();
  rmSync(dir, { recursive: true, force: true });
});

test("what holds one is refused before anything starts, and named with its architecture", async () => {
  const told = await project.events({}, "tools");
  expect(told.stderr).toContain("tools: it holds compiler 1.0, which the project marks as native-only");
  expect(told.stderr).toContain(`build it on a machine of ${FOREIGN}`);
  expect(told.status).toBe(3);
  expect(told.events.filter(({ type }) => type === "started")).toEqual([]);
});

test("a target that says so is refused, and everything is named at once, before anything is fetched", async () => {
  const { status, stderr } = await project.run("said", "tools");
  expect([status, stderr]).toEqual([
    3,
    expect.stringMatching(
      /^ {2}tools: it holds compiler 1\.0, .*\n.*\n {2}said\.tree: it is marked as native: it cannot be built under emulation\n/m,
    ),
  ]);
  expect(project.names(".imagemake/store/packages")).toEqual([]);
});

test("what holds none goes on to be built", async () => {
  project.write("packages", "lib\n");
  const told = await project.events({}, "tools");
  expect(told.stderr).not.toContain("native-only");
  expect(told.events.filter(({ type }) => type === "started")).toHaveLength(1);
});

test("where the machine runs its programs, what is marked is built", async () => {
  const here = makeTinyRepo();
  const native = makeProject({
    "Imagefile.ts": `
import { apt, project, rule } from "imagemake";
const repo = apt({ url: ${JSON.stringify(here.url)}, suite: "tiny" });
export const rootfs = rule.rootfs({ repo, arch: "${hostArch()}", variant: "busybox", native: true,
  packages: ${JSON.stringify([...TINY_DEBIAN, "libone"])} });
export default project({ nativeOnly: ["libone"] });
`,
  });
  const told = await native.events({}, "rootfs");
  native.remove();
  rmSync(here.dir, { recursive: true, force: true });
  expect([told.stderr, told.which("built")]).toEqual(["", ["rootfs"]]);
});
