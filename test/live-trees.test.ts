// extract and squashfs through the real command line, on trees that commands make: what they take, what they refuse,
// and what a full disk leaves behind.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type Ended, type TestProject } from "./support/cli.js";
import { smallDisk } from "./support/disk.js";

jest.setTimeout(120_000);

/** 3 MiB that do not compress, kernels with links to them, and a directory that images leave out. */
const TREE = `
import { list, rule, run } from "imagemake";
const tree = run({ inputs: { SIZE: list("size") }, root: true, tree: true, cmd: \`
  mkdir -p $OUT/boot $OUT/dev $OUT/usr/bin $OUT/two
  perl -e 'srand 1; print pack "N", rand 2**32 for 1 .. shift() / 4' $(cat $SIZE) >$OUT/usr/bin/random
  echo kernel >$OUT/boot/vmlinuz-1.0; echo initrd >$OUT/boot/initrd.img-1.0
  ln -s boot/vmlinuz-1.0 $OUT/vmlinuz; ln -s /boot/initrd.img-1.0 $OUT/two/initrd
  ln -s ../../../../../../etc/hostname $OUT/escape; ln -s ../../../../etc $OUT/out
  printf '#!/bin/sh\\\\n' >$OUT/usr/bin/tool; chmod 755 $OUT/usr/bin/tool
  echo a >$OUT/two/a-1; echo b >$OUT/two/a-2\` });
`;
const IMAGEFILE = `${TREE}
export const files = rule.extract(tree, {
  kernel: "boot/vmlinuz-*", "initrd.img": "two/initrd", path: "vmlinuz", tool: "/usr/bin/tool" });
export const refused = {
  none: rule.extract(tree, { none: "boot/nothing-*" }).none,
  several: rule.extract(tree, { several: "two/a-*" }).several,
  escape: rule.extract(tree, { escape: "escape" }).escape,
  outside: rule.extract(tree, { outside: "out/passwd" }).outside,
  directory: rule.extract(tree, { directory: "boot" }).directory,
};
export const squash = rule.squashfs({ from: tree, compress: "lz4", without: ["boot/*", "two"], out: "root-{date}.sfs" });
export const levels = { zstd: rule.squashfs({ from: tree, level: 1, out: "zstd.sfs" }), gzip: rule.squashfs({ from: tree, compress: "gzip", level: 9, out: "gzip.sfs" }) };
export const small = rule.squashfs({ from: run({ inputs: {}, tree: true, cmd: "echo hello >$OUT/hello" }), out: "small.sfs" });
export const allowed = rule.squashfs({ from: run({ inputs: {}, tree: true, cmd: "echo hello >$OUT/hi" }), guards: { minSize: 100 }, out: "allowed.sfs" });
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE, size: "3145728\n" });
});
afterAll(() => project.remove());

describe("extract", () => {
  test("takes files by name and by pattern, follows links, and keeps what is executable", async () => {
    await project.good("files");
    expect(project.read("out/kernel")).toBe("kernel\n");
    expect(project.read("out/initrd.img")).toBe("initrd\n");
    expect(project.read("out/path")).toBe("kernel\n");
    const modes = execFileSync("stat", ["-c", "%n %A", "kernel", "tool"], { cwd: project.path("out") });
    expect(String(modes)).toMatch(/kernel -r-?-?.-?-?.-?-?-\ntool -r.x/);
  });

  test.each([
    ["none", "boot/nothing-*: there is no such file in the tree"],
    ["several", "two/a-*: several files match: /two/a-1 /two/a-2"],
    ["escape", "escape: not a file"],
    ["outside", "out/passwd: there is no such file in the tree"],
    ["directory", "boot: not a file"],
  ])("refuses a path that stands for no file, or for more than one: %s", async (name, message) => {
    const { status, stderr } = await project.run(`refused-${name}`);
    expect(stderr).toContain(message);
    expect(status).toBe(1);
  });

  test("two Imagefiles in one directory: what has no name of its own is not in out/, and nobody's", async () => {
    const own = (word: string): string => `import { list, rule, run } from "imagemake";
const tree = run({ inputs: {}, root: true, tree: true, cmd: 'mkdir "$OUT/boot"; echo ${word} > "$OUT/boot/vmlinuz-1"' });
const inner = { K: rule.extract(tree, { kernel: "boot/vmlinuz-*" }).kernel,
  S: rule.squashfs({ from: tree, compress: "lz4", guards: { minSize: 1 } }) };
const named = rule.squashfs({ from: tree, compress: "lz4", guards: { minSize: 1 }, out: "named-${word}.sfs" });
export const both = run({ inputs: { ...inner, N: named }, cmd: 'cat "$K" > "$OUT"', out: "both-${word}.txt" });
`;
    const beside = makeProject({ "one.ts": own("one"), "two.ts": own("two") });
    try {
      for (const word of ["one", "two", "one"]) {
        await beside.good("-f", `${word}.ts`, "both");
        expect(beside.read(`out/both-${word}.txt`)).toBe(`${word}\n`);
      }
      expect(beside.names("out")).toEqual(["both-one.txt", "both-two.txt", "named-one.sfs", "named-two.sfs"]);
      expect((await beside.good("-f", "two.ts", "both")).stderr).toContain("nothing to do");
      // By its name in out/ a target can be asked for; what has none there has none.
      expect((await beside.run("-f", "one.ts", "named-one.sfs")).status).toBe(0);
      expect((await beside.run("-f", "one.ts", "kernel")).stderr).toContain("unknown target kernel");
    } finally {
      beside.remove();
    }
  });

  test("says in words what is wrong with its options", async () => {
    for (const [paths, message] of [
      ["{}", "paths: expected at least one, found none"],
      ['{ "a.b": "x", "a-b": "y" }', "paths: a.b and a-b differ too little"],
      ['{ "1": "x" }', "begins with a letter"],
      ['{ a: "x/" }', "paths.a: "],
    ]) {
      project.write("wrong.ts", `${TREE}\nexport const wrong = rule.extract(tree, ${paths});`);
      const { status, stderr } = await project.run("-f", "wrong.ts", "list");
      expect(stderr).toContain(message);
      expect(status).toBe(2);
    }
  });
});

describe("squashfs", () => {
  const listing = (name: string): string[] =>
    execFileSync("unsquashfs", ["-lc", project.path("out", name)], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.startsWith("squashfs-root/"))
      .map((line) => line.slice("squashfs-root/".length));
  const image = (): string => project.names("out").find((name) => name.startsWith("root-")) ?? "";

  test("holds the tree without what is left out, and the mount points", async () => {
    await project.good("squash");
    const names = listing(image());
    expect(names).toEqual(expect.arrayContaining(["boot", "dev", "usr/bin/tool", "vmlinuz"]));
    expect(names.filter((name) => /^(?:boot|two)\//.test(name) || name === "two")).toEqual([]);
  });

  test("is the same bit for bit on one processor and when it is made again", async () => {
    await project.good("squash", "levels");
    const sums = (): string =>
      execFileSync("sha256sum", [image(), "zstd.sfs", "gzip.sfs"], {
        cwd: project.path("out"),
        encoding: "utf8",
      });
    const before = sums();
    const again = await project.call({ under: ["taskset", "1"] }, "-B", "squash", "levels");
    expect(again.status).toBe(0);
    expect(sums()).toBe(before);
  });

  test("below 1 MiB is a failure and no output, unless the Imagefile allows it", async () => {
    const { status, stderr } = await project.run("small");
    expect(stderr).toContain("at least 1048576 are demanded");
    expect(status).toBe(1);
    expect(project.exists("out/small.sfs")).toBe(false);
    await project.good("allowed");
  });

  test("says in words what is wrong with its options", async () => {
    for (const [options, message] of [
      ['compress: "lzo"', 'compress: expected zstd, xz, lz4, gzip, found "lzo"'],
      ['compress: "xz", level: 3', "level: expected nothing, because xz has none, found 3"],
      ['compress: "gzip", level: 12', "level: expected at most 9 with gzip, found 12"],
      ["without: 3", "without: expected paths in an array"],
    ]) {
      project.write("wrong.ts", `${TREE}\nexport const wrong = rule.squashfs({ from: tree, ${options} });`);
      const { status, stderr } = await project.run("-f", "wrong.ts", "list");
      expect(stderr).toContain(message);
      expect(status).toBe(2);
    }
  });
});

describe("on a file system that is too small", () => {
  /** Makes the squashfs with so many bytes left: a failure, nothing believed, and made when there is room. */
  async function withOnly(left: number): Promise<Ended> {
    const disk = await smallDisk(24 * 1024);
    const there = makeProject({ "Imagefile.ts": IMAGEFILE, size: "8388608\n" }, disk);
    try {
      await there.good("files");
      await disk.sh(`head -c "$(($(stat -f -c "%a*%S" .) - ${left}))" /dev/zero >filler`);
      const ended = await there.run("squash");
      expect(there.names("out").filter((name) => name.endsWith(".sfs"))).toEqual([]);
      expect((await there.run("-q", "squash")).status).toBe(1);
      await disk.sh("rm filler");
      await there.good("squash");
      return ended;
    } finally {
      await disk.remove();
    }
  }

  test("a squashfs is refused before it is begun, nothing is believed, and it is made when there is room", async () => {
    const { status, stderr } = await withOnly(1_000_000);
    expect(stderr).toMatch(/no space: the squashfs of this tree needs \d+ MiB, and 0 MiB are free/);
    expect(status).toBe(1);
  });

  test("a squashfs that runs full on the way is no output either", async () => {
    // More than a quarter of the tree, which is what is asked for, and less than it takes.
    const { status, stderr } = await withOnly(4_000_000);
    expect(stderr).toMatch(/No space left on device|no space/);
    expect([1, 3]).toContain(status);
  });
});
