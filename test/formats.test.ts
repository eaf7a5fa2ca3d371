// What each format holds of a tree, and what is said of the rest: access lists, capabilities, attributes, holes. The
// programs that read the results are others' (GNU tar, bsdtar, cpio, unsquashfs, debugfs).
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toldBy } from "../engine/execute/local/outputs.js";
import { makePlain } from "../engine/execute/local/plain.js";
import { MAIN, makeProject, type TestProject, type Told } from "./support/cli.js";
import { asUser, makeTrial, USER } from "./support/sandbox.js";
import { inDir, sh } from "./support/trees.js";

jest.setTimeout(120_000);

/** `user::rw-,user:33:rwx,group::---,mask::rwx,other::---`, as the kernel has it. */
const ACL = "0x0200000001000600ffffffff020007002100000004000000ffffffff10000700ffffffff20000000ffffffff";
const CAPABILITY = "0x0100000200200000000000000000000000000000";

/** A tree with one of everything. `hole` is how the bytes that are no bytes come about. */
const tree = (hole: string): string => `
const tree = run({ inputs: {}, root: true, tree: true, cmd: \`
  cd "$OUT"
  echo listed > listed; chmod 600 listed; setfattr -n system.posix_acl_access -v ${ACL} listed
  mkdir dir; setfattr -n system.posix_acl_default -v ${ACL} dir
  echo able > able; setfattr -n security.capability -v ${CAPABILITY} able
  echo noted > noted; setfattr -n user.note -v hello noted; chown 5:6 noted
  mkfifo fifo; ln -s listed link; ln able twin; chmod 4755 able; seq 1 5000 > text
  mkdir boot; echo kernel > boot/kernel; ln -s kernel boot/link; touch boot/secret; chmod 600 boot/secret
  ${hole}; printf end >> sparse
\` });
export const tar = rule.platformfs({ from: tree, steps: [], out: "tree.tar" });
`;

const IMAGEFILE = `import { step } from "imagemake"; import { run, rule, project } from "imagemake";
${tree("truncate -s 64M sparse")}
const small = { guards: { minSize: 1 } };
export const cpio = rule.platformfs({ from: tree, steps: [], out: "tree.cpio.gz" });
export const squash = rule.squashfs({ from: tree, out: "tree.squashfs", without: ["boot"], ...small });
export const disk = rule.disk({ from: tree, out: "disk.img" });
export const board = rule.disk({ from: tree, boot: "uboot", bootSize: "16MiB", out: "board.img" });
export const strict = {
  tar: rule.platformfs({ from: tree, steps: [], out: "strict.tar", guards: { lossless: true } }),
  squash: rule.squashfs({ from: tree, out: "strict.squashfs", guards: { minSize: 1, lossless: true } }),
  tree: run({ inputs: {}, root: true, tree: true, guards: { lossless: true }, cmd: 'mknod "$OUT/gone" c 0 0' }),
  file: run({ inputs: {}, out: "strict", guards: { lossless: true }, cmd: 'echo > "$OUT"; setfattr -n user.a -v b "$OUT"' }),
};
export const sockets = run({ inputs: {}, root: true, tree: true, cmd:
  \`cd "$OUT"; mknod gone c 0 0; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "sock", Listen => 1)'\` });
export const again = { tree: rule.unpack(tar), graft: rule.platformfs({ from: run({ inputs: {}, root: true, tree: true, cmd: ":" }),
  steps: [step.graft(tree, "sub"), step.write("new", "new")] }) };
export const grafted = run({ inputs: { TREE: again.graft }, out: "grafted", cmd: 'cd "$TREE"; getfattr -R -d -m - -e hex sub >"$OLDPWD/$OUT"' });
export default project({ default: [tar, cpio, squash, disk, board, sockets, again.tree, grafted] });
`;

/** What a build warned of, without the path of a log. */
const warned = ({ events }: Told): readonly string[] =>
  events
    .flatMap((event) => (event.type === "notice" && event.level === "warning" ? [event.message] : []))
    .sort();

describe("a tree with everything that a tree can have", () => {
  let project: TestProject;
  let told: Told;
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE });
    told = await project.events({});
    expect([told.status, told.stderr]).toEqual([0, ""]);
  });
  afterAll(() => project.remove());

  /** The tarball as one of two programs unpacks it, each on its own. */
  function unpacked(name: string, ...argv: string[]): string {
    const dir = project.path("x", name);
    execFileSync("mkdir", ["-p", dir]);
    execFileSync(argv[0] ?? "", [...argv.slice(1), project.path("out/tree.tar"), "-C", dir]);
    return dir;
  }
  const attribute = (dir: string, path: string, name: string): string =>
    sh(dir, 'getfattr --only-values -n "$1" "$2" | od -An -tx1 | tr -d " \\n"', name, path);

  test.each([
    ["GNU tar", ["tar", "--acls", "--xattrs", "--xattrs-include=*", "-xpf"]],
    ["bsdtar", ["bsdtar", "-xpf"]],
  ])("is whole as %s unpacks it, and its holes are holes", (name, argv) => {
    const dir = unpacked(name, ...argv);
    expect(attribute(dir, "listed", "system.posix_acl_access")).toBe(ACL.slice(2));
    expect(attribute(dir, "dir", "system.posix_acl_default")).toBe(ACL.slice(2));
    expect(attribute(dir, "able", "security.capability")).toBe(CAPABILITY.slice(2));
    expect(attribute(dir, "noted", "user.note")).toBe("68656c6c6f");
    expect(sh(dir, "stat -c '%a %u:%g %h %n' able noted twin fifo link").split("\n")).toEqual([
      "4755 0:0 2 able",
      "644 5:6 1 noted",
      "4755 0:0 2 twin",
      "644 0:0 1 fifo",
      "777 0:0 1 link",
      "",
    ]);
    expect(sh(dir, "stat -c %s sparse; du -k sparse | cut -f1; tail -c 3 sparse").split("\n")).toEqual([
      String(64 * 1024 ** 2 + 3),
      expect.stringMatching(/^\d{1,4}$/),
      "end",
    ]);
  });

  test("says the group's own mode to who knows no access lists, in every format", () => {
    const plain = unpacked("plain", "tar", "-xpf");
    expect(sh(plain, "stat -c %a listed")).toBe("600\n");
    const listed = sh(project.path("out"), "zcat tree.cpio.gz | cpio -itv --quiet");
    expect(listed).toMatch(/^-rw-------.* listed$/m);
    expect(listed).toMatch(/^prw-r--r--.* fifo$/m);
    expect(sh(project.path("out"), "unsquashfs -lls tree.squashfs")).toMatch(/^-rw-------.*\/listed$/m);
  });

  test("names people in access lists by number: those of the machine that packs are nobody elsewhere", () => {
    const bytes = readFileSync(project.path("out/tree.tar"), "latin1");
    expect(bytes).toContain("SCHILY.acl.access=user::rw-,user:33:rwx,group::---,mask::rwx,other::---\n");
  });

  test("is in ext4 and, but for access lists, in squashfs", () => {
    const start = Number(
      /start= *(\d+)/.exec(sh(project.path("out"), "sfdisk -d disk.img | grep -v '^first'"))?.[1],
    );
    const image = `disk.img?offset=${start * 512}`;
    const has = (path: string): string =>
      sh(project.path("out"), 'debugfs -R "ea_list $1" "$2" 2>/dev/null', path, image);
    expect(has("listed")).toContain("system.posix_acl_access");
    expect(has("dir")).toContain("system.posix_acl_default");
    expect(has("able")).toContain("security.capability");
    expect(has("noted")).toContain("user.note");
    const dir = project.path("x/squash");
    sh(project.path("out"), 'unsquashfs -quiet -no-progress -d "$1" tree.squashfs >/dev/null', dir);
    expect(attribute(dir, "able", "security.capability")).toBe(CAPABILITY.slice(2));
    expect(attribute(dir, "noted", "user.note")).toBe("68656c6c6f");
  });

  test("loses nothing silently: what a format does not hold is named", () => {
    expect(warned(told)).toEqual([
      "board: FAT does not hold symbolic links (boot/link), modes that are not 755 or 644 (boot/secret)",
      "cpio: cpio does not hold POSIX ACLs (dir, listed), file capabilities (able, twin), extended attributes (noted)",
      "sockets: a tree does not hold devices of the number 0:0, by which overlays mark what is deleted (gone)",
      "sockets: a tree does not hold sockets (sock)",
      "squash: squashfs does not hold POSIX ACLs (dir, listed)",
    ]);
  });

  test("the same is said in a plain log", async () => {
    const { stderr } = await project.good("-B", "--progress", "plain", "squash");
    expect(stderr).toContain("warning: squash: squashfs does not hold POSIX ACLs (dir, listed)\n");
  });

  test("comes out of its tarball as it went in", () => {
    const digest = (target: string): string =>
      execFileSync(process.execPath, [MAIN, "show", target, "--json"], {
        cwd: project.dir,
        encoding: "utf8",
      });
    const outputs = (target: string): unknown => (JSON.parse(digest(target)) as { outputs: unknown }).outputs;
    expect(outputs("again-tree")).toEqual(outputs("tar.tree"));
  });

  test("is whole in layers that were grafted and copied up", () => {
    const found = project.read("out/grafted");
    for (const value of [
      `posix_acl_access=${ACL}`,
      `posix_acl_default=${ACL}`,
      `capability=${CAPABILITY}`,
      "user.note",
    ]) {
      expect(found).toContain(value);
    }
  });

  test.each([
    ["squash", 1, "squashfs does not hold POSIX ACLs (dir, listed)"],
    [
      "tree",
      1,
      "a tree does not hold devices of the number 0:0, by which overlays mark what is deleted (gone)",
    ],
    ["file", 1, "a file does not hold extended attributes (strict)"],
    ["tar", 0, ""],
  ])("guards: lossless makes it an error: %s", async (name, status, words) => {
    const ended = await project.run(`strict-${name}`);
    expect([ended.status, ended.stderr]).toEqual([status, expect.stringContaining(words)]);
  });
});

describe("a tarball is the same bytes", () => {
  const trial = makeTrial();
  afterAll(() => rmSync(trial.dir, { recursive: true, force: true }));
  const sum = async (project: TestProject, under: readonly string[] = []): Promise<string> => {
    const { status, stderr } = await project.call({ under }, "tar");
    expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
    const said = sh(project.path("out"), "sha256sum < tree.tar; stat -c %s tree.tar");
    project.remove();
    return said;
  };
  let first: string;
  beforeAll(async () => {
    first = await sum(makeProject({ "Imagefile.ts": tree("truncate -s 64M sparse") }));
  });

  test("where the file system has no holes: they are where the contents are zeros", async () => {
    expect(Number(first.split("\n")[1])).toBeLessThan(3_000_000);
    expect(await sum(makeProject({ "Imagefile.ts": tree("head -c 64M /dev/zero > sparse") }))).toBe(first);
  });

  const under = asUser(trial, "all");
  const can = spawnSync(under[0] ?? "", [
    ...under.slice(1),
    "unshare",
    "--map-auto",
    "--map-root-user",
    "true",
  ]);
  (can.status === 0 ? test : test.skip)("when an ordinary user makes it, in a user namespace", async () => {
    const project = makeProject({ "Imagefile.ts": tree("truncate -s 64M sparse") });
    execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
    expect(await sum(project, under)).toBe(first);
  });
});

describe("outputs that are files", () => {
  let project: TestProject;
  let told: Told;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `
const dress = 'setfattr -n security.capability -v ${CAPABILITY} "$F"; setfattr -n system.posix_acl_access -v ${ACL} "$F"; setfattr -n user.a -v b "$F"';
export const dressed = run({ inputs: {}, root: true, out: "dressed", cmd: 'echo same > "$OUT"; F=$OUT; ' + dress });
export const bare = run({ inputs: {}, out: "bare", cmd: 'echo same > "$OUT"' });
export const many = run({ inputs: {}, root: true, outs: { A: "a", B: "b" }, cmd: 'echo a > "$A"; echo b > "$B"; F=$B; ' + dress });
export const collected = run({ inputs: {}, root: true, out: "c-{date}", collect: "c-{date}", cmd: 'echo c > c-20200202; F=c-20200202; ' + dress });
export const linked = run({ inputs: {}, out: "linked", cmd: 'ln "' + arg("DIR", "") + '/host" "$OUT"' });
export const sparse = run({ inputs: {}, out: "sparse.img", cmd: 'truncate -s 256M "$OUT"; printf end >> "$OUT"' });
export const read = run({ inputs: { SRC: files("holes") }, out: "read", cmd: 'du -k "$SRC" | cut -f1 > "$OUT"' });
export const within = run({ inputs: {}, root: true, tree: true, cmd: 'mkdir "$OUT/dir"; touch "$OUT/file"' });
export const looked = run({ inputs: { TREE: within }, out: "looked", cmd: 'getfattr -R -d -m - "$TREE" > "$OUT"' });
export default project({ default: [dressed, bare, many, collected, sparse, read, looked] });
`,
    });
    sh(
      project.dir,
      'truncate -s 64M holes; echo host > host; setfattr -n user.mine -v kept host; setfattr -n system.posix_acl_default -v "$1" .',
      ACL,
    );
    told = await project.events({});
    expect([told.status, told.stderr]).toEqual([0, ""]);
  });
  afterAll(() => project.remove());

  test("are bytes and an x bit: what else hung on one is not on another with the same bytes, and is named", () => {
    expect(sh(project.path("out"), "getfattr -d -m - *")).toBe("");
    expect(sh(project.path(".imagemake/store"), "getfattr -R -d -m - files")).toBe("");
    const all = (path: string): string =>
      `a file does not hold POSIX ACLs (${path}), file capabilities (${path}), extended attributes (${path})`;
    expect(warned(told)).toEqual([
      `collected: ${all("c-20200202")}`,
      `dressed: ${all("dressed")}`,
      `many-A: ${all("b")}`,
    ]);
  });

  test("a file of the host's that the output is another name of keeps what is its own", async () => {
    // Where actions are isolated, theirs is another mount, and no such name can be made.
    const { stderr } = await project.good("--no-isolation", "linked", `DIR=${project.dir}`);
    expect(stderr).toContain("linked: a file does not hold extended attributes (linked)");
    expect(sh(project.dir, "getfattr -d host")).toContain('user.mine="kept"');
  });

  test("stay sparse in the store, in out/, where a source is staged and where a disk image is copied", () => {
    const used = sh(project.dir, "du -k out/sparse.img | cut -f1; du -sk .imagemake/store | cut -f1").split(
      "\n",
    );
    expect(used.map(Number).filter((kib) => kib > 2048)).toEqual([]);
    expect(Number(project.read("out/read"))).toBeLessThan(1024);
    expect(sh(project.dir, "tail -c 3 out/sparse.img")).toBe("end");
  });

  test("without namespaces, too", () =>
    inDir((dir) => {
      sh(dir, "mkdir more; echo > one; echo > more/two; ln more/two three; echo > four");
      sh(
        dir,
        'for f in one more/two; do setfattr -n user.a -v b $f; setfattr -n system.posix_acl_access -v "$1" $f; done',
        ACL,
      );
      const names = ["system.posix_acl_access", "user.a"];
      const stripped = makePlain(dir, ["one", "more", "four", "none"]);
      expect(stripped.map(({ path, names: found }) => ({ path, names: [...found].sort() }))).toEqual([
        { path: "one", names },
        { path: "more/two", names },
      ]);
      expect(sh(dir, "getfattr -d -m - one")).toBe("");
      // It has another name.
      expect(sh(dir, "getfattr -d -m - three")).toContain("user.a");
    }));

  test("nothing of an access list that the project's directory passes on is in a tree", () => {
    expect(project.read("out/looked")).toBe("");
  });
});

test("of what a recipe tells no more than 1 MiB is read, and that there is more is said; nothing is read through a link", () =>
  inDir((dir) => {
    const recipe = { command: { kind: "recipe", name: "r.sh", text: "" } } as const;
    const told = (text: string) => {
      writeFileSync(join(dir, ".losses"), text);
      return toldBy(recipe, dir).losses;
    };
    const line = (at: number): string => `none of these\tname-${at}\n`;
    const many = Array.from({ length: 60_000 }, (_, at) => line(at)).join("");
    const [first, ...others] = told(`one alone\n${many}`);
    expect(first).toEqual({ message: "one alone" });
    expect(others).toHaveLength(1);
    expect(others[0]?.message).toMatch(/^none of these \(name-0, name-1, name-2 and \d+ more\)…$/);
    expect(others[0]?.all).toMatch(/, name-\d+\)…$/);
    expect(told("x".repeat(2 ** 21))).toEqual([{ message: expect.stringMatching(/^x+…$/) }]);
    const exact = line(0) + "y".repeat(2 ** 20 - line(0).length);
    expect(told(exact).map(({ message }) => message.slice(-1))).toEqual([")", "y"]);
    rmSync(join(dir, ".losses"));
    symlinkSync("/etc/passwd", join(dir, ".losses"));
    expect(toldBy(recipe, dir)).toEqual({ losses: [], warnings: [] });
    rmSync(join(dir, ".losses"));
    execFileSync("mkfifo", [join(dir, ".losses")]);
    expect(toldBy(recipe, dir)).toEqual({ losses: [], warnings: [] });
  }));

describe("what squashfs and cpio cannot have", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({
      "Imagefile.ts": `
const tree = run({ inputs: {}, root: true, tree: true, cmd: \`
  cd "$OUT"; mkdir etc; echo 1 > etc/passwd; echo 2 > kept; touch -d 1960-01-01 etc/old; touch -d @0 etc/first; ln -s /nowhere etc/link\` });
const broken = run({ inputs: {}, root: true, tree: true, cmd: \`
  cd "$OUT"; echo 1 > "two"$'\\\\n'"lines"; setfattr -n system.posix_acl_access -v ${ACL} two*\` });
const small = (lossless = false) => ({ guards: { minSize: 1, lossless } });
export const without = rule.squashfs({ from: tree, out: "w.squashfs", ...small(), without: [
  "ect/passwd", "etc/nothing-*", "/etc/pass*", "etc/link", "!(etc|kept)", "... old" ] });
export const old = rule.squashfs({ from: tree, out: "o.squashfs", ...small(true) });
export const cpio = rule.platformfs({ from: tree, steps: [], out: "t.cpio.gz", ...small() });
export const tar = rule.platformfs({ from: tree, steps: [], out: "t.tar", ...small() });
export const named = rule.squashfs({ from: broken, out: "b.squashfs", ...small() });
`,
    });
  });
  afterAll(() => project.remove());

  test("a line of without that nothing in the tree has is named, and is no error", async () => {
    const { stderr } = await project.good("without");
    expect(stderr).toContain(
      "warning: without: without: the tree has nothing of that name (ect/passwd, etc/nothing-*, !(etc|kept))\n",
    );
    expect(sh(project.path("out"), "unsquashfs -l w.squashfs")).not.toMatch(/passwd|link/);
  });

  test("times before 1970 are named, and an error where nothing may be lost", async () => {
    expect((await project.good("cpio", "tar")).stderr.match(/.*before 1970.*/g)).toEqual([
      "warning: cpio: cpio has no times before 1970 (etc/old)",
    ]);
    const { status, stderr } = await project.run("old");
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("squashfs has no times before 1970 (etc/old)"),
    ]);
  });

  test("a file that mksquashfs cannot be told of is named, and what helps", async () => {
    const { status, stderr } = await project.run("named");
    expect(stderr).toContain('"two\\nlines" has an access list and a line break in its name');
    expect([status, stderr]).toEqual([1, expect.not.stringContaining("filename C time mode")]);
  });
});
