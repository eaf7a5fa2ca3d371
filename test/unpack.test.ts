// rule.unpack through the real command line: what is in a tarball is in the tree, and rules for trees take it.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

const IMAGEFILE = `
import { rule, run, step } from "imagemake";
const tarball = run({ inputs: {}, root: true, out: "given.tar.gz", cmd: \`
  mkdir -p t/etc t/bin; echo secret >t/etc/shadow; chmod 600 t/etc/shadow; chown 12:34 t/etc/shadow
  ln t/etc/shadow t/etc/same; ln -s shadow t/etc/link; : >t/bin/su; chmod 4755 t/bin/su
  tar -C t -czf "$OUT" .\` });
const tree = rule.platformfs({ from: rule.unpack(tarball), steps: [step.write("etc/motd", "hello\\\\n")] });
export const seen = run({ inputs: { TREE: tree }, out: "seen.txt", cmd: \`
  cd "$TREE"; find . -type f -printf "%P %m %U:%G %n\\\\n" -o -type l -printf "%P -> %l\\\\n" | sort >"$OLDPWD/$OUT"\` });
const broken = run({ inputs: {}, cmd: 'head -c 1000 /dev/urandom >"$OUT"', out: "broken.tar" });
export const failing = rule.unpack(broken);
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE });
});
afterAll(() => project.remove());

test("owners, modes, hard and symbolic links are as in the tarball, and steps go on it", async () => {
  await project.good("seen");
  const lines = project.read("out/seen.txt").trim().split("\n");
  expect(lines).toEqual([
    "bin/su 4755 0:0 1",
    "etc/link -> shadow",
    "etc/motd 644 0:0 1",
    "etc/same 600 12:34 2",
    "etc/shadow 600 12:34 2",
  ]);
});

test("what is no tarball fails", async () => {
  const { status, stderr } = await project.run("failing");
  expect(stderr).toContain("does not look like a tar archive");
  expect(status).toBe(1);
});
