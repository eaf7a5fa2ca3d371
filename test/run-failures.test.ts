// What a failing action leads to, through the real command line: its status, what is said, and that nothing
// half-made is ever taken for a result.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type Ended, type TestProject, type Told } from "./support/cli.js";

jest.setTimeout(60_000);

const FAILING = `
const bad = (cmd: string, more: object = {}) => run({ inputs: {}, cmd, out: "bad.txt", ...more } as never);
export const exit = bad('for i in $(seq 30); do echo "line $i"; done; echo oops >&2; exit 7', { out: "exit.txt" });
export const killed = bad('kill -SEGV $$', { out: "killed.txt" });
export const slow = bad('echo begun; sleep 600', { out: "slow.txt", timeout: 1 });
export const missing = bad(':', { out: "missing.txt" });
export const half = bad('echo half > "$OUT"; false', { out: "half.txt" });
export const dir = bad('mkdir "$OUT"', { out: "dir.txt" });
export const link = bad('ln -s /etc/passwd "$OUT"', { out: "link.txt" });
export const pipe = bad('mkfifo "$OUT"', { out: "pipe.txt" });
export const small = bad('echo x > "$OUT"', { out: "small.txt", guards: { minSize: 3 } });
export const big = bad('head -c 2000 /dev/zero > "$OUT"', { out: "big.txt", guards: { maxSize: "1KiB" } });
export const magic = bad('echo text > "$OUT"', { out: "magic.gz", guards: { magic: "1f8b" } });
export const one = run({ inputs: {}, cmd: 'echo 1 > "$ONE"', outs: { ONE: "one.txt", TWO: "two.txt" } });
export const treeFile = run({ inputs: {}, cmd: 'rmdir "$OUT"; echo x > "$OUT"', tree: true });
export const treeLink = run({ inputs: {}, cmd: 'rmdir "$OUT"; ln -s /etc "$OUT"', tree: true });
export const argv = bad("", { out: "argv.txt", cmd: ["sh", "-c", "exit 3", "it's"] });
export const nothing = bad("", { out: "nothing.txt", cmd: ["no-such-program"] });
export const good = run({ inputs: {}, cmd: 'gzip -n < /dev/null > "$OUT"', out: "good.gz", guards: { minSize: "0.01KiB", maxSize: 100, magic: "1F8B" } });
export const after = run({ inputs: { IN: exit, OTHER: good } as never, cmd: 'cp "$IN" "$OUT"', out: "after.txt" });
export const afterAfter = run({ inputs: { IN: after }, cmd: 'cp "$IN" "$OUT"', out: "after-after.txt" });
`;
const ALL =
  "exit killed slow missing half dir link pipe small big magic one tree-file tree-link argv nothing good after-after".split(
    " ",
  );

describe("failing actions with -k", () => {
  let project: TestProject;
  let told: Told;
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": FAILING });
    told = await project.events({}, "-k", "-j", "4", ...ALL);
  });
  afterAll(() => project.remove());

  const failure = (target: string): unknown => told.about("failed", target)?.failure;
  const refused = (message: string): object => ({ kind: "guard", output: "OUT", message });

  test("exit status 1, and what does not depend on them is built", () => {
    expect(told.status).toBe(1);
    expect(told.which("built")).toEqual(["good"]);
    expect(project.names("out")).toEqual(["good.gz"]);
    expect(told.which("skipped")).toEqual(["after", "after-after"]);
  });

  test.each([
    ["exit", { kind: "exit", status: 7 }],
    ["killed", { kind: "signal", signal: "SIGSEGV" }],
    ["slow", { kind: "timeout", seconds: 1 }],
    ["missing", { kind: "output-missing", output: "OUT", expected: "missing.txt" }],
    ["half", { kind: "exit", status: 1 }],
    ["dir", refused("dir.txt is a directory; only `tree: true` makes a tree of it")],
    ["link", refused("link.txt is a symbolic link; the command must write the file itself")],
    ["pipe", refused("pipe.txt is neither a file nor a directory")],
    ["small", refused("it has 2 bytes, at least 3 are demanded")],
    ["big", refused("it has 2000 bytes, at most 1024 are allowed")],
    ["magic", refused("it begins with 7465, not with 1f8b")],
    ["one-ONE", { kind: "output-missing", output: "TWO", expected: "two.txt" }],
    ["argv", { kind: "exit", status: 3 }],
    ["nothing", { kind: "exit", status: 127 }],
  ])("%s fails for what it did", (target, expected) => {
    expect(failure(target)).toEqual(expected);
  });

  test("a tree's $OUT that is a file or a link is refused", () => {
    expect(failure("tree-file")).toMatchObject({ kind: "guard", output: "OUT" });
    expect(failure("tree-link")).toEqual(failure("tree-file"));
  });

  test("the last lines, the log and the exact command are there", () => {
    const failed = told.about("failed", "exit");
    expect(failed?.tail).toHaveLength(20);
    expect(failed?.tail.slice(-2)).toEqual(["line 30", "oops"]);
    expect(failed?.command).toContain("exit 7");
    expect(failed?.log).toMatch(/\.imagemake\/logs\/[^/]+\.log$/);
    expect(told.about("failed", "argv")?.command).toBe(`sh -c 'exit 3' 'it'\\''s'`);
  });

  test("what a target printed can be read afterwards, and `show` and `why` know that it failed", async () => {
    const [log, show, why, slow] = await Promise.all([
      project.run("log", "exit"),
      project.run("show", "exit", "--json"),
      project.run("why", "exit"),
      project.run("log", "slow"),
    ]);
    expect(log.stdout.split("\n")).toHaveLength(32);
    expect(slow.stdout).toBe("begun\n");
    expect(JSON.parse(show.stdout)).toMatchObject({ last: { status: "failed" }, outputs: {} });
    expect(why.stdout).toMatch(
      /^exit: failed last time: exit status 7\n {2}tried .*\n(?: {2}\| .*\n)+ {2}log: .*\n$/,
    );
  });

  test("nothing half-made is believed: the next run tries again, and no stage is left", async () => {
    expect(project.names(".imagemake/stage")).toEqual([]);
    const again = await project.events({}, "-k", "half", "small", "good");
    expect(again.status).toBe(1);
    expect(again.which("failed")).toEqual(["half", "small"]);
    expect(again.which("up-to-date")).toEqual(["good"]);
  });
});

describe("a failing action, said to a person", () => {
  let project: TestProject;
  let ended: Ended;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `
export const bad = run({ inputs: {}, cmd: "echo working\\nexit 4\\n", out: "bad.txt" });
export const next = run({ inputs: { IN: bad }, cmd: 'cp "$IN" "$OUT"', out: "next.txt" });
export const last = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "last.txt" });
`,
    });
    ended = await project.run("-j1", "bad", "next", "last");
  });
  afterAll(() => project.remove());

  test("has its reason, its last lines, its log and its command, in this order", () => {
    const lines = ended.stderr.split("\n");
    const at = lines.findIndex((line) => line.startsWith("failed bad"));
    expect(lines.slice(at, at + 6)).toEqual([
      expect.stringMatching(/^failed bad: exit status 4 \(after .* s\)$/),
      "  | working",
      expect.stringMatching(/^ {2}log: \.imagemake\/logs\/.*\.log \(imagemake log bad\)$/),
      "  command:",
      "    echo working",
      "    exit 4",
    ]);
    expect(ended.status).toBe(1);
    expect(ended.stdout).toBe("");
  });

  test("without -k nothing else is started", () => {
    expect(ended.stderr).toContain("skipped next: bad failed");
    expect(ended.stderr).not.toContain("start last");
    expect(project.names("out")).toEqual([]);
    expect(ended.stderr.trimEnd().split("\n").at(-1)).toMatch(
      /^built 0, failed 1 \(bad\), skipped 1, not begun 1, .*s$/,
    );
  });

  test("-s says failures and nothing else", async () => {
    const [bad, good] = await Promise.all([project.run("-s", "bad"), project.run("-s", "--no-wait", "list")]);
    expect(bad.stderr.split("\n")[0]).toMatch(/^failed bad: exit status 4/);
    expect(good.status).toBe(0);
  });
});
