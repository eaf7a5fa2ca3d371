// step.overlay with files from outside the project, through the real command line: what comes where, and that the
// place they came from is in no key.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";

const WAYS = ["absolute", "relative", "glob", "from"] as const;
let dir: string;
let project: TestProject;

/** The Imagefile that reads the overlay in `place`, in each way an overlay can be written. */
const imagefile = (place: string): string => `
import { files, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc"', tree: true });
const on = (name: string, overlay: ReturnType<typeof step.overlay>) =>
  rule.platformfs({ from: base, steps: [overlay], out: name + ".tar" });
const place = ${JSON.stringify(place)};
export const all = {
  absolute: on("absolute", step.overlay(place)),
  relative: on("relative", step.overlay("../" + place.split("/").pop())),
  glob: on("glob", step.overlay(files(place + "/**"))),
  from: on("from", step.overlay(files("**", { from: place }))),
};
`;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "imagemake-overlay-"));
  mkdirSync(join(dir, "one", "etc", "conf.d"), { recursive: true });
  writeFileSync(join(dir, "one", "etc", "conf.d", "local"), "yes\n");
  writeFileSync(join(dir, "one", "start"), "#!/bin/sh\n", { mode: 0o755 });
  mkdirSync(join(dir, "project"));
  project = makeProject(
    { "Imagefile.ts": imagefile(join(dir, "one")) },
    { dir: join(dir, "project"), under: [] },
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("a directory from outside the project is put where it says, however it is written", async () => {
  await project.good("all");
  for (const way of WAYS) {
    const names = execFileSync("tar", ["tf", project.path("out", `${way}.tar`)], { encoding: "utf8" });
    expect([
      way,
      names
        .split("\n")
        .filter((name) => /local|start|host|one/.test(name))
        .sort(),
    ]).toEqual([way, ["./etc/conf.d/local", "./start"]]);
  }
});

test("a directory that was moved builds nothing again, an edit in it everything", async () => {
  renameSync(join(dir, "one"), join(dir, "two"));
  project.write("Imagefile.ts", imagefile(join(dir, "two")));
  const moved = await project.events({}, "all");
  expect([moved.status, moved.which("built")]).toEqual([0, []]);
  writeFileSync(join(dir, "two", "start"), "#!/bin/sh\necho\n", { mode: 0o755 });
  const edited = await project.events({}, "all");
  expect(edited.which("built").filter((id) => !id.endsWith(".tree"))).toEqual(
    [...WAYS].map((way) => `all-${way}`).sort(),
  );
});

test("a directory that is not there is named", async () => {
  project.write("Imagefile.ts", imagefile(join(dir, "none")));
  const { status, stderr } = await project.run("all-absolute");
  expect(stderr).toContain(`${join(dir, "none")} does not exist`);
  expect(status).toBe(2);
});
