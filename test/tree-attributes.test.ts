// Extended attributes and hard links of trees through the real command line: an image does not tell in which order attributes
// were set, holds none that are not the tree's, and what a layer changes under one name of several is said.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { sh } from "./support/trees.js";

jest.setTimeout(120_000);

const ACL = "0x0200000001000600ffffffff020007002100000004000000ffffffff10000700ffffffff20000000ffffffff";
const SET: readonly string[] = [
  "user.note -v hello",
  "security.capability -v 0x0100000200200000000000000000000000000000",
  `system.posix_acl_access -v ${ACL}`,
  "user.empty",
  "trusted.mark -v 0x00ff",
  // More than an inode has room for.
  `user.long -v ${"x".repeat(300)}`,
];
/** Three files, one of them under two names, whose names are words of no shell, with the same attributes, set in this order. */
const setting = (order: readonly string[]): string =>
  `cd "$OUT"; mkdir d; for f in a "d/b c" "d/$(printf 'n\\\\l=\\351')"; do echo x > "$f"; done
   for f in a d/*; do ${order.map((one) => `setfattr -n ${one} "$f"`).join("; ")}; done
   ln a "d/another name"; setfattr -n user.one -v 1 d; setfattr -n user.two -v 2 d`;
const FOREIGN = `cd "$OUT"; echo x > f; mkdir d; setfattr -n user.kept -v yes f
  for n in security.selinux trusted.overlay.opaque user.overlay.origin; do setfattr -n $n -v x f; setfattr -n $n -v x d; done`;
const imagefile = (order: readonly string[]): string => `import { rule, run, step } from "imagemake";
const made = (cmd: string) => run({ inputs: {}, root: true, tree: true, cmd });
const small = { guards: { minSize: 1 } };
const tree = made(${JSON.stringify(setting(order))});
export const disk = rule.disk({ from: tree, out: "disk.img" });
export const squash = rule.squashfs({ from: tree, out: "tree.squashfs", ...small });
export const tar = rule.platformfs({ from: tree, steps: [], out: "tree.tar" });
const labelled = made(${JSON.stringify(FOREIGN)});
export const foreign = {
  disk: rule.disk({ from: labelled, out: "foreign.img" }),
  squash: rule.squashfs({ from: labelled, out: "foreign.squashfs", ...small }),
};
export const strict = run({ inputs: {}, root: true, tree: true, guards: { lossless: true }, cmd: ${JSON.stringify(FOREIGN)} });
const links = made('cd "$OUT"; for f in one two three four; do echo $f > $f; ln $f $f-too; done; mkdir bin; ln one bin/one');
const changed = (script: string, name: string) => rule.platformfs({ from: links, steps: [step.hook(script)], out: name });
export const parted = changed("hooks/parted.sh", "parted.tar");
export const whole = changed("hooks/whole.sh", "whole.tar");
`;
const HOOKS = {
  "hooks/parted.sh": '#!/bin/sh\nset -eu\ncd "$1"\nchmod 4755 one\necho more >> two\n',
  // All names, none, one that is taken away, and one that gives way to a link.
  "hooks/whole.sh":
    '#!/bin/sh\nset -eu\ncd "$1"\nchmod 700 one one-too bin/one\nrm two\nln -sf four three\necho 5 > five\nln five six\n',
};

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": imagefile(SET), ...HOOKS });
});
afterAll(() => project.remove());

const digests = (of: TestProject): readonly string[] =>
  ["disk.img", "tree.squashfs", "tree.tar"].map((name) =>
    createHash("sha256")
      .update(readFileSync(of.path("out", name)))
      .digest("hex"),
  );

test("images are the same bytes in whatever order attributes were set", async () => {
  await project.good("disk", "squash", "tar");
  const other = makeProject({ "Imagefile.ts": imagefile(SET.toReversed()), ...HOOKS });
  try {
    await other.good("disk", "squash", "tar");
    expect(digests(other)).toEqual(digests(project));
  } finally {
    other.remove();
  }
  const listed = sh(
    project.path("out"),
    "unsquashfs -q -d t tree.squashfs >/dev/null; getfattr -d -m - t/a; rm -r t",
  );
  for (const name of ["user.note", "security.capability", "user.empty", "trusted.mark", "user.long"])
    expect(listed).toContain(name);
});

test("a tree that came from a shared cache gives the image of the one that was built", async () => {
  const text = `${imagefile(SET)}const touched = rule.platformfs({ from: tree, steps: [step.write("new", "x")] });
export const image = rule.disk({ from: touched, out: "image.img" });`;
  const [cache, built, taking] = [{}, ...Array<object>(2).fill({ "Imagefile.ts": text, ...HOOKS })].map(
    (files) => makeProject({ ...files }),
  ) as [TestProject, TestProject, TestProject];
  try {
    await built.good(`--cache=file://${cache.dir}`, "tar");
    await built.good("image");
    const { stderr } = await taking.good(`--cache=file://${cache.dir},ro`, "image");
    expect(stderr).toContain("taken from");
    const sum = (of: TestProject): string => sh(of.path("out"), "sha256sum < image.img");
    expect(sum(taking)).toBe(sum(built));
  } finally {
    for (const one of [cache, built, taking]) one.remove();
  }
});

test("labels of a machine's policy and what overlays keep for themselves are in no image, and are named", async () => {
  const { stderr } = await project.good("foreign");
  expect(stderr).toContain("a tree does not hold labels of SELinux (d, f)");
  expect(stderr).toContain("a tree does not hold attributes by which overlays keep account (d, f)");
  const out = project.path("out");
  const listed =
    sh(out, "unsquashfs -q -d t foreign.squashfs >/dev/null; getfattr -d -m - t/f t/d; rm -r t") +
    sh(
      out,
      `start=$(sfdisk -d foreign.img | sed -n 's/.*start= *\\([0-9]*\\),.*/\\1/p'); for f in f d; do debugfs -R "ea_list $f" "foreign.img?offset=$((start * 512))" 2>/dev/null; done`,
    );
  expect(listed).not.toMatch(/selinux|overlay/);
  expect(listed.match(/user\.kept/g)).toHaveLength(2);
  const strict = await project.run("strict");
  expect([strict.status, strict.stderr]).toEqual([
    1,
    expect.stringContaining("does not hold labels of SELinux"),
  ]);
});

test("what a layer changes under one of a file's names is said, with the names that stay as they were", async () => {
  const { stderr } = await project.good("parted");
  expect(stderr).toContain(
    "of files with several names (hard links) some names were changed, and the others are as they were (one, not bin/one, one-too, two, not two-too)",
  );
  expect((await project.good("whole")).stderr).not.toContain("several names");
});
