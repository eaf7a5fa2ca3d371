// A cache that machines share, on the real command line: two projects in two directories, of which one builds and the other
// takes. As root.
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Index } from "../cache/index.js";
import { withChecksum } from "../cache/write.js";
import { finish, makeProject, type TestProject } from "./support/cli.js";
import { makePuppet } from "./support/faults.js";
import { makePackageProject, makeTinyRepo } from "./support/packages.js";
import { HAS_SERVER, NO_SERVER, SERVERS } from "./support/remote.js";
import { asUser, makeTrial, USER } from "./support/sandbox.js";

const IMAGEFILE = `import { files, project, rule, run, step } from "imagemake";
export const a = run({ inputs: { SRC: files("src.txt") }, cmd: 'cat $SRC > "$OUT"; echo built >> "$OUT"', out: "a-{date}.txt" });
export const tree = run({ inputs: { A: a }, cmd: 'mkdir "$OUT/sub"; cp "$A" "$OUT/sub/a"; ln "$OUT/sub/a" "$OUT/b"; chown 7:8 "$OUT/b"', tree: true });
export const layer = rule.platformfs({ from: tree, steps: [step.write("/sub/new", "new\\n"), step.remove(["/b"])] });
export const packed = run({ inputs: { TREE: layer }, cmd: 'cd "$TREE"; find . -printf "%P %m %U %G %s %T@\\\\n" | sort > "$OLDPWD/$OUT"', out: "packed.txt" });
export const tool = run({ inputs: {}, cmd: 'echo "#!/bin/sh" > "$OUT"; chmod +x "$OUT"', out: "tool" });
export default project({ default: [a, tree, layer, packed, tool] });
`;

let dir: string;
let url: string;
const projects: TestProject[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "imagemake-test-"));
  mkdirSync(join(dir, "share"));
  url = `file://${join(dir, "share")}`;
});
afterEach(() => {
  for (const project of projects.splice(0)) project.remove();
  rmSync(dir, { recursive: true });
});

function machine(imagefile = IMAGEFILE): TestProject {
  const project = makeProject({ "Imagefile.ts": imagefile, "src.txt": "hello\n" });
  projects.push(project);
  return project;
}

/** One that has built, with all that it made in the share. */
async function builder(
  imagefile = IMAGEFILE,
  share: readonly string[] = ["--cache", url],
): Promise<TestProject> {
  const project = machine(imagefile);
  await project.good(...share);
  return project;
}

const places = { results: "v1/results", blobs: "v1/blobs" } as const;

/** Every file of the share. */
function filesIn(place: keyof typeof places): string[] {
  const root = join(dir, "share", places[place]);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const ALL = ["a", "layer", "layer/base", "packed", "tool", "tree"];

/** What machines share, opened in a directory: its name, the words that share it, and how it ends. */
const KINDS: Readonly<
  Record<string, (dir: string) => Promise<{ name: string; share: readonly string[]; stop: () => void }>>
> = {
  "a shared directory": () => Promise.resolve({ name: url, share: ["--cache", url], stop: () => undefined }),
  ...Object.fromEntries(
    Object.entries(SERVERS).map(([kind, start]) => [
      kind,
      async (at: string) => {
        const { url: name, stop } = await start(at);
        return { name, share: ["--remote-cache", name, "--remote-upload"], stop };
      },
    ]),
  ),
};

if (!HAS_SERVER) test.skip(NO_SERVER, () => undefined);

describe.each(Object.entries(KINDS))("what one machine built, by %s,", (_, open) => {
  let name: string;
  let share: readonly string[];
  let stop: () => void;
  beforeEach(async () => {
    ({ name, share, stop } = await open(dir));
  });
  afterEach(() => stop());

  test("another takes, byte for byte, and builds nothing", async () => {
    const one = await builder(IMAGEFILE, share);
    const two = machine();
    const told = await two.events({}, ...share);
    expect({ status: told.status, built: told.which("built") }).toEqual({ status: 0, built: [] });
    expect(told.which("restored")).toEqual(expect.arrayContaining(["a", "packed", "tool"]));
    expect(told.about("done")).toMatchObject({ built: 0, taken: told.which("restored").length });
    expect(told.about("restored", "a")?.reason).toMatchObject({
      kind: "restore",
      reason: { kind: "shared", cache: name },
    });
    expect(two.outputs()).toEqual(one.outputs());
    expect(statSync(two.path("out/tool")).mode & 0o111).toBe(0o111);
    const again = await two.run(...share);
    expect(again.stderr).toContain("nothing to do");
    expect((await two.run()).stderr).toContain("nothing to do");
    expect((await two.run("cache", "verify")).status).toBe(0);
  });

  test("is said by -n, by the summary and by why; a log is where it was built", async () => {
    await builder(IMAGEFILE, share);
    const two = machine();
    const look = await two.good("-n", ...share, "a", "packed");
    expect(look.stdout).toMatch(new RegExp(`^a: taken from ${name} \\(built on .*UTC\\)$`, "m"));
    expect(two.exists("out")).toBe(false);
    expect(existsSync(two.path(".imagemake/index.db"))).toBe(false);
    expect((await two.good(...share)).stderr).toMatch(/^built 0, taken \d/m);
    expect((await two.good("why", "a")).stdout).toContain(`taken from ${name} (built on `);
    expect((await two.run("log", "a")).stderr).toContain("another machine");
  });

  test("is fetched as far as somebody needs it: what lies beneath is only known", async () => {
    await builder(IMAGEFILE, share);
    const two = machine();
    await two.good(...share, "packed");
    expect(readdirSync(two.path(".imagemake/store/layers"))).toEqual([]);
    two.write("Imagefile.ts", IMAGEFILE.replace("find . -printf", "find . -mindepth 1 -printf"));
    const told = await two.events({}, ...share, "packed");
    expect([told.status, told.which("built")]).toEqual([0, ["packed"]]);
    expect(readdirSync(two.path(".imagemake/store/layers")).length).toBeGreaterThan(0);
    const alone = machine(IMAGEFILE.replace("find . -printf", "find . -mindepth 1 -printf"));
    await alone.good("packed");
    expect(two.outputs()["packed.txt"]).toBe(alone.outputs()["packed.txt"]);
  });

  test("counts under its key alone: another source is built, and what comes out the same ends it", async () => {
    await builder(IMAGEFILE, share);
    const two = machine();
    two.write("src.txt", "other\n");
    const told = await two.events({}, ...share);
    expect(told.which("built")).toEqual(expect.arrayContaining(["a", "tree", "packed"]));
    expect(told.which("restored")).toContain("tool");
    const three = machine(IMAGEFILE.replace('cat $SRC > "$OUT"', 'cat < $SRC > "$OUT"'));
    const after = await three.events({}, ...share);
    expect(after.which("built")).toEqual(["a"]);
    expect(after.which("restored")).toContain("packed");
  });

  test("comes back where it was lost here", async () => {
    const one = await builder(IMAGEFILE, share);
    const outputs = one.outputs();
    rmSync(one.path("out"), { recursive: true });
    rmSync(one.path(".imagemake/store"), { recursive: true });
    const told = await one.events({}, ...share);
    expect([told.status, told.which("built")]).toEqual([0, []]);
    expect(one.outputs()).toEqual(outputs);
  });

  test("is not taken where a person rejected it, with -B, or without isolation", async () => {
    const one = await builder(IMAGEFILE, share);
    const two = machine();
    await two.good(...share, "tool");
    await two.good("release", "reject", "tool", "--because", "no good");
    rmSync(two.path(".imagemake/index.db"));
    // It comes out as it was, and is refused again: but it was made here.
    expect((await two.events({}, ...share, "tool")).which("failed")).toEqual(["tool"]);
    const three = machine();
    expect((await three.events({}, ...share, "-B", "a")).which("built")).toEqual(["a"]);
    const four = machine();
    const told = await four.events({}, "--no-isolation", ...share, "a");
    expect(told.which("built")).toEqual(["a"]);
    expect(JSON.stringify(told.events)).toContain("shared with nobody");
    expect(one.outputs()).toBeDefined();
  });
});

test("of what is taken no package is fetched; a machine that fails shares what it built before that", async () => {
  const repo = makeTinyRepo();
  try {
    const one = makePackageProject(repo);
    projects.push({ ...one, remove: () => rmSync(one.dir, { recursive: true, force: true }) });
    const bad = 'export const bad = run({ inputs: {}, cmd: "false", out: "bad" });';
    one.write("Imagefile.ts", `${one.read("Imagefile.ts")}\n${bad}\n`);
    const first = await one.events({}, "-k", "--cache", url, "bad", "platformfs-a");
    expect([first.status, first.which("failed")]).toEqual([1, ["bad"]]);
    const two = makePackageProject(repo);
    projects.push({ ...two, remove: () => rmSync(two.dir, { recursive: true, force: true }) });
    const told = await two.events({}, "--cache", url, "platformfs-a");
    expect({ status: told.status, stderr: told.stderr, built: told.which("built") }).toEqual({
      ...{ status: 0, stderr: "", built: [] },
    });
    expect(two.names(".imagemake/store/packages")).toEqual([]);
    expect(two.outputs()).toEqual(one.outputs());
  } finally {
    rmSync(repo.dir, { recursive: true, force: true });
  }
});

describe("as an ordinary user", () => {
  const trial = makeTrial();
  afterAll(() => rmSync(trial.dir, { recursive: true, force: true }));
  const given = (project: TestProject): TestProject => {
    execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
    return project;
  };

  test("trees go from user to user, with files that only root of the namespace reads, and from user to root", async () => {
    const imagefile = `import { project, run } from "imagemake";
export const base = run({ inputs: {}, tree: true, root: true,
  cmd: 'mkdir "$OUT/closed"; echo in > "$OUT/closed/file"; chown -R 7:7 "$OUT/closed"; chmod 700 "$OUT/closed"; chmod 600 "$OUT/closed/file"' });
export const sum = run({ inputs: { T: base }, root: true, cmd: 'find "$T" -printf "%P %m %U\\\\n" | sort > "$OUT"', out: "sum" });
export default project({ default: [sum] });`;
    chmodSync(dir, 0o755);
    chownSync(join(dir, "share"), USER, USER);
    const under = asUser(trial, "all");
    const one = given(machine(imagefile));
    expect(await one.call({ under }, "--cache", url, "base", "sum")).toMatchObject({ status: 0 });
    const two = given(machine(imagefile));
    const told = await two.events({ under }, "--cache", url, "base", "sum");
    expect({ status: told.status, stderr: told.stderr, built: told.which("built") }).toEqual({
      ...{ status: 0, stderr: "", built: [] },
    });
    expect(two.outputs()).toEqual(one.outputs());
    expect(await two.call({ under }, "cache", "verify")).toMatchObject({ status: 0 });
    // Root believes it only where it is its own.
    execFileSync("chown", ["-R", "0:0", join(dir, "share")]);
    const three = machine(imagefile);
    const root = await three.events({}, "--cache", url, "base", "sum");
    expect([root.status, root.which("built")]).toEqual([0, []]);
    expect((await three.run("cache", "verify")).status).toBe(0);
    expect(three.outputs()).toEqual(one.outputs());
  });
});

describe("what is shared", () => {
  test("is nothing with ,ro, and the share is as it was", async () => {
    const told = await machine().events({}, "--cache", `${url},ro`);
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(readdirSync(join(dir, "share"))).toEqual([]);
  });

  test("is neither a verdict, nor what a person took part in, nor what was made without isolation", async () => {
    const imagefile = `import { run } from "imagemake";
export const asked = run({ inputs: {}, cmd: 'echo asked > "$OUT"', out: "asked", interactive: true });
export const plain = run({ inputs: {}, cmd: 'echo plain > "$OUT"', out: "plain" });`;
    const one = machine(imagefile);
    await one.good("--no-isolation", "--cache", url, "plain");
    expect(readdirSync(join(dir, "share"))).toEqual([]);
    await one.good("--cache", url, "plain");
    expect(filesIn("results").length).toBe(1);
  });

  test("holds no value of an argument or of the environment, and no path of the machine", async () => {
    const imagefile = `import { arg, env, project, run } from "imagemake";
const token = arg("TOKEN", "none");
export const a = run({ inputs: { E: env("SECRET_ENV") }, env: { T: token }, cmd: \`echo \${token} > /dev/null; echo "$T $E"; echo a > "$OUT"\`, out: "a" });
export const tree = run({ inputs: { A: a }, cmd: \`: \${token}; cp "$A" "$OUT/a"\`, tree: true });
export default project({ default: [a, tree] });`;
    const one = machine(imagefile);
    const env = { SECRET_ENV: "hidden-in-the-environment" };
    const told = await one.events({ env }, "--cache", url, "TOKEN=hidden-in-an-argument");
    expect([told.status, told.which("built")]).toEqual([0, ["a", "tree"]]);
    for (const file of [...filesIn("results"), ...filesIn("blobs")]) {
      const text = readFileSync(file, "latin1");
      expect(text).not.toMatch(/hidden-in/);
      expect(text).not.toContain(one.dir);
    }
    expect(filesIn("results").length).toBe(2);
  });
});

/** What can happen to a file. */
const DAMAGE: Readonly<Record<string, (file: string) => void>> = {
  truncated: (file) => {
    chmodSync(file, 0o644);
    truncateSync(file, Math.floor(statSync(file).size / 2));
  },
  "another byte": (file) => {
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    chmodSync(file, 0o644);
    writeFileSync(file, bytes);
  },
  longer: (file) => {
    chmodSync(file, 0o644);
    appendFileSync(file, "x".repeat(1 << 16));
  },
  "a link to the same bytes": (file) => {
    renameSync(file, `${file}.moved`);
    symlinkSync(`${file}.moved`, file);
  },
  "a link to another file": (file) => {
    rmSync(file);
    symlinkSync("/etc/passwd", file);
  },
  "a fifo": (file) => {
    rmSync(file);
    execFileSync("mkfifo", [file]);
  },
  "a directory": (file) => {
    rmSync(file);
    mkdirSync(file);
  },
  gone: (file) => rmSync(file),
};

describe.each(["results", "blobs"] as const)("damage to %s costs time alone", (place) => {
  test.each(Object.entries(DAMAGE))("%s", async (kind, damage) => {
    const one = await builder();
    for (const file of filesIn(place)) if (statSync(file).size > 0) damage(file);
    const two = machine();
    const told = await two.events({}, "--cache", url);
    expect({ status: told.status, stderr: told.stderr }).toEqual({ status: 0, stderr: "" });
    expect(told.which("built")).toEqual(expect.arrayContaining(["a", "packed"]));
    expect(two.outputs()).toEqual(one.outputs());
    expect((await two.run("cache", "verify")).status).toBe(0);
    expect(readFileSync("/etc/passwd", "utf8")).toContain("root:");
    // Who found it has put it right, unless a directory is in the way.
    const three = await machine().events({}, "--cache", url);
    expect(three.status).toBe(0);
    if (kind !== "a directory") expect(three.which("built")).toEqual([]);
  });
});

/** Writes a result as another machine might have. */
function forgeResult(path: string, change: (result: Record<string, unknown>) => object): void {
  const result = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  delete result["checksum"];
  chmodSync(path, 0o644);
  writeFileSync(path, withChecksum(JSON.stringify({ ...result, ...change(result) })));
}

describe("a result that says of itself", () => {
  test.each([
    ["another date than its key", { epoch: 5 }, "its key is of another date"],
    ["a date that there is not", { epoch: 8.64e15 }, "it is not a result (epoch)"],
    ["a start that is no moment", { started: 9e15 }, "it is not a result (started)"],
  ])("%s is not taken", async (_, change, says) => {
    await builder();
    for (const path of filesIn("results")) forgeResult(path, () => change);
    const two = machine();
    const told = await two.events({}, "--cache", url);
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(JSON.stringify(told.events)).toContain(says);
    const { stdout } = await two.good("show", "a", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ last: { epoch: 1_577_836_800 } });
  });
});

describe("a share that", () => {
  const warned = async (given = url): Promise<string> => {
    const told = await machine().events({}, "--cache", given, "a");
    expect([told.status, told.which("built")]).toEqual([0, ["a"]]);
    return told.events.flatMap((event) => (event.type === "notice" ? [event.message] : [])).join("\\n");
  };

  test("is not there is named, and the build goes on", async () => {
    expect(await warned(`${url}/nowhere`)).toContain(`${url}/nowhere is not used: there is no directory`);
  });

  test("is a file, or was made of links, is named", async () => {
    writeFileSync(join(dir, "file"), "");
    expect(await warned(`file://${dir}/file`)).toContain("is not a directory");
    mkdirSync(join(dir, "other"));
    symlinkSync(join(dir, "other"), join(dir, "share", "v1"));
    expect(await warned()).toContain("no link is followed");
    expect(readdirSync(join(dir, "other"))).toEqual([]);
  });

  test("has a link in the place of one of its directories is named, and what that leads to stays", async () => {
    mkdirSync(join(dir, "other"));
    writeFileSync(join(dir, "other", "old.tmp"), "");
    utimesSync(join(dir, "other", "old.tmp"), 1000, 1000);
    mkdirSync(join(dir, "share", "v1"));
    symlinkSync(join(dir, "other"), join(dir, "share", "v1", "tmp"));
    expect(await warned()).toContain("no link is followed");
    expect(readdirSync(join(dir, "other"))).toEqual(["old.tmp"]);
  });

  test.each(["unmounted", "removed"])(
    "is %s while a build runs is not made again in its place",
    async (how) => {
      const puppet = makePuppet();
      const share = join(dir, "share");
      if (how === "unmounted") execFileSync("mount", ["-t", "tmpfs", "-o", "mode=755", "none", share]);
      try {
        const one = machine(
          `export const a = run({ inputs: {}, cmd: '${puppet.cmd} echo > "$OUT"', out: "a" });\n`,
        );
        const building = one.start({}, "--cache", url, "a");
        await puppet.started(1, building);
        if (how === "unmounted") execFileSync("umount", [share]);
        else rmSync(share, { recursive: true });
        puppet.release();
        const { status, stderr } = await finish(building);
        expect([status, stderr]).toEqual([
          0,
          expect.stringMatching(/^warning: .*was moved, unmounted or removed/m),
        ]);
        expect(existsSync(share) ? readdirSync(share) : []).toEqual([]);
      } finally {
        puppet.close();
      }
    },
  );

  test("others may write to, or that is another user's, root does not believe", async () => {
    chmodSync(join(dir, "share"), 0o777);
    expect(await warned()).toContain("can be written by others");
    chmodSync(join(dir, "share"), 0o755);
    chownSync(join(dir, "share"), USER, USER);
    expect(await warned()).toContain(`belongs to user ${USER}`);
    expect(readdirSync(join(dir, "share"))).toEqual([]);
  });

  test("cannot be written is taken from, and said once", async () => {
    await builder();
    const imagefile = `${IMAGEFILE}export const more = run({ inputs: {}, cmd: 'echo more > "$OUT"', out: "more" });
export const most = run({ inputs: {}, cmd: 'echo most > "$OUT"', out: "most" });`;
    execFileSync("mount", ["--bind", join(dir, "share"), join(dir, "share")]);
    execFileSync("mount", ["-o", "remount,bind,ro", join(dir, "share")]);
    try {
      const told = await machine(imagefile).events({}, "--cache", url, "a", "more", "most");
      expect([told.status, told.which("built")]).toEqual([0, ["more", "most"]]);
      const said = told.events.filter((event) => event.type === "notice");
      expect(said.map((event) => ("message" in event ? event.message : ""))).toEqual([
        expect.stringMatching(/nothing more is shared: .*read-only/),
      ]);
    } finally {
      execFileSync("umount", [join(dir, "share")]);
    }
  });

  test("is full takes nothing half, and the build is whole", async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=755", "none", join(dir, "share")]);
    try {
      const big = `import { project, run } from "imagemake";
export const big = run({ inputs: {}, cmd: 'head -c 300000 /dev/zero > "$OUT"', out: "big" });
export default project({ default: [big] });`;
      const one = machine(big);
      const told = await one.events({}, "--cache", url);
      expect([told.status, told.which("built")]).toEqual([0, ["big"]]);
      expect(JSON.stringify(told.events)).toContain("nothing more is shared");
      expect(existsSync(join(dir, "share", "v1", "results"))).toBe(false);
      const kept = join(dir, "share", "v1", "tmp");
      expect(existsSync(kept) ? readdirSync(kept) : []).toEqual([]);
    } finally {
      execFileSync("umount", [join(dir, "share")]);
    }
  });

  test("has another result for a key keeps it, and that is said", async () => {
    const imagefile = `import { project, run } from "imagemake";
export const when = run({ inputs: {}, cmd: 'cat /proc/sys/kernel/random/uuid > "$OUT"', out: "when" });
export default project({ default: [when] });`;
    await builder(imagefile);
    const [result = ""] = filesIn("results");
    const before = readFileSync(result, "utf8");
    const told = await machine(imagefile).events({}, "-B", "--cache", url);
    expect([told.status, told.which("built")]).toEqual([0, ["when"]]);
    expect(JSON.stringify(told.events)).toContain("when came out differently here than on");
    expect(readFileSync(result, "utf8")).toBe(before);
  });

  test("has another result than was known here does not count, and that is said", async () => {
    const imagefile = `import { project, run } from "imagemake";
export const when = run({ inputs: {}, cmd: 'cat /proc/sys/kernel/random/uuid > "$OUT"', out: "when" });
export default project({ default: [when] });`;
    await builder(imagefile);
    const other = machine(imagefile);
    await other.good();
    rmSync(other.path(".imagemake/store/files"), { recursive: true });
    rmSync(other.path("out"), { recursive: true });
    const told = await other.events({}, "--cache", url);
    expect([told.status, told.which("built")]).toEqual([0, ["when"]]);
    expect(JSON.stringify(told.events)).toContain(
      `when is not taken from ${url}: it was made here, and came out differently`,
    );
  });
});

describe("--cache", () => {
  test.each([
    ["/srv/imagemake", "is not the URL of a cache"],
    ["https://cache/x", "https:// is not a kind of cache"],
    ["file://host/srv", "names no directory of this machine"],
    ["file:///", "names no directory of this machine"],
  ])("refuses %s", async (given, why) => {
    const ended = await machine().run("--cache", given);
    expect(ended).toMatchObject({ status: 2, stderr: expect.stringContaining(why) });
  });

  test("refuses imagemake's own places", async () => {
    const one = machine();
    for (const place of [".imagemake", "out", ".imagemake/store"])
      expect(await one.run("--cache", `file://${one.path(place)}`)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining("imagemake's own place"),
      });
  });

  test("is no word for who may not edit the Imagefile, under sudo: root would build on what he wrote", async () => {
    await builder();
    const two = machine();
    const env = { SUDO_UID: String(USER), SUDO_GID: String(USER) };
    for (const words of [["a"], ["-n", "a"]]) {
      const ended = await two.call({ env }, "--cache", url, ...words);
      expect(ended).toMatchObject({
        status: 2,
        stderr: expect.stringContaining("may not name a cache under sudo"),
      });
    }
    expect(two.exists("out")).toBe(false);
  });

  test("is in the help", async () => {
    expect((await machine().good("--help")).stdout).toContain("--cache <url>");
  });
});

test("what was taken is in the index as another machine's", async () => {
  await builder();
  const two = machine();
  await two.good("--cache", url, "a");
  const index = Index.look(two.path(".imagemake/index.db"));
  const build = index.lastBuild("", "a");
  expect(index.originOf(build?.id ?? "")).toMatchObject({ source: url });
  index.close();
});
