// What a file system of a disk image cannot hold, through the real command line: each is refused by name, none is
// written under another, and only what is too large is said to be.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";

const CASES: Readonly<Record<string, readonly [string, string]>> = {
  lines: [`: > "$(printf 'a\\nb')"`, 'FAT cannot hold a name such as "a?b"'],
  stop: [`mkdir d; : > d/end.`, 'FAT cannot hold a name such as "d/end."'],
  blank: [`: > "end "`, 'FAT cannot hold a name such as "end "'],
  directory: [`mkdir "x."; : > x./y`, 'FAT cannot hold a name such as "x."'],
  colon: [`: > a:b`, 'FAT cannot hold a name such as "a:b"'],
  files: [`: > Foo; : > foo`, "to FAT these are one name: Foo foo"],
  like: [`: > caf€; : > cafe`, "to FAT these are one name: "],
  directories: [`mkdir D d; : > D/x; : > d/y`, "to FAT these are one name: D d"],
};

let project: TestProject;
beforeAll(() => {
  const disk = (name: string, text: string): string =>
    `export const ${name} = rule.disk({ from: run({ inputs: {}, cmd: ${JSON.stringify(`cd "$OUT"; ${text}`)}, tree: true }), fs: "vfat", out: "${name}.img" });`;
  project = makeProject({
    "Imagefile.ts": [
      'import { rule, run } from "imagemake";',
      ...Object.entries(CASES).map(([name, [text]]) => disk(name, text)),
      `const long = run({ inputs: {}, cmd: 'ln -s "$(printf "%05000d" 0)" "$OUT/long" 2>/dev/null || ln -s "$(printf "%03000d" 0)" "$OUT/long"', tree: true });`,
      `export const ext4 = rule.disk({ from: long, out: "ext4.img" });`,
      `const big = run({ inputs: {}, cmd: 'head -c 30000000 /dev/urandom > "$OUT/big"', tree: true });`,
      `export const small = rule.disk({ from: big, size: "20MiB", out: "small.img" });`,
      `const crowd = run({ inputs: {}, cmd: 'cd "$OUT"; for d in $(seq 30); do mkdir $d; (cd $d; seq 1000 | xargs touch); done', tree: true });`,
      `export const crowded = rule.disk({ from: crowd, out: "crowded.img" });`,
      `export const btrfs = rule.disk({ from: run({ inputs: {}, cmd: 'cd "$OUT"; head -c 100000000 /dev/urandom > big; mkdir d; (cd d; seq 4000 | split -l 1 -a 4)', tree: true }), fs: "btrfs", out: "btrfs.img" });`,
      `export const tight = rule.disk({ from: big, fs: "btrfs", size: "130MiB", out: "tight.img" });`,
      `const board = run({ inputs: {}, cmd: 'mkdir "$OUT/boot"; : > "$OUT/boot/cmdline.txt"; head -c 3000 /dev/urandom > "$OUT/loader"', tree: true });`,
      `export const bare = rule.disk({ from: run({ inputs: {}, cmd: 'mkdir "$OUT/boot"', tree: true }), boot: "uboot", bootSize: "16MiB", out: "bare.img" });`,
      `const raw = (...places: (number | string)[]) => ({ from: board, bootSize: "16MiB", raw: places.map((at) => ({ file: "loader", at })) });`,
      ...["0", "440", '"8KiB"', '"1MiB", 1048576 + 2999'].map(
        (places, i) =>
          `export const raw${i} = rule.disk({ ...raw(${places}), boot: "uboot", out: "raw${i}.img" });`,
      ),
      `export const mbr = rule.disk({ ...raw(0), boot: "rpi", out: "mbr.img" });`,
      `export const beside = rule.disk({ ...raw(17408, 20408, "4MiB"), boot: "uboot", out: "beside.img" });`,
      disk(
        "other",
        `: > caf€; : > é; : > 日本; mkdir $(printf 'b\\377d'); : > $(printf 'b\\377d')/x; : > UP; : > one; ln one two; touch -d @1 old`,
      ),
      disk(
        "good",
        `mkdir -p Dir '[b] {c}/[d]'; echo yes > 'Dir/two words, a+b;c=[d]~.txt'; : > '[b] {c}/[d]/[e]'`,
      ),
    ].join("\n"),
  });
});
afterAll(() => project.remove());

test.each(Object.keys(CASES))("%s: refused by name", async (target) => {
  const { status, stderr } = await project.run(target);
  expect([status, stderr]).toEqual([1, expect.stringContaining(CASES[target]?.[1] ?? "?")]);
});

test("ext4: what is no question of size is not said to be one", async () => {
  const long = await project.run("ext4");
  expect([long.status, long.stderr]).toEqual([
    1,
    expect.stringContaining("mke2fs cannot put the tree into ext4"),
  ]);
  expect(long.stderr).not.toContain("larger size");
  const small = await project.run("small");
  expect([small.status, small.stderr]).toEqual([
    1,
    expect.stringContaining("the tree does not fit into the image (size: 20 MiB): say a larger size"),
  ]);
});

test("ext4: there is room for as many files as the tree has, however small they are", async () => {
  await project.good("crowded");
});

const TABLE = "would lie over the partition table, which is GPT: its first place is byte 17408";
test.each([
  ["raw0", `raw: loader, at bytes 0 to 3000, ${TABLE}`],
  ["raw1", `raw: loader, at bytes 440 to 3440, ${TABLE}`],
  ["raw2", `raw: loader, at bytes 8192 to 11192, ${TABLE}`],
  ["raw3", "at bytes 1051575 to 1054575, would lie over loader, at bytes 1048576 to 1051576"],
  ["mbr", "raw: loader, at bytes 0 to 3000, would lie over the partition table"],
])(
  "raw: what would lie over the partition table, or over another file, is refused: %s",
  async (target, said) => {
    const { status, stderr } = await project.run(target);
    expect([status, stderr]).toEqual([1, expect.stringContaining(said)]);
  },
);

test("a /boot that is empty is an empty file system", async () => {
  await project.good("bare");
});

test("raw: files that lie side by side leave both halves of the table whole", async () => {
  await project.good("beside");
  const image = project.path("out/beside.img");
  const { status, stdout, stderr } = spawnSync("sfdisk", ["--verify", image], { encoding: "utf8" });
  expect([status, stderr, stdout]).toEqual([0, "", expect.stringContaining("No errors detected")]);
  const loader = readFileSync(image).subarray(17408, 20408);
  expect(readFileSync(image).subarray(20408, 23408).equals(loader)).toBe(true);
});

test("btrfs: a size that is computed is one that the tree fits into; one that is said is kept", async () => {
  await project.good("btrfs");
  const tight = await project.run("tight");
  expect([tight.status, tight.stderr]).toEqual([
    1,
    expect.stringContaining("the tree does not fit into the image (size: 130 MiB): say a larger size"),
  ]);
});

test("what is under another name in FAT, in two copies or of another time is named", async () => {
  const { stderr } = await project.good("other");
  expect(stderr).toContain("FAT does not hold hard links (one, two), times before 1980 (old)");
  expect(stderr).toMatch(/FAT does not hold these names as they are \(b\S+d, b\S+d\/x, caf€\)/);
});

test("what FAT can hold is there under its name", async () => {
  await project.good("good");
  const image = project.path("out/good.img");
  const start = /start= *(\d+)/.exec(execFileSync("sfdisk", ["-d", image], { encoding: "utf8" }))?.[1];
  const found = execFileSync("mdir", ["-b", "-/", "-i", `${image}@@${Number(start) * 512}`, "::"], {
    encoding: "utf8",
  });
  expect(found).toContain("::/Dir/two words, a+b;c=[d]~.txt\n");
  expect(found).toContain("::/[b] {c}/[d]/[e]\n");
});
