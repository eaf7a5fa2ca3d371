// What is in the way where a release is to be collected: only what imagemake put there is replaced, and nothing signed.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, expect, jest, test } from "@jest/globals";
import type { TestProject } from "./support/cli.js";
import { builtRelease, collectedRelease, DAY } from "./support/release.js";

jest.setTimeout(120_000);

let project: TestProject;
afterEach(() => project.remove());

const IMAGE = `${DAY}/image-a-${DAY}.txt`;

test.each([
  ["under the name of an artifact", IMAGE],
  ["under the name of the checksums", `${DAY}/sha256sum.txt`],
])("somebody else's file is not replaced: %s", async (_, name) => {
  project = await builtRelease();
  mkdirSync(project.path(DAY));
  writeFileSync(project.path(name), "the user's\n");
  const { status, stderr } = await project.run("release", "collect");
  expect(stderr).toContain(`${DAY} holds files that imagemake did not make: ${name.slice(DAY.length + 1)}`);
  expect(status).toBe(2);
  expect(project.read(name)).toBe("the user's\n");
});

test("a directory under the name of an artifact stays where it is", async () => {
  project = await builtRelease();
  mkdirSync(project.path(IMAGE), { recursive: true });
  expect((await project.run("release", "collect")).status).toBe(2);
  expect(project.names(DAY)).toEqual([`image-a-${DAY}.txt`]);
});

test("a signed release stays when its file is put back to an earlier state, by a checkout say", async () => {
  project = await collectedRelease();
  await project.good("release", "reopen");
  const file = project.path(`releases/${DAY}.json`);
  copyFileSync(file, project.path("earlier.json"));
  await project.good("release", "collect");
  await project.good("release", "sign");
  await project.good("release", "promote");
  const names = project.names(DAY);
  copyFileSync(project.path("earlier.json"), file);
  project.write("Imagefile.ts", project.read("Imagefile.ts").replace("echo ", "echo another "));
  await project.good("image-all");
  const { status, stderr } = await project.run("release", "collect");
  expect(stderr).toContain(`${DAY} is signed (sha256sum.sig), and the release's file says that it is open`);
  expect(status).toBe(2);
  expect(project.names("current")).toEqual(names);
  expect(project.read(`current/image-a-${DAY}.txt`)).toBe("a\n");
});

/** Brings other contents into a release that was collected. */
async function changed(): Promise<void> {
  project = await collectedRelease();
  await project.good("release", "reopen");
  project.write("Imagefile.ts", project.read("Imagefile.ts").replace("echo ", "echo another "));
}

test("what was collected before is replaced, whatever it holds", async () => {
  await changed();
  await project.good("image-all");
  await project.good("release", "collect");
  expect(project.read(IMAGE)).toBe("another a\n");
});

test("what the release's file knows is replaced, also after the state directory was deleted", async () => {
  await changed();
  for (const dir of [".imagemake", "out"]) rmSync(project.path(dir), { recursive: true });
  // A copy of it, as another machine has it.
  rmSync(project.path(IMAGE));
  writeFileSync(project.path(IMAGE), "a\n");
  await project.good("image-all");
  await project.good("release", "collect");
  expect(project.read(IMAGE)).toBe("another a\n");
});

test("no release is collected into the state directory", async () => {
  project = await builtRelease();
  const { status, stderr } = await project.run("release", "collect", ".imagemake/store");
  expect(stderr).toContain("lies in the state directory");
  expect(status).toBe(2);
  expect(project.exists(`.imagemake/store/${DAY}`)).toBe(false);
});
