// What is said of commands that cannot be carried out, a case each: test/messages.test.ts holds that no message is without a
// test that expects its words.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const IMAGEFILE = `export const a = run({ inputs: { SRC: files("a.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "a-{date}.txt" });
export const b = run({ inputs: {}, cmd: 'echo b > "$OUT"', out: "b.txt" });
export const tree = run({ inputs: {}, cmd: 'echo > "$OUT/f"', tree: true });
export const verdict = rule.check({ inputs: { A: a }, cmd: "true" });
export default project({ default: [a], release: { of: [a, b], gate: [verdict], steps: ["tell the list"] } });
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "plain.ts": `export const c = run({ inputs: {}, cmd: 'echo c > "$OUT"', out: "c.txt" });\n`,
    "lists.ts": `export const dir = run({ inputs: { L: list("d") }, cmd: 'cp "$L" "$OUT"', out: "dir.txt" });
export const pipe = run({ inputs: { L: list("pipe") }, cmd: 'cp "$L" "$OUT"', out: "pipe.txt" });
export const latin = run({ inputs: { L: list("latin.list") }, cmd: 'cp "$L" "$OUT"', out: "latin.txt" });
export const gone = run({ inputs: { L: files("gone.txt") }, cmd: 'cp "$L" "$OUT"', out: "gone.txt" });
export const asked = run({ inputs: { P: probe("exit 3") }, cmd: 'cp "$P" "$OUT"', out: "asked.txt" });\n`,
    "a.txt": "a\n",
    "d/x": "x\n",
    "not-toml/imagemake.toml": "jobs = [\n",
  });
  execFileSync("mkfifo", [project.path("pipe")]);
  writeFileSync(project.path("latin.list"), Buffer.from([0x76, 0xe9, 0x0a]));
  mkdirSync(project.path("empty"));
});
afterAll(() => project.remove());

/** The words of the command line, and what is said of them. In this order: a release is open from a line on. */
const CASES: readonly (readonly [words: string, said: string])[] = [
  ["why ?", "name one target, not 2\n  a b\n"],
  ["watch -n a", "watch builds, and -n is for a single look"],
  ["watch a-all-print", "-print lists names, and watch builds"],
  ["-f plain.ts", "no target named, and the Imagefile has no default"],
  ["a-20200101 b-20200102", "two dates in one run"],
  ["-C absent a", "imagemake init writes one; -C DIR and -f FILE look elsewhere"],
  ["-C absent init", "there is no directory "],
  ["-C absent doctor", "there is no directory "],
  ["init", "Imagefile.ts already exists, and init overwrites nothing"],
  ["release status --release 20200101", "there is no release 20200101"],
  ["release promote", "there is no release here"],
  ["release export a exported", "no release is open"],
  ["release import empty", "sha256sum.txt is missing"],
  ["release verify absent", "there is no directory "],
  ["release drop a", "a drop is recorded with its reason"],
  ["release reject a", "a rejection is recorded with its reason"],
  ["release adopt a a.txt", "an adoption is recorded with its reason"],
  ["-f lists.ts dir", "d is a directory\n  name a file in it that has one name a line"],
  ["-f lists.ts pipe", "pipes and devices cannot be inputs"],
  ["-f lists.ts latin", "latin.list:1: not UTF-8"],
  ["-f lists.ts gone", "gone.txt does not exist"],
  ["-f lists.ts asked", "probe exit 3 failed"],
  ["release start", " is open with 2 targets"],
  ["release adopt a absent.txt --because x", "absent.txt is not there"],
  ["release adopt a d --because x", "d is not a regular file"],
  ["release start", "there is a release "],
  ["release promote", ", not signed"],
  ["release collect", "is not complete: "],
  ["release drop tree --because x", "tree is not on the roster of release "],
  ["release reject a --because x", "a is not built, so there is nothing to reject"],
  ["release refresh a", "a has no packages of its own"],
  ["release export tree exported", "tree is a tree, and trees are not exported"],
  ["release export b a.txt", "a.txt is not a directory"],
  ["release export b exported", "not up to date: b (never built)"],
  ["release tick absent", "there is no step absent"],
  ["-f plain.ts release start", " is open with 1 target"],
  ["-f plain.ts release tick x", "the Imagefile has no steps to tick off"],
  ["a b verdict", "built 3"],
  ["boot a -n", "--as cd, usb, disk or pxe says so"],
  ["boot a -n --as disk --cpus 100", "--cpus: expected a number from 1 to 64, found 100"],
  ["boot a -n --as disk --snapshot --keep c", "what the guest writes is thrown away, or kept"],
  ["boot a -n --as disk --serial --serial-socket s", "the guest has one serial console"],
  ["release collect", "is collected"],
  ["release sign --waive absent --because x", "absent is not a check of release.gate"],
  ["release sign --waive verdict", "a waiver is recorded with its reason"],
];

test.each(CASES)("imagemake %s", async (words, said) => {
  const { stdout, stderr } = await project.run(...words.split(" "));
  expect(stderr + stdout).toContain(said);
});

/** A state directory, or what is in the way of one, and what is said of it. */
const STATES: readonly (readonly [what: string, make: (path: string) => void, said: string])[] = [
  ["a file", (path) => writeFileSync(path, ""), ".imagemake is not a directory\n  move it out of the way"],
  [
    "a link that leads nowhere",
    (path) => symlinkSync("absent", path),
    "is a symbolic link that leads nowhere",
  ],
  [
    "one that others can write to",
    (path) => {
      mkdirSync(path);
      chmodSync(path, 0o777);
    },
    ".imagemake can be written by others\n  chmod go-w ",
  ],
  [
    "one with a link in it",
    (path) => {
      mkdirSync(path);
      symlinkSync("/tmp", `${path}/stage`);
    },
    "is a symbolic link, and none is followed there",
  ],
  [
    "one with a file in the place of a directory",
    (path) => {
      mkdirSync(path);
      writeFileSync(`${path}/stage`, "");
    },
    "stage is not a directory\n  remove it",
  ],
];

test.each(STATES)("the state directory is %s", async (_what, make, said) => {
  const other = makeProject({ "Imagefile.ts": IMAGEFILE, "a.txt": "a\n" });
  try {
    rmSync(other.path(".imagemake"), { recursive: true, force: true });
    make(other.path(".imagemake"));
    expect((await other.run("b")).stderr).toContain(said);
  } finally {
    other.remove();
  }
});

test("what is in the place of an output", async () => {
  const other = makeProject({ "Imagefile.ts": IMAGEFILE, "a.txt": "a\n", "out/b.txt": "mine\n" });
  try {
    const { stderr } = await other.run("b");
    expect(stderr).toContain("out/b.txt already exists, and imagemake did not make it");
  } finally {
    other.remove();
  }
});
