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
// An access list by name: www-data is 33 where this is built, and 4444 in the tarball.
const named = (name: string) => run({ inputs: {}, out: "named-" + name + ".tar", cmd: \`
  mkdir -p t/etc; echo 'www-data:x:4444:4444::/:' >t/etc/passwd; touch t/listed; chmod 600 t/listed
  tar -C t -cf "$OUT" --format=posix --pax-option="SCHILY.acl.access:=user::rw-
user:\` + name + \`:rwx
group::---
mask::rwx
other::---" ./etc/passwd ./listed\` });
export const listed = run({ inputs: { TREE: rule.unpack(named("www-data")) }, out: "listed.txt",
  cmd: 'getfattr -d -m - -e hex "$TREE/listed" >"$OUT"' });
export const unknown = rule.unpack(named("nobody-there"));
// With files and a link beside the nodes of /dev, of which a tree has none; and two tarballs in one file.
const devices = (from: string) => run({ inputs: {}, root: true, out: "devices-" + from.length + ".tar", cmd: \`
  mkdir -p t/dev/sub; mknod t/dev/null c 1 3; echo kept >t/dev/sub/file; ln -s /proc/self/fd t/dev/fd; tar -C t -cf "$OUT" \` + from });
const joined = run({ inputs: {}, out: "joined.tar.gz", cmd: \`
  echo 1 >one; echo 2 >two; for i in one two; do tar -c $i | gzip; done >"$OUT"\` });
const shows = (name: string, tree: ReturnType<typeof rule.unpack>) => run({ inputs: { TREE: tree }, out: name,
  cmd: 'cd "$TREE"; find . -mindepth 1 ! -type d | sort >"$OLDPWD/$OUT"' });
export const kept = { dot: shows("dot.txt", rule.unpack(devices("."))), bare: shows("bare.txt", rule.unpack(devices("dev"))),
  joined: shows("joined.txt", rule.unpack(joined)) };
const odd = run({ inputs: {}, out: "odd.tar", cmd: 'touch file; tar -cf "$OUT" --format=posix --pax-option="SCHILY.xattr.security.capability:=bad" file' });
export const attribute = rule.unpack(odd);
export const failing = rule.unpack(broken);
const cut = run({ inputs: {}, out: "cut.tar", cmd: 'touch one two; tar -cf all one two; head -c 512 all > "$OUT"' });
export const halved = rule.unpack(cut);
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

test("who is named in an access list is the tarball's own user, never this machine's", async () => {
  await project.good("listed");
  expect(project.read("out/listed.txt")).toContain("020007005c110000");
  const { status, stderr } = await project.run("unknown");
  expect(stderr).toMatch(
    /access lists name users or groups that the tarball's own .*: \.\/etc\/passwd \.\/listed/,
  );
  expect(status).toBe(1);
});

test("a tarball that was cut off between two members fails", async () => {
  const { status, stderr } = await project.run("halved");
  expect(stderr).toContain("cut.tar ends without a tarball's end: it was cut off");
  expect(status).toBe(1);
});

test("what is no tarball fails", async () => {
  const { status, stderr } = await project.run("failing");
  expect(stderr).toContain("does not look like a tar archive");
  expect(status).toBe(1);
});

test("only nodes are missing beneath /dev, however the tarball names its members", async () => {
  await project.good("kept-dot", "kept-bare");
  const there = "./dev/fd\n./dev/sub/file\n";
  expect([project.read("out/dot.txt"), project.read("out/bare.txt")]).toEqual([there, there]);
});

test("of several tarballs in one file all are in the tree", async () => {
  await project.good("kept-joined");
  expect(project.read("out/joined.txt")).toBe("./one\n./two\n");
});

test("an attribute that the file system does not take is named", async () => {
  const { stderr, stdout } = await project.good("attribute");
  expect(stdout + stderr).toContain(
    "warning: attribute: the file system takes no such attribute (file: security.capability)",
  );
});
