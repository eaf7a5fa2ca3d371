// Isolation never degrades by itself: a full or missing TMPDIR takes nothing from it, without namespaces nothing runs, and
// what is made without them where a person asks for that counts only there. Needs root.
import { lstatSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

/** Words that take the right to make namespaces from who follows. */
const BARE = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"];
const IMAGEFILE = `import { project, rule, run, step } from "imagemake";
export const upon = rule.platformfs({ from: run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc"', tree: true }), steps: [step.write("/etc/x", "x")], out: "upon.tar" });
export const tree = run({ inputs: {}, cmd: 'mkdir "$OUT/a"; date +%N > "$OUT/a/now"', tree: true });
export const t = run({ inputs: { TREE: tree }, cmd: 'cat "$TREE/a/now" > "$OUT"; wc -l < /proc/net/dev >> "$OUT"', out: "t" });
export const inner = run({ inputs: {}, within: tree, cmd: ': > "$OUT"', out: "inner" });
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE });
});
afterAll(() => project.remove());

describe("a temporary directory that is no good", () => {
  test.each([
    ["does not exist", ""],
    ["is full", 'mount -t tmpfs -o size=4k,nr_inodes=2 full "$TMPDIR"; : > "$TMPDIR/last"'],
    ["is read-only", 'mount -t tmpfs -o ro closed "$TMPDIR"'],
  ])("that %s takes nothing from isolation", async (name, script) => {
    const dir = mkdtempSync(join(tmpdir(), "imagemake-tmp-"));
    const node = "/dev/imagemake-test-node";
    rmSync(node, { force: true });
    mkdirSync(node);
    try {
      project.write(
        "Imagefile.ts",
        `export const cut = run({ inputs: {}, cmd: 'rmdir ${node} && echo deleted > "$OUT" || echo not seen > "$OUT"; : ${name}; grep -c eth /proc/net/dev >> "$OUT" || true', out: "cut" });`,
      );
      const env = { TMPDIR: script === "" ? join(dir, "none") : dir };
      const under = ["unshare", "--mount", "sh", "-euc", `${script}\nexec "$@"`, "sh"];
      const { status, stderr } = await project.call({ env, under }, "cut");
      expect(stderr).not.toContain("without");
      expect(status).toBe(0);
      expect(project.read("out/cut")).toBe("not seen\n0\n");
      expect(lstatSync(node).isDirectory()).toBe(true);
    } finally {
      rmSync(node, { recursive: true, force: true });
      rmSync(dir, { recursive: true });
    }
  });
});

describe("where namespaces cannot be made", () => {
  beforeAll(() => project.write("Imagefile.ts", IMAGEFILE));

  test.each([["t"], ["-k", "t"], ["-B", "t"]])("nothing runs: %s", async (...words) => {
    const { status, stderr } = await project.call({ under: BARE }, ...words);
    expect(stderr).toContain(
      "actions cannot be isolated here: the action got no namespace: unshare: Operation not permitted",
    );
    expect(stderr).toContain("--no-isolation");
    expect(status).toBe(3);
    expect(project.names("out")).not.toContain("t");
  });

  test("the doctor says so, with what is concerned", async () => {
    const { status, stdout } = await project.call({ under: BARE }, "doctor", "t");
    expect(stdout).toContain("actions cannot be isolated here");
    expect(status).toBe(3);
  });

  test("--no-isolation runs actions, says so in the summary, and what they made counts only without", async () => {
    const first = await project.call({ under: BARE }, "--no-isolation", "t");
    expect(first.stderr).not.toContain("failed");
    expect(first.status).toBe(0);
    expect(first.stderr).toMatch(/^built 2, .*, without isolation$/m);
    const made = project.read("out/t");
    const again = await project.call({ under: BARE }, "--no-isolation", "t");
    expect(again.stderr).toMatch(/^nothing to do, without isolation$/m);
    // Nobody who isolates believes it, whatever the words are.
    expect((await project.run("-q", "t")).status).toBe(1);
    expect((await project.call({ under: BARE }, "t")).status).toBe(3);
    const isolated = await project.good("t");
    expect(isolated.stderr).toMatch(/^built 2/m);
    expect(isolated.stderr).not.toContain("without");
    expect(project.read("out/t")).not.toBe(made);
    // What was made in isolation counts without, too.
    const restored = await project.call({ under: BARE }, "--no-isolation", "t");
    expect(restored.stderr).toMatch(/^nothing to do, without isolation$/m);
    expect(project.read("out/t")).not.toBe(made);
  });

  test("what is up to date needs none", async () => {
    await project.good("t");
    rmSync(project.path("out/t"));
    const { status, stderr } = await project.call({ under: BARE }, "t");
    expect(stderr).toContain("restored 1");
    expect(status).toBe(0);
  });

  test("--no-isolation refuses what has no sense without", async () => {
    const { status, stderr } = await project.call({ under: BARE }, "--no-isolation", "inner");
    expect(stderr).toContain("namespaces are needed to run within a tree");
    expect(status).toBe(3);
    await project.good("upon");
    project.write("Imagefile.ts", IMAGEFILE.replace('/etc/x", "x"', '/etc/x", "y"'));
    const upon = await project.call({ under: BARE }, "--no-isolation", "upon");
    expect(upon.stderr).toMatch(/^built 2, .*without isolation$/m);
  });
});
