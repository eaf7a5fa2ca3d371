// Guards `within`: an action runs chrooted in a tree that imagemake built. The tree's own programs are there, the
// host's are not; what is written to the tree is thrown away; the tree is in the key.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inside, isHandle } from "../engine/declare.js";
import { apt } from "../rules/apt.js";
import { rootfs } from "../rules/rootfs.js";
import { run } from "../rules/run.js";
import { addPackage, hostArch, type TinyPackage } from "./support/apt-repo.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { makePackageProject, makeTinyRepo, type PackageProject } from "./support/packages.js";
import { asUser, driveJob, inMounts, makeTrial, USER } from "./support/sandbox.js";
import { skipping } from "./support/skipping.js";
import { staticBusybox, TINY_DEBIAN } from "./support/tiny-debian.js";

jest.setTimeout(120_000);

/** A program that no host has; it says its version and upper-cases what it reads. */
const shouter = (version: string): TinyPackage => ({
  name: "shouter",
  version,
  files: { "/usr/bin/shouter": `#!/bin/sh\necho "shouter ${version}"\ntr a-z A-Z\n` },
});

const IMAGEFILE = (url: string): string => `
import { apt, files, rule, run } from "imagemake";
const repo = apt({ url: ${JSON.stringify(url)}, suite: "tiny" });
export const tools = rule.rootfs({
  repo, arch: "${hostArch()}", variant: "busybox", packages: [${TINY_DEBIAN.map((name) => `"${name}"`).join(", ")}, "shouter"],
  out: "tools.tar",
});
export const root = run({ inputs: {}, cmd: 'mkdir -p "$OUT/a/b" && echo x > "$OUT/a/b/c"', tree: true });
export const loud = run({
  inputs: { SRC: files("src/*.txt"), ROOT: root }, within: tools, out: "loud-{date}.txt",
  cmd: 'cat $SRC | shouter > "$OUT"; find "$ROOT" -type f >> "$OUT"',
});
export const seen = run({ inputs: {}, within: tools, out: "seen.txt", cmd: ${JSON.stringify(LOOKING())} });
export const words = run({ inputs: { A: files("src/a.txt") }, within: tools, cmd: ["cp", "$A", "$OUT"], out: "words.txt" });
export const tree = run({ inputs: {}, within: tools, cmd: 'mkdir "$OUT/made" && touch "$OUT/made/x"', tree: true });
export const read = run({ inputs: { TREE: tree }, cmd: 'ls "$TREE/made" > "$OUT"', out: "read.txt" });
export const verdict = rule.check({ inputs: { LOUD: loud }, within: tools, cmd: 'grep -q HELLO "$LOUD"' });
export const lacking = run({ inputs: {}, within: tools, cmd: 'perl -e 1 && touch "$OUT"', out: "lacking.txt" });
export const absent = run({ inputs: {}, within: tools, cmd: ["perl", "-e", "1"], out: "absent.txt" });
export const bare = run({ inputs: {}, within: root, cmd: 'true', out: "bare.txt" });
`;

/** What the command finds in there, a line each. */
function LOOKING(): string {
  return `
    say() { echo "$*" >> "$OUT"; }
    say "pwd $(pwd)"
    say "home $HOME"; say "tmpdir $TMPDIR"; [ -d "$HOME" ] && [ -d "$TMPDIR" ]
    for name in perl python3 node apt-get; do command -v $name >/dev/null && say "host's $name"; done
    say "system $(. /etc/os-release; echo $ID)"
    touch /etc/left-behind /usr/bin/left-behind /tmp/left-behind && say "writable"
    [ -c /dev/null ] && echo x >/dev/null && say "null"
    [ ! -e /dev/sda ] && [ ! -e /dev/vda ] && say "no disks"
    [ -r /proc/self/status ] && [ "$(ls -d /proc/[0-9]* | wc -l)" -lt 10 ] && say "own processes"
    say "routes $(wc -l </proc/net/route)"
    say "others in /: $(ls / | tr '\\n' ' ')"
  `;
}

let project: PackageProject;
beforeAll(async () => {
  project = makePackageProject(makeTinyRepo([shouter("1.0")]));
  project.write("Imagefile.ts", IMAGEFILE(project.repo.url));
  project.write("src/a.txt", "hello\n");
  project.write("src/b.txt", "you\n");
  await project.good("tools");
});
afterAll(() => project.remove());

const line = (name: string, start: string): string | undefined =>
  project
    .read(name)
    .split("\n")
    .find((one) => one.startsWith(start));

describe("an action within a tree", () => {
  test("runs a program that the host lacks, on the same inputs, and makes its output", async () => {
    expect(spawnSync("sh", ["-c", "command -v shouter"]).status).not.toBe(0);
    await project.good("loud", "words", "read", "verdict");
    const [loud = ""] = project.names("out").filter((name) => name.startsWith("loud-"));
    expect(project.read(`out/${loud}`)).toBe("shouter 1.0\nHELLO\nYOU\nin/ROOT/a/b/c\n");
    expect(project.read("out/words.txt")).toBe("hello\n");
    expect(project.read("out/read.txt")).toBe("x\n");
  });

  test("sees the tree as /, a /proc and a /dev of its own, and nothing of the host", async () => {
    await project.good("seen");
    const text = project.read("out/seen.txt");
    expect(text).not.toContain("host's");
    for (const what of [
      "pwd /imagemake",
      "system tiny",
      "writable",
      "null",
      "no disks",
      "own processes",
      "routes 1",
    ])
      expect(text).toContain(`${what}\n`);
    expect(line("out/seen.txt", "home")).toBe("home /imagemake/.home");
    expect(line("out/seen.txt", "tmpdir")).toBe("tmpdir /imagemake/.tmp");
    expect(text).not.toContain(project.dir);
  });

  test("leaves nothing in the tree", async () => {
    await project.good("seen");
    const found = spawnSync("find", [project.path(".imagemake/store"), "-name", "left-behind"], {
      encoding: "utf8",
    });
    expect([found.status, found.stdout]).toEqual([0, ""]);
    for (const path of ["/etc/left-behind", "/usr/bin/left-behind", "/tmp/left-behind", "/imagemake"])
      expect([path, existsSync(path)]).toEqual([path, false]);
    expect((await project.good("cache", "verify")).stderr).not.toContain("damaged");
  });

  test("is named by -n and why; nothing is built again until its tree changes", async () => {
    await project.good("loud");
    expect((await project.run("-q", "loud")).status).toBe(0);
    expect((await project.good("show", "loud")).stdout).toMatch(/within +tools\.tree\n/);
    addPackage(project.repo, shouter("2.0"));
    await project.good("release", "refresh");
    const planned = await project.good("-n", "loud");
    expect(planned.stdout + planned.stderr).toMatch(/loud\b.*tools\.tree is out of date/);
    await project.good("tools");
    expect((await project.good("why", "loud")).stdout).toMatch(/^loud: input within changed$/m);
    const told = await project.events({}, "loud");
    expect([told.status, told.which("built")]).toEqual([0, ["loud"]]);
    const [loud = ""] = project.names("out").filter((name) => name.startsWith("loud-"));
    expect(project.read(`out/${loud}`)).toMatch(/^shouter 2\.0\n/);
  });

  test.each([
    ["lacking", /perl: (?:not found|No such file)/],
    ["absent", /perl: No such file or directory/],
  ])("%s: says that a program is missing, and where", async (target, said) => {
    const { status, stderr } = await project.run(target);
    expect(status).toBe(1);
    expect(stderr).toMatch(said);
    expect(stderr).toContain(
      "this runs within the tree tools.tree: what was not found has to be in that tree, because the host's programs",
    );
  });

  test("a tree without a shell is told apart from a command that fails", async () => {
    const { status, stderr } = await project.run("bare");
    expect([status, stderr]).toEqual([1, expect.stringMatching(/sh: No such file[^]*within the tree root:/)]);
  });
});

/** A tree of nothing but busybox, which needs no packages. */
const SMALL = `
export const tools = run({ inputs: { BUSYBOX: files("busybox") }, tree: true,
  cmd: 'mkdir -p "$OUT/bin" "$OUT/etc" "$OUT/usr/bin"; cp "$BUSYBOX" "$OUT/bin/busybox"; ln -s bin/busybox "$OUT/linuxrc";' +
    'for name in sh ls cat touch tr wc mkdir; do ln -s busybox "$OUT/bin/$name"; done; ' +
    'echo ID=small > "$OUT/etc/os-release"; ln -s /etc "$OUT/tmp"' });
export const seen = run({ inputs: {}, within: tools, out: "seen.txt", cmd: ${JSON.stringify(LOOKING())} });
`;

function makeSmall(): TestProject {
  const small = makeProject({ "Imagefile.ts": SMALL });
  copyFileSync(staticBusybox(), small.path("busybox"));
  chmodSync(small.path("busybox"), 0o755);
  return small;
}

test.each([
  ["a file", `run({ inputs: {}, cmd: ":", out: "f" })`, "a file target"],
  ["a name", `"tools"`, '"tools"'],
  ["a check", `rule.check({ inputs: {}, cmd: "true" })`, "a verdict target"],
])("%s is no tree to run within, and the message says what is", async (_, value, found) => {
  const wrong = makeProject({
    "Imagefile.ts": `export const x = run({ inputs: {}, cmd: ":", out: "x", within: ${value} });`,
  });
  try {
    const { status, stderr } = await wrong.run("list");
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining(`Imagefile.ts:2: run: within: expected a tree, found ${found}`),
    ]);
  } finally {
    wrong.remove();
  }
});

describe("a tree of another architecture", () => {
  const repo = apt({ url: "http://example.invalid", suite: "s" });

  test("needs the emulator, and no other program of the host", () => {
    const within = rootfs({ repo, arch: "arm64", packages: [] });
    const target: unknown = run({ inputs: {}, within, cmd: "true", out: "x" });
    if (!isHandle(target)) throw new Error("not a handle");
    expect(inside(target).draft.spec.tools).toEqual([
      { name: "qemu-aarch64-static", package: "qemu-user-static" },
    ]);
  });

  const qemu =
    existsSync("/usr/bin/qemu-aarch64-static") && process.arch === "x64" && process.getuid?.() === 0;
  if (!qemu) skipping("within, of another architecture", "this is not root with qemu-user-static on x86_64");
  (qemu ? test : test.skip)("runs its programs, though the emulator is not in it", () => {
    const trial = makeTrial();
    try {
      const root = join(trial.dir, "root");
      mkdirSync(root);
      writeFileSync(join(root, "hello"), arm64Hello("hello arm64\n"), { mode: 0o755 });
      const outcome = driveJob(trial.job(["/hello"], { root, cwd: "/", emulated: ["aarch64"] }));
      expect([outcome, trial.said()]).toEqual([
        { kind: "exited", status: 0, stripped: [], mounts: [] },
        "hello arm64\n",
      ]);
    } finally {
      rmSync(trial.dir, { recursive: true, force: true });
    }
  });

  /** A whole program of 152 bytes: it writes the text of twelve characters and ends. */
  function arm64Hello(text: string): Buffer {
    const words = [
      0xd2800808, 0xd2800020, 0x100000c1, 0xd2800182, 0xd4000001, 0xd2800000, 0xd2800ba8, 0xd4000001,
    ];
    const file = Buffer.alloc(120 + 4 * words.length + text.length);
    file.write("\x7fELF\x02\x01\x01", "latin1");
    for (const [at, value] of [
      [16, 2],
      [18, 183],
      [52, 64],
      [54, 56],
      [56, 1],
    ] as const)
      file.writeUInt16LE(value, at);
    for (const [at, value] of [
      [20, 1],
      [64, 1],
      [68, 5],
    ] as const)
      file.writeUInt32LE(value, at);
    const size = BigInt(file.length);
    for (const [at, value] of [
      [24, 0x400078n],
      [32, 64n],
      [80, 0x400000n],
      [88, 0x400000n],
      [96, size],
      [104, size],
      [112, 0x1000n],
    ] as const)
      file.writeBigUInt64LE(value, at);
    words.forEach((word, i) => file.writeUInt32LE(word, 120 + 4 * i));
    file.write(text, 120 + 4 * words.length);
    return file;
  }
});

describe("elsewhere", () => {
  let small: TestProject;
  beforeAll(async () => {
    small = makeSmall();
    await small.good("seen");
  });
  afterAll(() => small.remove());

  test("a link where the tree is mounted upon leads nowhere", () => {
    expect(small.read("out/seen.txt")).toMatch(
      /^others in \/: bin dev etc imagemake linuxrc proc tmp usr $/m,
    );
    expect(small.read("out/seen.txt")).toContain("writable\n");
    expect(existsSync("/etc/left-behind")).toBe(false);
  });

  const trial = makeTrial();
  afterAll(() => rmSync(trial.dir, { recursive: true, force: true }));
  const [program = "", ...rest] = asUser(trial, "all");
  const can =
    existsSync("/usr/bin/newuidmap") &&
    spawnSync(program, [...rest, "unshare", "--map-auto", "--map-root-user", "true"]).status === 0;
  if (!can) skipping("within, as a user", "there are no user namespaces with newuidmap here");
  (can ? test : test.skip)("an ordinary user sees the same in a user namespace", async () => {
    const own = makeSmall();
    try {
      execFileSync("chown", ["-R", `${USER}:${USER}`, own.dir]);
      const told = await own.events({ under: asUser(trial, "all") }, "seen");
      expect([told.stderr, told.status]).toEqual(["", 0]);
      expect(own.read("out/seen.txt")).toBe(small.read("out/seen.txt"));
    } finally {
      own.remove();
    }
  });

  test("where no overlay can be mounted, the tree is copied, and that is said", async () => {
    const dir = mkdtempSync(join(tmpdir(), "imagemake-within-"));
    // As in most containers: the whole project lies on an overlay.
    const onOverlay = inMounts(`mount -t tmpfs none ${dir}
      mkdir ${dir}/low ${dir}/up ${dir}/work ${dir}/on
      mount -t overlay overlay -o lowerdir=${dir}/low,upperdir=${dir}/up,workdir=${dir}/work ${dir}/on
      cp -a ${small.dir}/. ${dir}/on; cd ${dir}/on; rm -rf .imagemake out
      "$@"; cat ${dir}/on/out/seen.txt; exit`);
    try {
      const { status, stdout, stderr } = await small.call({ under: onOverlay }, "-C", `${dir}/on`, "seen");
      expect([status, stderr]).toEqual([0, expect.stringContaining("so trees are copied")]);
      expect(stdout).toContain(small.read("out/seen.txt"));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
