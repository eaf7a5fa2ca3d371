// `imagemake shell`: in what failed as it was left, in an action staged anew, in a tree. What is kept, how long, and that
// logs do not grow without end.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { finish, MAIN, makeProject, type TestProject } from "./support/cli.js";
import { until } from "./support/sandbox.js";
import { staticBusybox } from "./support/tiny-debian.js";

jest.setTimeout(120_000);

const imagefile = (): string => `import { arg, files, project, rule, run, step } from "imagemake";
export const tree = run({
  inputs: {}, tree: true,
  cmd: 'mkdir -p "$OUT/bin" "$OUT/etc"; cp ${staticBusybox()} "$OUT/bin/busybox"; for name in sh cat ls; do ln -s busybox "$OUT/bin/$name"; done; echo tree > "$OUT/etc/name"',
});
export const failing = run({
  inputs: { T: tree, SRC: files("src.txt") },
  env: { TOKEN: arg("TOKEN", "none") },
  cmd: 'cat $SRC > half; test ! -e half',
  out: "failing.txt",
});
export const inside = run({ inputs: {}, within: tree, cmd: ["sh", "-c", "echo new > /etc/new; exit 4"], out: "inside.txt" });
export const layered = rule.platformfs({ from: tree, steps: [step.write("etc/more", "more"), step.write("etc/name/wrong", "x")] });
export const good = run({ inputs: { SRC: files("src.txt") }, cmd: 'cat $SRC > "$OUT"', out: "good.txt" });
export default project({ default: [good] });
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": imagefile(), "src.txt": "source\n" });
});
afterAll(() => project.remove());

const stages = (): readonly string[] => project.names(".imagemake/stage");

/** Fails to build a target, and keeps its stage. */
async function fails(target: string, ...words: readonly string[]): Promise<string> {
  const { status, stderr } = await project.run("--keep-failed=always", target, ...words);
  expect(status).toBe(1);
  return stderr;
}

const shell = (target: string, command: string, ...words: readonly string[]) =>
  project.run("shell", target, "-c", command, ...words);

describe("what failed is entered as it was left", () => {
  test("with its files, its inputs, its variables and its directory; the status is the shell's", async () => {
    expect(await fails("failing", "TOKEN=secret")).toContain(
      "as it was left: imagemake shell failing, until it is built again\n",
    );
    const { status, stdout, stderr } = await shell(
      "failing",
      'pwd; cat half "$T/etc/name"; echo $OUT $TOKEN; exit 7',
      "TOKEN=secret",
    );
    expect([status, stdout]).toEqual([7, "/imagemake\nsource\ntree\n.out/failing.txt secret\n"]);
    expect(stderr).toMatch(
      /^imagemake: failing as it was left at .*: exit status 1\n {2}its command: cat \$SRC/,
    );
  });

  test("what is written there is there again, and the network is the host's only where that is asked for", async () => {
    const host = readlinkSync("/proc/self/ns/net");
    const command = "echo more >> half; cat half; readlink /proc/self/ns/net";
    const { stdout } = await shell("failing", command, "TOKEN=secret");
    expect(stdout).toMatch(/^source\nmore\nnet:/);
    expect(stdout).not.toContain(host);
    const reached = await shell("failing", command, "TOKEN=secret", "--network");
    expect(reached.stdout).toBe(`source\nmore\nmore\n${host}\n`);
    const dry = await project.good("shell", "-n", "failing", "TOKEN=secret");
    expect(dry.stdout).toBe("");
    expect(dry.stderr).toContain("failing as it was left");
  });

  test("what an environment holds is read by nobody else", () => {
    const [stage = ""] = stages();
    expect(statSync(project.path(".imagemake/stage", stage)).mode & 0o777).toBe(0o700);
    // Outside of directories that are the owner's alone it stands nowhere.
    const found = execFileSync(
      "sh",
      ["-c", `find .imagemake -type d -perm 700 -prune -o -type f -exec grep -l secret {} + || :`],
      { cwd: project.dir, encoding: "utf8" },
    );
    expect(found).toBe("");
  });

  test("within a tree, and on a layer over one", async () => {
    await fails("inside");
    expect((await shell("inside", "cat /etc/name /etc/new; ls -d /imagemake")).stdout).toBe(
      "tree\nnew\n/imagemake\n",
    );
    expect(await fails("layered")).toContain("imagemake shell layered,");
    for (const more of ["", "again\n"]) {
      const { stdout, stderr } = await shell(
        "layered",
        'cat "$OUT/etc/name"; cat "$OUT/etc/again" || :; echo again > "$OUT/etc/again"',
      );
      expect([stdout, stderr]).toEqual([`tree\n${more}`, expect.stringContaining("as it was left")]);
    }
  });

  test("of one target one is kept, of all three", async () => {
    await fails("failing", "TOKEN=other");
    await fails("failing", "TOKEN=another");
    expect(stages()).toHaveLength(3);
    project.write("other.ts", 'export const fourth = run({ inputs: {}, cmd: "false", out: "fourth.txt" });');
    expect((await project.run("-f", "other.ts", "--keep-failed=always", "fourth")).status).toBe(1);
    expect(stages()).toHaveLength(3);
    // The oldest is gone.
    expect((await shell("inside", "true")).stderr).toContain("inside failed, and its stage was not kept\n");
  });

  test("the next build of a target removes what is kept of it, also one that has nothing to do for it", async () => {
    const before = stages();
    const { status } = await project.run("failing", "TOKEN=another");
    expect(status).toBe(1);
    expect(stages()).toHaveLength(before.length - 1);
    project.write("src.txt", "other\n");
    project.write("Imagefile.ts", imagefile().replace("test ! -e half", 'cat half > "$OUT"'));
    await fails("layered");
    await project.good("failing");
    project.write("Imagefile.ts", imagefile().replace("test ! -e half", 'cat half > "$OUT"; false'));
    await fails("failing");
    const kept = stages().length;
    project.write("Imagefile.ts", imagefile().replace("test ! -e half", 'cat half > "$OUT"'));
    await project.good("failing", "good");
    expect(stages()).toHaveLength(kept - 1);
    expect((await project.good("clean", "-n")).stdout).toMatch(/would remove .*stage/);
    await project.good("clean");
    expect(stages()).toEqual([]);
    project.write("Imagefile.ts", imagefile());
  });

  test("nothing is kept where nobody looks, nor with never, nor of what was stopped", async () => {
    for (const words of [[], ["--keep-failed=never"]]) {
      const { status, stderr } = await project.run("failing", ...words);
      expect(status).toBe(1);
      expect(stderr).not.toContain("as it was left");
    }
    project.write("imagemake.toml", 'keep-failed = "always"\n');
    expect((await project.run("failing")).stderr).toContain("as it was left");
    project.write("imagemake.toml", 'keep-failed = "sometimes"\n');
    expect((await project.run("failing")).stderr).toContain(
      'imagemake.toml: keep-failed: expected one of auto, always, never, found "sometimes"',
    );
    execFileSync("rm", [project.path("imagemake.toml")]);
    await project.run("clean");
    expect(stages()).toEqual([]);
  });
});

describe("what did not fail", () => {
  test("a tree is entered, and what is written there is thrown away", async () => {
    await project.good("tree");
    const { stdout, stderr } = await shell("tree", "cat /etc/name; echo x > /etc/x; ls /etc");
    expect([stdout, stderr]).toEqual([
      "tree\nname\nx\n",
      "imagemake: the tree tree; what is written here is thrown away\n",
    ]);
    expect((await shell("tree", "ls /etc")).stdout).toBe("name\n");
    const killed = await shell("tree", "kill -9 $$");
    expect([killed.status, killed.stderr]).toEqual([
      1,
      expect.stringContaining("the shell was ended by SIGKILL\n"),
    ]);
    project.write("Imagefile.ts", imagefile().replace("echo tree >", "echo other >"));
    const old = await shell("tree", "cat /etc/name");
    project.write("Imagefile.ts", imagefile());
    expect([old.stdout, old.stderr]).toEqual([
      "tree\n",
      expect.stringContaining(
        "tree is out of date (command changed), and this is what was built last; imagemake tree builds it\n",
      ),
    ]);
    expect(stages()).toEqual([]);
  });

  test("--fresh stages an action, runs nothing of it, and leaves nothing", async () => {
    await project.good("good");
    const { status, stdout } = await shell("good", 'cat $SRC; touch "$OUT" && ls .out', "--fresh");
    expect([status, stdout]).toEqual([0, "other\ngood.txt\n"]);
    expect(stages()).toEqual([]);
    expect(project.read("out/good.txt")).toBe("other\n");
    expect((await project.good("good")).stderr).toContain("nothing to do\n");
  });

  test("the rest is refused in words", async () => {
    const refusals = [
      [["good"], "good is a file, and did not fail: there is nothing to enter\n  --fresh stages it anew"],
      [["good", "tree"], "unexpected word tree"],
      [["good", "--fresh", "--tree"], "--fresh and --tree are two places"],
      [["nosuch"], "unknown target nosuch"],
    ] as const;
    for (const [words, message] of refusals) {
      const { status, stderr } = await project.run("shell", ...words);
      expect([words, status, stderr]).toEqual([words, 2, expect.stringContaining(message)]);
    }
    const fresh = makeProject({ "Imagefile.ts": imagefile(), "src.txt": "" });
    const { status, stderr } = await fresh.run("shell", "failing", "--fresh");
    fresh.remove();
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("failing reads what is not here: tree\n  imagemake tree builds it"),
    ]);
    await project.good("--no-isolation", "tree");
    expect((await shell("tree", "true", "--no-isolation")).stderr).toContain(
      "a shell in a tree needs namespaces\n  run it without --no-isolation",
    );
    const { stderr: none } = await project.run("--shell-on-failure", "good");
    expect(none).toContain("--shell-on-failure needs a terminal");
  });
});

describe("on a terminal", () => {
  /** Types each line once what is shown has what stands before it; returns all that is shown. */
  async function typed(command: string, lines: readonly (readonly [shown: string, line: string])[]) {
    const child = spawn("script", ["-qec", `${process.execPath} ${MAIN} ${command}`, "/dev/null"], {
      cwd: project.dir,
      env: { ...process.env, TERM: "xterm" },
    });
    let shown = "";
    child.stdout.on("data", (bytes: Buffer) => (shown += bytes.toString()));
    for (const [before, line] of lines) {
      await until(`${before} is shown`, () => shown.includes(before));
      child.stdin.write(line);
    }
    const [status] = (await once(child, "close")) as [number];
    return { status, shown };
  }

  test("the shell says where it is, Ctrl-C does not end it, and its status is the command's", async () => {
    const { status, shown } = await typed("shell good --fresh", [
      ["[good] /imagemake # ", "echo re''ady; sleep 100\n"],
      ["ready", "\u0003"],
      ["^C", "echo $((40 + 2)); exit 5\n"],
      ["42", ""],
    ]);
    expect([status, shown]).toEqual([5, expect.stringMatching(/^42\r$/m)]);
    expect(stages()).toEqual([]);
  });

  test("--shell-on-failure starts it when the build has ended", async () => {
    const { status, shown } = await typed("--shell-on-failure --progress plain failing", [
      ["[failing] ", "cat half; exit\n"],
    ]);
    expect([status, shown]).toEqual([1, expect.stringMatching(/^other\r$/m)]);
    expect(shown).toContain("failing as it was left at");
    await project.good("clean");
  });
});

test("a build waits until a shell has ended", async () => {
  const child = project.start(
    {},
    "shell",
    "good",
    "--fresh",
    "-c",
    "touch .tmp/here; while [ ! -e .tmp/end ]; do :; done",
  );
  const work = (): string[] =>
    stages().flatMap((name) =>
      existsSync(project.path(".imagemake/stage", name, "work/.tmp/here"))
        ? [project.path(".imagemake/stage", name)]
        : [],
    );
  await until("the shell is there", () => work().length === 1);
  const { status, stderr } = await project.run("--no-wait", "-B", "good");
  expect([status, stderr]).toEqual([3, expect.stringContaining("is running here")]);
  const [stage = ""] = work();
  execFileSync("touch", [`${stage}/work/.tmp/end`]);
  expect((await finish(child)).status).toBe(0);
  expect(stages()).toEqual([]);
});

test("of a log without end the middle is dropped, and said", async () => {
  project.write(
    "long.ts",
    `export const long = run({ inputs: {}, cmd: "echo first; seq 20000000; sleep 0.7; seq 20000000; echo last; echo x > $OUT", out: "long.txt" });`,
  );
  await project.good("-f", "long.ts", "long");
  const [log = ""] = readdirSync(project.path(".imagemake/logs"))
    .map((name) => project.path(".imagemake/logs", name))
    .sort((a, b) => statSync(b).size - statSync(a).size);
  expect(statSync(log).size).toBeLessThan(64 * 2 ** 20);
  expect(execFileSync("head", ["-n1", log], { encoding: "utf8" })).toBe("first\n");
  expect(execFileSync("tail", ["-n1", log], { encoding: "utf8" })).toBe("last\n");
  expect(execFileSync("grep", ["-a", "imagemake:", log], { encoding: "utf8" })).toMatch(
    /^imagemake: \d+ bytes of this log were dropped here: it keeps its beginning and its end\n$/,
  );
});
