// The state directory is trusted only as far as nobody else can have written there: no link in it is followed, nothing in
// it is deleted that imagemake did not make, and it has one owner. Needs root.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { quickFile } from "../engine/quick.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { DAY, imagefile } from "./support/release.js";

jest.setTimeout(120_000);

const IMAGEFILE = `
export const tree = run({ inputs: {}, cmd: 'mkdir "$OUT/a"', tree: true });
export const t = run({ inputs: { TREE: tree, S: files("src") }, cmd: 'ls "$TREE" > "$OUT"; cat "$S" >> "$OUT"', out: "t" });
`;
const [OWNER, OTHER] = [4242, 4343];

let project: TestProject;
let outside: string;
beforeEach(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE, src: "x\n" });
  outside = mkdtempSync(join(tmpdir(), "imagemake-outside-"));
  mkdirSync(join(outside, "stage", "mine"), { recursive: true });
  writeFileSync(join(outside, "mine"), "mine\n");
  writeFileSync(join(outside, "stage", "mine", "file"), "mine\n");
});
afterEach(() => {
  project.remove();
  rmSync(outside, { recursive: true });
});

const untouched = (): void => {
  expect(readFileSync(join(outside, "mine"), "utf8")).toBe("mine\n");
  expect(readFileSync(join(outside, "stage", "mine", "file"), "utf8")).toBe("mine\n");
  expect(readdirSync(outside).sort()).toEqual(["mine", "stage"]);
};

describe("a link in the state directory", () => {
  test.each([
    "stage",
    "store",
    "logs",
    "graphs",
    "copies",
    "modules",
    "releases",
    "store/layers",
    "store/files",
  ])("%s is refused, and nothing behind it is touched", async (name) => {
    mkdirSync(project.path(".imagemake", "store"), { recursive: true });
    rmSync(project.path(".imagemake", name), { recursive: true, force: true });
    symlinkSync(outside, project.path(".imagemake", name));
    for (const words of [["t"], ["-n", "t"], ["clean"], ["cache", "gc"], ["cache", "verify"]]) {
      const { status, stderr } = await project.run(...words);
      expect(stderr).toContain(`.imagemake/${name} is a symbolic link`);
      expect(status).toBe(3);
    }
    untouched();
  });

  test("a link that is not a directory's either", async () => {
    await project.good("t");
    for (const name of ["lock.db.holder", "index.db", "lock.db"]) {
      const path = project.path(".imagemake", name);
      rmSync(path, { force: true });
      symlinkSync(join(outside, "mine"), path);
    }
    const locked = await project.run("-B", "t");
    expect(locked.stderr).toContain("is not a regular file); it was set aside");
    expect(locked.stderr).toContain("lock.db is not a regular file");
    expect(locked.status).toBe(3);
    rmSync(project.path(".imagemake/lock.db"));
    const noted = await project.run("-B", "t");
    expect(noted.stderr).toContain("lock.db");
    expect(noted.status).toBe(3);
    rmSync(project.path(".imagemake/lock.db.holder"));
    await project.good("-B", "t");
    untouched();
  });

  test("a stage that a file system's other entries lie in is not emptied", async () => {
    await project.good("t");
    mkdirSync(project.path(".imagemake/stage/notes"));
    writeFileSync(project.path(".imagemake/stage/notes/file"), "mine");
    writeFileSync(project.path(".imagemake/logs/notes.txt"), "mine");
    mkdirSync(project.path(".imagemake/store/packages/notes"));
    mkdirSync(project.path(".imagemake/stage/mx20c2v7-efd629a1/work"), { recursive: true });
    project.write("src", "y\n");
    const { stderr } = await project.good("t");
    expect(stderr).toContain(".imagemake/stage/notes was not made by imagemake, and stays");
    await project.good("clean");
    await project.good("cache", "gc");
    expect(project.names(".imagemake/stage")).toEqual(["notes"]);
    expect(project.names(".imagemake/logs")).toContain("notes.txt");
    expect(project.exists(".imagemake/store/packages/notes")).toBe(true);
  });
});

describe("the state directory itself", () => {
  test("may be a link to an empty directory, which is said and used; no pattern matches it", async () => {
    const elsewhere = join(outside, "state");
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, project.path(".imagemake"));
    project.write(
      "Imagefile.ts",
      `export const t = run({ inputs: { S: files("**") }, cmd: 'echo "$S" > "$OUT"', out: "t" });`,
    );
    const { stderr } = await project.good("t");
    expect(stderr).toContain(`the state directory is ${elsewhere}`);
    expect(project.read("out/t")).toBe("Imagefile.ts\nsrc\n");
    expect(existsSync(join(elsewhere, "index.db"))).toBe(true);
    expect((await project.good("t")).stderr).toContain("nothing to do");
    project.write("src", "y\n");
    expect((await project.good("t")).stderr).toContain("built 1");
    await project.good("clean");
    rmSync(elsewhere, { recursive: true });
    const gone = await project.run("t");
    expect(gone.stderr).toContain("leads nowhere");
    expect(gone.status).toBe(3);
    untouched();
  });

  test("is one project's: another that leads there is refused, until the first is gone", async () => {
    const elsewhere = join(outside, "shared");
    mkdirSync(elsewhere);
    const first = makeProject({ "Imagefile.ts": IMAGEFILE, src: "x\n" });
    for (const one of [first, project]) symlinkSync(elsewhere, one.path(".imagemake"));
    await first.good("t");
    for (const words of [["t"], ["cache", "gc"], ["clean"]]) {
      const { status, stderr } = await project.run(...words);
      expect([stderr, status]).toEqual([
        expect.stringContaining(`is the state directory of ${first.dir}`),
        3,
      ]);
    }
    await first.good("-B", "t");
    first.remove();
    await project.good("t");
    rmSync(elsewhere, { recursive: true });
  });

  test("a link to a directory of somebody's own is refused", async () => {
    symlinkSync(outside, project.path(".imagemake"));
    for (const words of [["t"], ["clean"], ["cache", "gc"]]) {
      const { status, stderr } = await project.run(...words);
      expect(stderr).toContain("is not empty and no state directory");
      expect(status).toBe(3);
    }
    untouched();
  });

  test.each(["stage", "store", "logs"])(
    "%s on another file system is refused with the way out",
    async (name) => {
      await project.good("t");
      const under = [
        "unshare",
        "--mount",
        "sh",
        "-euc",
        `mount -t tmpfs none .imagemake/${name}; exec "$@"`,
        "sh",
      ];
      const { status, stderr } = await project.call({ under }, "-B", "t");
      expect(stderr).toContain(`.imagemake/${name} is a mount of its own`);
      expect(stderr).toContain("mount over .imagemake");
      expect(status).toBe(3);
      const bind = `mkdir b; mount --bind b .imagemake/${name}; exec "$@"`;
      expect(
        (await project.call({ under: ["unshare", "--mount", "sh", "-euc", bind, "sh"] }, "-B", "t")).status,
      ).toBe(3);
    },
  );

  test("a mount as a whole is fine", async () => {
    mkdirSync(project.path(".imagemake"));
    const under = [
      "unshare",
      "--mount",
      "sh",
      "-euc",
      'mount -t tmpfs -o mode=755 none .imagemake; exec "$@"',
      "sh",
    ];
    expect((await project.call({ under }, "t")).stderr).toContain("built 2");
  });

  test("a project below /dev is refused in words", async () => {
    const dir = mkdtempSync("/dev/shm/imagemake-test-");
    try {
      writeFileSync(join(dir, "Imagefile.ts"), `import { files, run } from "imagemake";\n${IMAGEFILE}`);
      writeFileSync(join(dir, "src"), "");
      const { status, stderr } = await project.call({ cwd: dir }, "t");
      expect(stderr).toContain("move the project to another file system");
      expect(status).toBe(3);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe("who owns it", () => {
  const sudo = { SUDO_UID: String(OTHER), SUDO_GID: String(OTHER) };

  test("the owner of the Imagefile's directory, whoever calls", async () => {
    chownSync(project.dir, OWNER, OWNER);
    chmodSync(project.dir, 0o755);
    await project.call({ env: sudo }, "t");
    const state = execFileSync("find", [project.path(".imagemake"), "-printf", "%U %P\n"], {
      encoding: "utf8",
    });
    const foreign = state.split("\n").filter((line) => line.startsWith(`${OTHER} `));
    // The log is the caller's to read; nothing else is theirs.
    expect(foreign.filter((line) => !/ logs\/.*\.log$/.test(line))).toEqual([]);
    expect(state).toContain(`${OWNER} index.db`);
    expect(state).toMatch(new RegExp(`^${OWNER} graphs/graph-`, "m"));
  });

  test("root runs nothing of a state directory that another user owns or may write to", async () => {
    await project.good("t");
    chownSync(project.path(".imagemake"), OTHER, OTHER);
    for (const words of [["t"], ["-n", "t"], ["list"], ["clean"]]) {
      const { status, stderr } = await project.run(...words);
      expect(stderr).toContain(`belongs to user ${OTHER}, who is not the owner`);
      expect(status).toBe(3);
    }
    chownSync(project.path(".imagemake"), 0, 0);
    // Nor is the record of a run with nothing to do believed, which is there once nothing is fresh any more.
    const recorded = (): boolean =>
      project.names(".imagemake/graphs").some((name) => name.startsWith("quick-"));
    for (let runs = 0; !recorded() && runs < 60; runs++) await project.good("t");
    expect(recorded()).toBe(true);
    chmodSync(project.path(".imagemake/graphs"), 0o777);
    const { status, stderr } = await project.run("t");
    expect(stderr).toContain("can be written by others");
    expect(status).toBe(3);
  });

  test("a graph that the caller edits is not run by the next sudo", async () => {
    // Under the old rule the state was the caller's.
    await project.call({ env: sudo }, "t");
    const graphs = project.path(".imagemake/graphs");
    expect(statSync(graphs).uid).toBe(0);
    for (const name of readdirSync(graphs)) expect(statSync(join(graphs, name)).uid).toBe(0);
  });

  test("with umask 000 nothing is world-writable", async () => {
    await project.call({ under: ["sh", "-c", 'umask 000; exec "$@"', "sh"] }, "t");
    await project.call({ under: ["sh", "-c", 'umask 000; exec "$@"', "sh"] }, "release", "start");
    const found = execFileSync("find", [project.dir, "!", "-type", "l", "-perm", "/022"], {
      encoding: "utf8",
    });
    expect(found.split("\n").filter((line) => line !== "")).toEqual([]);
  });
});

test("deleting does not go through a link that takes a directory's place", async () => {
  await project.good("t");
  mkdirSync(project.path(".imagemake/stage/mx20c2v7-efd629a1"));
  symlinkSync(outside, project.path(".imagemake/stage/mx20c2v7-efd629a2"));
  symlinkSync(outside, project.path(".imagemake/stage/mx20c2v7-efd629a1/in"));
  project.write("src", "y\n");
  await project.good("t");
  expect(project.names(".imagemake/stage")).toEqual([]);
  untouched();
  renameSync(project.path(".imagemake"), project.path("away"));
  expect(lstatSync(project.path("away")).isDirectory()).toBe(true);
});

test("a release file is never followed as a link, and nothing of what it leads to is shown", async () => {
  writeFileSync(join(outside, "mine"), "root:*:202\n");
  await project.good("release", "start", "--release", DAY);
  const file = project.path("releases", `${DAY}.json`);
  rmSync(file);
  symlinkSync(join(outside, "mine"), file);
  const linked = await project.run("release", "status");
  expect(linked).toMatchObject({ status: 2, stderr: expect.stringContaining("is not a regular file") });
  expect(linked.stderr).not.toContain("root");
  rmSync(file);
  execFileSync("mkfifo", [file]);
  const pipe = await project.run("release", "status");
  expect(pipe).toMatchObject({ status: 2, stderr: expect.stringContaining("is not a regular file") });
  rmSync(file);
  writeFileSync(file, "root:*:202\n");
  const garbage = await project.run("release", "status");
  expect(garbage).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("cannot be read as a release file"),
  });
  expect(garbage.stderr).not.toContain("root");
});

test("under sudo a release file does not choose where root deletes; nor does a link", async () => {
  project.write("Imagefile.ts", imagefile("signify()", 'into: "rel"'));
  const env = { SUDO_UID: "4343", SUDO_GID: "4343" };
  await project.good("release", "start", "--release", DAY);
  await project.good("image-all");
  expect((await project.call({ env }, "release", "collect")).status).toBe(0);
  const written = project.read(`releases/${DAY}.json`);
  const elsewhere = project.path("etc", DAY);
  mkdirSync(elsewhere, { recursive: true });
  cpSync(project.path("rel", DAY), elsewhere, { recursive: true });
  writeFileSync(join(elsewhere, "passwd"), "mine");
  for (const [dir, sums, said] of [
    [`etc/${DAY}`, "sha256sum.txt", "was collected elsewhere"],
    [elsewhere, "passwd", "was collected elsewhere"],
    [`rel/${DAY}`, `../../etc/${DAY}/passwd`, "collected.sums is not what belongs there"],
  ] as const) {
    const value = JSON.parse(written) as { collected: object };
    project.write(
      `releases/${DAY}.json`,
      JSON.stringify({ ...value, collected: { dir, sums, form: "gnu" } }),
    );
    const { status, stderr } = await project.call({ env }, "release", "reopen");
    expect(stderr).toContain(said);
    expect(status).toBe(2);
  }
  project.write(`releases/${DAY}.json`, written);
  renameSync(project.path("rel", DAY), project.path("x"));
  symlinkSync(elsewhere, project.path("rel", DAY));
  for (const command of ["reopen", "sign"]) {
    const { status, stderr } = await project.call(
      { env },
      "release",
      command,
      ...(command === "sign" ? ["--waive", "works", "--because", "x"] : []),
    );
    expect(stderr).toContain("is a symbolic link");
    expect(status).toBe(2);
  }
  expect(existsSync(join(elsewhere, "sha256sum.txt"))).toBe(true);
  expect(existsSync(join(elsewhere, "passwd"))).toBe(true);
  rmSync(project.path("rel", DAY));
  renameSync(project.path("x"), project.path("rel", DAY));
  expect((await project.call({ env }, "release", "reopen")).status).toBe(0);
  expect(project.names(`rel/${DAY}`)).toEqual([`image-a-${DAY}.txt`, `image-b-${DAY}.txt`]);
});

test("a pipe in the place of a record, a graph or a transpiled module is not waited for", async () => {
  await project.good("t");
  const kept = ["graphs", "modules"].flatMap((dir) =>
    project.names(`.imagemake/${dir}`).map((name) => project.path(".imagemake", dir, name)),
  );
  const record = quickFile(project.path(".imagemake/graphs"), "Imagefile.ts", ["t"]);
  for (const path of new Set([...kept, record])) {
    rmSync(path, { force: true });
    execFileSync("mkfifo", [path]);
  }
  // What is waited for is killed.
  const soon = { under: ["timeout", "--signal=KILL", "30"] };
  expect(await project.call(soon, "t")).toMatchObject({ status: 0 });
  expect(await project.call(soon, "t")).toMatchObject({
    status: 0,
    stderr: expect.stringContaining("nothing to do"),
  });
});

test("a pipe in the place of a log, of a note beside the lock or of a layer's record is not waited for", async () => {
  project.write("tree.ts", `export const tree = run({ inputs: {}, tree: true, cmd: 'echo > "$OUT/f"' });\n`);
  await project.good("t");
  await project.good("-f", "tree.ts", "tree");
  const pipe = (path: string): void => {
    rmSync(path, { force: true });
    execFileSync("mkfifo", [path]);
  };
  const layers = ".imagemake/store/layers";
  for (const name of project.names(layers)) if (name.endsWith(".json")) pipe(project.path(layers, name));
  for (const name of project.names(".imagemake/logs")) pipe(project.path(".imagemake/logs", name));
  const soon = { under: ["timeout", "--signal=KILL", "30"] };
  expect(await project.call(soon, "log", "t")).toMatchObject({ status: 2 });
  expect(await project.call(soon, "cache", "gc", "-n")).toMatchObject({ status: 0 });
});

test("nobody else can take the lock, and hold up everybody: not that of an earlier version either", async () => {
  const lock = project.path(".imagemake/lock.db");
  const others = (): number => statSync(lock).mode & 0o077;
  await project.good("-B", "t");
  expect(others()).toBe(0);
  chmodSync(lock, 0o644);
  await project.good("-B", "t");
  expect(others()).toBe(0);
});

test("a lock that is no database is one again", async () => {
  project.write(".imagemake/lock.db", "junk\n".repeat(100));
  project.write("src", "anew\n");
  await project.good("t");
  await project.good("cache", "gc");
});
