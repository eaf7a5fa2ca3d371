// Packages that a project marks as native-only, through the real command line: refused under emulation before anything is
// built, by name, and built as any other where the machine runs them itself.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addPackage, makeAptRepo, type AptRepo } from "./support/apt-repo.js";
import { makeProject, type TestProject } from "./support/cli.js";

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
  expect(told.stderr).toContain("tools holds compiler, which the project marks as native-only");
  expect(told.stderr).toContain(`build it on a machine of ${FOREIGN}`);
  expect(told.status).toBe(3);
  expect(told.events.filter(({ type }) => type === "started")).toEqual([]);
});

test("what holds none goes on to be built", async () => {
  project.write("packages", "lib\n");
  const told = await project.events({}, "tools");
  expect(told.stderr).not.toContain("native-only");
  expect(told.events.filter(({ type }) => type === "started")).toHaveLength(1);
});
