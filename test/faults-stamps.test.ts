// File systems whose stamps do not tell every change: images of files with times of one constant, which look the same
// when one is mounted in the place of another, and those with a clock of whole seconds, where what we made is edited within
// the second. Needs root and loop devices.
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { blockDisk, coarseDisk, type Disk } from "./support/disk.js";
import { expectSettled } from "./support/faults.js";
import { until } from "./support/sandbox.js";
import { skipping } from "./support/skipping.js";

jest.setTimeout(120_000);

const has = (program: string): boolean => spawnSync("which", [program]).status === 0;
const loops = spawnSync("losetup", ["--find"]).status === 0;
if (!loops) skipping("faults-stamps", "there are no loop devices");

let disk: Disk | undefined;
afterEach(async () => {
  await disk?.remove();
  disk = undefined;
});

/** Commands that make an image of a directory, in which all times are the same. */
const IMAGES = {
  mksquashfs: "mksquashfs $dir $image -quiet -no-progress -all-time 1700000000 -mkfs-time 1700000000",
  "mkfs.erofs": "mkfs.erofs --quiet -T 1700000000 $image $dir",
};

describe("an image of files that is mounted in the place of another", () => {
  const MAIN = `export const whole = run({ inputs: { SRC: files("src/**") }, out: "whole.txt", cmd: '(cd src; find . -type f | sort; cat text) > "$OUT"' });
export const word = run({ inputs: { NAMES: list("src/names") }, cmd: ["cp", "$NAMES", "$OUT"], out: "names.txt" });
export { said } from "./src/said.ts";
`;
  /** What differs has one length; so has its name. */
  const contents = (one: string): string =>
    [
      `echo ${one} > $dir/text; echo ${one} > $dir/names; echo > $dir/name-${one}`,
      `echo 'import { run } from "imagemake"; export const said = run({ inputs: {}, cmd: "echo ${one} > \\"$OUT\\"", out: "said.txt" });' > $dir/said.ts`,
      "touch -d @1700000000 $dir/* $dir",
    ].join("; ");
  const WORDS = ["whole", "word", "said"];

  for (const [program, make] of Object.entries(IMAGES)) {
    const can = loops && has(program);
    if (!can) skipping(`faults-stamps, ${program}`, `there is no ${program}`);
    (can ? test : test.skip)(`by ${program} is another input`, async () => {
      disk = await blockDisk("mkfs.ext4 -q");
      const project = makeProject({ "Imagefile.ts": MAIN }, disk);
      for (const one of ["one", "two"])
        await disk.sh(
          `dir=../${one}; image=../${one}.image; mkdir $dir; ${contents(one)}; ${make} > /dev/null`,
        );
      await disk.sh("mkdir src; mount -o loop,ro ../one.image src");
      const before = looks(project);
      await project.good(...WORDS);
      await expectSettled(project, ...WORDS);
      expect([project.read("out/names.txt"), project.read("out/said.txt")]).toEqual(["one\n", "one\n"]);
      expect(project.read("out/whole.txt")).toContain("name-one");
      await disk.sh("umount src; mount -o loop,ro ../two.image src");
      expect(looks(project)).toEqual(before);
      await project.good(...WORDS);
      expect([project.read("out/names.txt"), project.read("out/said.txt")]).toEqual(["two\n", "two\n"]);
      expect(project.read("out/whole.txt")).toMatch(/name-two\n[^]*two\n/);
      expect(project.read("out/whole.txt")).not.toContain("one");
      await expectSettled(project, ...WORDS);
      await disk.sh("umount src");
    });
  }

  const looks = (project: TestProject): string[] =>
    ["src", "src/text", "src/names", "src/said.ts"].map((path) => stampOf(project.path(path)));
});

(loops ? describe : describe.skip)(
  "where times are whole seconds, an output that is edited within the second",
  () => {
    test("is made again", async () => {
      disk = await coarseDisk();
      const project = makeProject(
        {
          "Imagefile.ts": `export const a = run({ inputs: { SRC: files("src") }, cmd: 'cat "$SRC" > "$OUT"', out: "a.txt" });\n`,
        },
        disk,
      );
      let same = false;
      for (let round = 0; round < 5 && !same; round += 1) {
        project.write("src", `round ${round}\n`);
        await until("a second begins", () => Date.now() % 1000 < 20);
        await project.good("a");
        const made = stampOf(project.path("out/a.txt"));
        await disk.sh("printf spoil | dd of=out/a.txt conv=notrunc status=none");
        same = stampOf(project.path("out/a.txt")) === made;
        await project.good("a");
        expect(project.read("out/a.txt")).toBe(`round ${round}\n`);
      }
      expect(same).toBe(true);
      await expectSettled(project, "a");
    });
  },
);

function stampOf(path: string): string {
  const { size, mtimeMs, ctimeMs, ino, mode } = statSync(path);
  return [size, mtimeMs, ctimeMs, ino, mode].join(" ");
}
