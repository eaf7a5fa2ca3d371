// `imagemake watch`: what changes is built again and nothing else, however it was changed; it waits where nothing can be
// built, holds nothing while it waits, and ends when it is told to.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { afterAll, afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { finish, makeProject, type TestProject } from "./support/cli.js";
import { makePuppet, noneLeft } from "./support/faults.js";
import { makeDisk } from "./support/guest.js";
import { watch, type Watch } from "./support/watching.js";

jest.setTimeout(180_000);

const puppet = makePuppet();
afterAll(() => puppet.close());

const IMAGEFILE = `
const cat = (SRC: ReturnType<typeof files>, out: string) => run({ inputs: { SRC }, cmd: 'cat $SRC > "$OUT"', out });
export const a = cat(files("src/a.txt"), "a.txt");
export const b = cat(files("src/b.txt"), "b.txt");
export const all = cat(files("glob/**/*.txt", { optional: true }), "all.txt");
export const both = run({ inputs: { A: a, B: b }, cmd: 'cat "$A" "$B" > "$OUT"', out: "both.txt" });
export const slow = run({ inputs: { SRC: files("src/slow.txt") }, cmd: \`if [ "$(cat $SRC)" = wait ]; then ${puppet.cmd} fi; cat $SRC > "$OUT"\`, out: "slow.txt" });
`;

let project: TestProject;
let one: Watch | undefined;
const start = (...words: string[]): Watch => (one = watch(project, {}, ...words));

beforeEach(() => {
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "src/a.txt": "a\n",
    "src/b.txt": "b\n",
    "src/slow.txt": "quick\n",
    "glob/one.txt": "one\n",
    "glob/sub/two.txt": "two\n",
  });
});
afterEach(async () => {
  const ended = await one?.end("SIGKILL");
  one = undefined;
  await noneLeft(project);
  project.remove();
  if (ended !== undefined) expect(ended.stderr).not.toMatch(/fault of its own|Warning/);
});

/** Neither later nor earlier than this: nothing else was told of. */
async function nothingElse(watching: Watch): Promise<void> {
  const before = watching.events.length;
  project.write("src/b.txt", `${before}\n`);
  const { paths } = await watching.next("changed");
  expect(paths).toEqual(["src/b.txt"]);
  expect(watching.events.slice(before).filter(({ type }) => type === "changed")).toHaveLength(1);
  await watching.idle();
}

test("an edit builds what it reaches and nothing else, and says what changed and what that rebuilt", async () => {
  const watching = start("both");
  expect(await watching.idle()).toEqual(["a", "b", "both"]);
  project.write("src/a.txt", "new\n");
  expect((await watching.next("changed")).paths).toEqual(["src/a.txt"]);
  expect(await watching.next("rebuilt")).toMatchObject({
    paths: ["src/a.txt"],
    built: ["a", "both"],
    failed: [],
  });
  expect(await watching.idle()).toEqual(["a", "both"]);
  expect(project.read("out/both.txt")).toBe("new\nb\n");
  // What is no input of these targets is nobody's business.
  project.write("src/slow.txt", "other\n");
  project.write("src/unrelated", "other\n");
  await nothingElse(watching);
});

test("what is written in quick succession, with one size, comes out as it was left", async () => {
  const watching = start("a");
  await watching.idle();
  for (let round = 0; round < 12; round += 1) {
    for (let step = 0; step < 10; step += 1) writeFileSync(project.path("src/a.txt"), `${round}${step}\n`);
    await watching.next("rebuilt");
    await watching.idle();
    expect(project.read("out/a.txt")).toBe(`${round}9\n`);
  }
});

test.each<[string, (path: string, text: string) => void]>([
  [
    "a file renamed over it",
    (path, text) => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    },
  ],
  [
    "deleted and made again",
    (path, text) => {
      unlinkSync(path);
      writeFileSync(path, text);
    },
  ],
  [
    "moved to a backup and written anew, beside a swap file",
    (path, text) => {
      const [, dir = "", name = ""] = /^(.*)\/([^/]*)$/.exec(path) ?? [];
      writeFileSync(`${dir}/.${name}.swp`, "swap");
      writeFileSync(`${dir}/4913`, "");
      unlinkSync(`${dir}/4913`);
      renameSync(path, `${path}~`);
      writeFileSync(path, text);
      unlinkSync(`${path}~`);
      unlinkSync(`${dir}/.${name}.swp`);
    },
  ],
  [
    "replaced by a symbolic link",
    (path, text) => {
      writeFileSync(`${path}.target`, text);
      unlinkSync(path);
      symlinkSync("a.txt.target", path);
    },
  ],
])("editors: %s", async (_, save) => {
  const watching = start("both");
  await watching.idle();
  for (const text of ["first\n", "second\n", "third\n"]) {
    rmSync(project.path("src/a.txt.target"), { force: true });
    save(project.path("src/a.txt"), text);
    expect((await watching.next("rebuilt")).built).toEqual(["a", "both"]);
    await watching.idle();
    expect(project.read("out/both.txt")).toBe(`${text}b\n`);
  }
  await nothingElse(watching);
});

test("what an editor leaves beside the inputs of a glob builds nothing", async () => {
  project.write("Imagefile.ts", IMAGEFILE.replace("glob/**/*.txt", "glob/**"));
  const watching = start("all", "b");
  await watching.idle();
  for (const name of [".one.txt.swp", "one.txt~", "4913", "#one.txt#"]) {
    project.write(`glob/${name}`, "x");
    unlinkSync(project.path("glob", name));
  }
  await nothingElse(watching);
  expect(watching.events.filter((event) => event.type === "built" && event.target === "all")).toHaveLength(1);
  expect(project.read("out/all.txt")).toBe("one\ntwo\n");
});

test("files that come to a glob and go from it, directories deleted, moved and made again", async () => {
  const watching = start("all");
  await watching.idle();
  const expectAfter = async (text: string, change: () => void): Promise<void> => {
    change();
    await watching.next("rebuilt");
    await watching.idle();
    expect(project.read("out/all.txt")).toBe(text);
  };
  await expectAfter("one\ntwo\nthree\n", () => project.write("glob/sub/zzz.txt", "three\n"));
  await expectAfter("one\nthree\n", () => unlinkSync(project.path("glob/sub/two.txt")));
  await expectAfter("one\n", () => rmSync(project.path("glob/sub"), { recursive: true }));
  await expectAfter("one\nagain\n", () => project.write("glob/sub/deep/er/x.txt", "again\n"));
  await expectAfter("one\nmore\n", () => project.write("glob/sub/deep/er/x.txt", "more\n"));
  await expectAfter("", () => renameSync(project.path("glob"), project.path("away")));
  await expectAfter("one\nmore\n", () => renameSync(project.path("away"), project.path("glob")));
  await expectAfter("ONE\nmore\n", () => project.write("glob/one.txt", "ONE\n"));
  await expectAfter("new\n", () => {
    rmSync(project.path("glob"), { recursive: true });
    project.write("glob/new.txt", "new\n");
  });
  await expectAfter("newer\n", () => project.write("glob/new.txt", "newer\n"));
});

test("ten thousand files in a hundred directories, and no more of the kernel's watches than directories", async () => {
  project.write(
    "Imagefile.ts",
    `export const half = each(["a", "b"], (name) =>
  run({ inputs: { SRC: files(\`\${name}/**\`) }, cmd: 'cat $SRC > "$OUT"', out: \`\${name}.txt\` }));`,
  );
  for (const half of ["a", "b"])
    for (let dir = 0; dir < 50; dir += 1) {
      mkdirSync(project.path(half, `d${dir}`), { recursive: true });
      for (let file = 0; file < 100; file += 1)
        writeFileSync(project.path(half, `d${dir}`, `${file}`), `${dir} ${file}\n`);
    }
  const watching = start("half");
  expect(await watching.idle()).toEqual(["half-a", "half-b"]);
  const { pid } = watching.child;
  const watches = inotifyWatches(pid ?? 0);
  expect(watches).toBeGreaterThan(100);
  expect(watches).toBeLessThan(115);
  project.write("b/d43/73", "edited\n");
  expect(await watching.next("rebuilt")).toMatchObject({ paths: ["b/d43/73"], built: ["half-b"] });
  await watching.idle();
  expect(project.read("out/b.txt")).toContain("43 72\nedited\n43 74\n");
  rmSync(project.path("a/d5"), { recursive: true });
  expect((await watching.next("rebuilt")).built).toEqual(["half-a"]);
  await watching.idle();
  expect(project.read("out/a.txt")).not.toContain("\n5 5\n");
});

function inotifyWatches(pid: number): number {
  return readdirSync(`/proc/${pid}/fdinfo`)
    .map((fd) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8").match(/^inotify /gm)?.length ?? 0)
    .reduce((sum, count) => sum + count, 0);
}

test("a broken Imagefile is said and waited for, and what it imports is watched", async () => {
  project.write("lib/name.ts", "export const name = 'first';\n");
  const importing = (text: string): string =>
    `import { name } from "./lib/name.ts";\nimport { run } from "imagemake";\nexport const named = run({ inputs: {}, cmd: \`echo \${name} > "$OUT"\`, out: "named.txt" });\n${text}`;
  project.write("Imagefile.ts", importing(""));
  const watching = start("named");
  expect(await watching.idle()).toEqual(["named"]);
  const blocked = async (path = "Imagefile.ts"): Promise<string> => {
    // Where that is not told of, it was found by a later look, and not watched.
    expect((await watching.next("changed")).paths).toContain(path);
    const { problem } = await watching.next("blocked");
    await watching.idle();
    return problem.message;
  };
  project.write("Imagefile.ts", importing("export const"));
  expect(await blocked()).toContain("Imagefile.ts:4");
  project.write("Imagefile.ts", importing(""));
  await watching.idle();
  project.write("lib/name.ts", "export const name = ;\n");
  expect(await blocked("lib/name.ts")).toContain("lib/name.ts:2");
  project.write("lib/name.ts", "export const name = 'second';\n");
  expect(await watching.idle()).toEqual(["named"]);
  expect(project.read("out/named.txt")).toBe("second\n");
  // Gone, as while an editor is slow.
  renameSync(project.path("lib/name.ts"), project.path("lib/other.ts"));
  expect(await blocked("lib/name.ts")).toContain("lib/name.ts");
  renameSync(project.path("lib/other.ts"), project.path("lib/name.ts"));
  await watching.idle();
  renameSync(project.path("Imagefile.ts"), project.path("gone.ts"));
  expect(await blocked()).toContain("there is no");
  renameSync(project.path("gone.ts"), project.path("Imagefile.ts"));
  await watching.idle();
  project.write("lib/name.ts", "export const name = 'third';\n");
  expect(await watching.idle()).toEqual(["named"]);
  // A pipe: who opens one waits for its writer, and hears no signal.
  for (const path of ["lib/name.ts", "Imagefile.ts"]) {
    const text = project.read(path);
    execFileSync("mkfifo", [project.path("pipe")]);
    renameSync(project.path("pipe"), project.path(path));
    expect(await blocked(path)).toContain(`${path} is not a regular file`);
    rmSync(project.path(path));
    project.write(path, text);
    await watching.idle();
  }
});

test("an Imagefile that is broken at the start is waited for; a target that is not there is a wrong command line", async () => {
  project.write("Imagefile.ts", "export const x = ;\n");
  const watching = start("a");
  await watching.next("blocked");
  project.write("Imagefile.ts", IMAGEFILE);
  expect(await watching.next("built")).toMatchObject({ target: "a" });
  await watching.idle();
  const typo = await project.run("watch", "aa");
  expect(typo).toMatchObject({ status: 2, stderr: expect.stringContaining("unknown target aa") });
  const looks = await project.run("watch", "-n", "a");
  expect(looks).toMatchObject({ status: 2, stderr: expect.stringContaining("watch builds") });
  rmSync(project.path("Imagefile.ts"));
  expect(await project.run("watch", "a")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("imagemake init"),
  });
});

test("a target that vanishes is said and waited for, and another graph is built as it is then", async () => {
  const watching = start("both");
  await watching.idle();
  project.write("Imagefile.ts", IMAGEFILE.replace("export const both", "export const other"));
  expect((await watching.next("blocked")).problem.message).toContain("unknown target both");
  await watching.idle();
  project.write("Imagefile.ts", IMAGEFILE.replace('cat "$A" "$B"', 'cat "$B" "$A"'));
  expect(await watching.idle()).toEqual(["both"]);
  expect(project.read("out/both.txt")).toBe("b\na\n");
  project.write("src/a.txt", "again\n");
  expect(await watching.idle()).toEqual(["a", "both"]);
});

test("a source that is missing is waited for, at the start and later", async () => {
  rmSync(project.path("src"), { recursive: true });
  const watching = start("both");
  expect((await watching.next("blocked")).problem.message).toContain("src/a.txt does not exist");
  await watching.idle();
  mkdirSync(project.path("src"));
  project.write("src/a.txt", "a\n");
  project.write("src/b.txt", "b\n");
  await watching.next("built", ({ target }) => target === "both");
  await watching.idle();
  unlinkSync(project.path("src/b.txt"));
  expect((await watching.next("blocked")).problem.message).toContain("src/b.txt does not exist");
  await watching.idle();
  project.write("src/b.txt", "back\n");
  expect((await watching.next("rebuilt")).built).toEqual(["b", "both"]);
});

test("what failed is built when its input was mended", async () => {
  project.write(
    "Imagefile.ts",
    'export const t = run({ inputs: { S: files("s.sh") }, cmd: \'sh -e $S; echo > "$OUT"\', out: "t" });',
  );
  project.write("s.sh", "exit 7\n");
  const watching = start("t");
  await watching.next("failed");
  await watching.idle();
  project.write("s.sh", "exit 8\n");
  expect((await watching.next("rebuilt")).failed).toEqual(["t"]);
  await watching.idle();
  project.write("s.sh", ":\n");
  expect((await watching.next("rebuilt")).built).toEqual(["t"]);
});

test("an action whose input changes is stopped and begun anew; one whose input does not, goes on", async () => {
  const watching = start("-j2", "slow", "b");
  await watching.idle();
  const runs = puppet.runs();
  project.write("src/slow.txt", "wait\n");
  await puppet.started(runs + 1, watching.child);
  // The action that runs does not read this one.
  project.write("src/b.txt", "meanwhile\n");
  project.write("src/slow.txt", "done\n");
  const { paths, stopped } = await watching.next("changed", (event) => event.stopped.length > 0);
  expect(stopped).toEqual(["slow"]);
  expect(paths).toContain("src/slow.txt");
  expect((await watching.next("failed")).failure).toEqual({ kind: "interrupted" });
  expect((await watching.next("rebuilt")).built.toSorted()).toEqual(["b", "slow"]);
  await watching.idle();
  expect([project.read("out/slow.txt"), project.read("out/b.txt")]).toEqual(["done\n", "meanwhile\n"]);
  project.write("src/slow.txt", "wait\n");
  await puppet.started(runs + 2, watching.child);
  const before = watching.events.length;
  project.write("src/b.txt", "later\n");
  const other = await project.run("log", "slow");
  expect(other.status).toBe(0);
  puppet.release();
  await watching.next("rebuilt");
  expect((await watching.next("rebuilt")).built).toEqual(["b"]);
  expect(watching.events.slice(before).some((event) => event.type === "failed")).toBe(false);
});

test("nothing is held while it waits: other commands work beside it, and what they build counts", async () => {
  const watching = start("a");
  await watching.idle();
  project.write("Imagefile.ts", IMAGEFILE);
  expect(existsSync(project.path(".imagemake/lock.note"))).toBe(false);
  await project.good("--no-wait", "b");
  await project.good("--no-wait", "cache", "gc");
  await project.good("clean");
  project.write("src/a.txt", "after gc\n");
  await watching.next("built", ({ target }) => target === "a");
  await watching.idle();
  expect((await project.good("a")).stderr).toContain("nothing to do");
});

test("what it built itself never triggers, even where all of the project is an input", async () => {
  project.write(
    "Imagefile.ts",
    'export const all = run({ inputs: { SRC: files("**") }, cmd: \'cat $SRC | wc -c > "$OUT"\', out: "all-{date}.txt" });',
  );
  const watching = start("all");
  await watching.idle();
  await nothingElse(watching);
  project.write("out/all-x.txt", "x");
  await nothingElse(watching);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "%s ends it within a second with status %d, whether it waits or builds",
  async (signal, status) => {
    const idle = start("b");
    await idle.idle();
    let at = performance.now();
    expect((await idle.end(signal)).status).toBe(status);
    expect(performance.now() - at).toBeLessThan(1000);
    project.write(
      "Imagefile.ts",
      `export const stubborn = run({ inputs: {}, cmd: "trap '' TERM; ${puppet.cmd}", out: "x" });`,
    );
    const runs = puppet.runs();
    const busy = start("stubborn");
    await puppet.started(runs + 1, busy.child);
    at = performance.now();
    expect((await busy.end(signal)).status).toBe(status);
    expect(performance.now() - at).toBeLessThan(2000);
    await noneLeft(project);
  },
);

test("without enough of the kernel's watches it says so and ends with 3; --poll needs none", async () => {
  for (let dir = 0; dir < 20; dir += 1) project.write(`glob/d${dir}/x.txt`, "x\n");
  await project.good("all");
  const under = [
    "unshare",
    "-Ur",
    "sh",
    "-c",
    'echo 5 > /proc/sys/user/max_inotify_watches; exec "$@"',
    "sh",
  ];
  const few = await project.call({ under }, "watch", "all");
  expect(few.status).toBe(3);
  expect(few.stderr).toMatch(
    /cannot be watched: the kernel's limit is reached \(fs\.inotify\.max_user_watches is \d+\)/,
  );
  expect(few.stderr).toContain("--poll");
  one = watch(project, { under }, "all", "--poll");
  await one.idle();
  project.write("glob/one.txt", "polled\n");
  await one.next("rebuilt");
  expect(project.read("out/all.txt")).toContain("polled\n");
});

test("in words: what changed, what that rebuilt, and that it goes on", async () => {
  const child = project.start({}, "watch", "both");
  let said = "";
  const ended = finish(child);
  const until = async (text: string): Promise<void> => {
    while (!said.includes(text)) await new Promise((resolve) => child.stderr?.once("data", resolve));
  };
  child.stderr?.on("data", (chunk: Buffer) => (said += String(chunk)));
  await until("watching 3 inputs; Ctrl-C ends\n");
  project.write("src/a.txt", "new\n");
  await until("src/a.txt: built a, both (");
  child.kill("SIGINT");
  expect((await ended).status).toBe(130);
  expect(said).toMatch(/\nchanged src\/a\.txt\n2 to build, 1 up to date\nstart a: [^\n]*\nbuilt a [^\n]*\n/);
  expect(said.match(/^release /gm)).toHaveLength(1);
});

test("--boot starts the guest with what was built, and again when that has changed", async () => {
  project.write(
    "Imagefile.ts",
    `export const tiny = run({ inputs: { SRC: files("tiny.raw") }, cmd: 'cp "$SRC" "$OUT"', out: "tiny.img" });
export const other = run({ inputs: { SRC: files("src/a.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "other.txt" });`,
  );
  makeDisk(project.path("tiny.raw"), "HELLO-ONE", true);
  const watching = start("other", "--boot", "tiny");
  let console = "";
  watching.child.stderr?.on("data", (chunk: Buffer) => (console += String(chunk)));
  const says = async (text: string): Promise<void> => {
    while (!console.includes(text))
      await new Promise((resolve) => watching.child.stderr?.once("data", resolve));
  };
  expect(await watching.next("guest")).toMatchObject({ target: "tiny", state: "started" });
  expect(await watching.idle()).toEqual(["other", "tiny"]);
  await says("HELLO-ONE");
  // What the guest is not made of leaves it alone.
  project.write("src/a.txt", "new\n");
  expect(await watching.idle()).toEqual(["other"]);
  makeDisk(project.path("tiny.raw"), "HELLO-TWO", true);
  expect(await watching.next("guest")).toMatchObject({ state: "stopped" });
  expect(await watching.next("guest")).toMatchObject({ state: "started" });
  await says("HELLO-TWO");
  expect((await watching.end()).status).toBe(130);
  await noneLeft(project);
});
