// Images of Arch, through the real command line and Debian's real pacman, from a small signed repository: what is in
// the tree, that nothing of the machine is, and what an edit builds again.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { archProject, cleanUp, newDir, type ArchProject } from "./support/arch-project.js";
import { atTime, makeProject } from "./support/cli.js";
import { shown, wrongModes } from "./support/packages.js";
import {
  aarch64ShellStandIn,
  addPackages,
  BUILT,
  confOf,
  dropFiles,
  lackingForPacman,
  makeArchRepo,
} from "./support/pacman-repo.js";
import { asUser, makeTrial, USER } from "./support/sandbox.js";
import { skipping } from "./support/skipping.js";

// pacman is quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

const lacking = lackingForPacman();
if (lacking.length > 0) skipping("pacman-packages", `there is no ${lacking.join(", ")}`);
const withPacman = lacking.length === 0 ? describe : describe.skip;
afterAll(cleanUp);

const ALL = ["platformfs", "platformfs.tree", "platformfs/base", "rootfs", "rootfs.tree"];

/** The only file of that name in out/, unpacked. */
function unpacked(project: ArchProject, start: string): string {
  const [name = ""] = project.names("out").filter((one) => one.startsWith(start));
  const dir = newDir();
  execFileSync("tar", ["--zstd", "-xpf", project.path("out", name), "-C", dir]);
  return dir;
}
const read = (dir: string, path: string): string => readFileSync(join(dir, path), "utf8");
const sh = (cwd: string, script: string, ...args: string[]): string =>
  execFileSync("sh", ["-euc", script, "sh", ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
/** What Debian's pacman says of a tree. */
const pacman = (root: string, ...args: string[]): readonly string[] =>
  execFileSync(
    "pacman",
    ["--config", "/dev/null", "--root", root, "--dbpath", join(root, "var/lib/pacman"), ...args],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  )
    .trim()
    .split("\n");

const USERS = `${USER}:${USER}`;
/** Whether the kernel lets an ordinary user have user namespaces with several ids. */
const canBe = ([program = "", ...words]: readonly string[]): boolean =>
  spawnSync(program, [...words, "unshare", "--map-auto", "--map-root-user", "true"]).status === 0;

let project: ArchProject;

withPacman("an image of Arch", () => {
  const trial = makeTrial();
  afterAll(() => rmSync(trial.dir, { recursive: true, force: true }));
  let root: string;
  let platform: string;
  beforeAll(async () => {
    project = archProject();
    await project.good();
    root = unpacked(project, "arch-x86_64-ROOTFS-");
    platform = unpacked(project, "arch-x86_64-PLATFORMFS-");
  });

  test("holds what the lists resolve to, asked for or as dependencies, and the steps", () => {
    const base = [
      "base 1.0-1",
      "busybox 1:1.35.0-2",
      "filesystem 2026.01.01-1",
      "mirrorlist 1.0-1",
      "witness 1.0-1",
    ];
    expect(pacman(root, "-Q")).toEqual(base);
    expect(pacman(root, "-Qqe")).toEqual(["base", "witness"]);
    expect(pacman(platform, "-Q")).toEqual([...base, "app 1.0-1", "libone 1.0-1"].sort());
    expect(pacman(platform, "-Qqe")).toEqual(["app", "base", "witness"]);
    // Every file has its package's mode, owner, size and checksum; the mirrorlist is the one that was asked for.
    expect(pacman(root, "-Qqkk", "filesystem", "busybox", "witness")).toEqual([""]);
    expect(read(platform, "etc/motd")).toBe("hello\n");
    expect(read(root, "usr/share/doc/filesystem/Főtanúsítvány")).toBe("a name that is not ASCII\n");
  });

  test("has every mode that its packages say, beneath what was mounted over too", () => {
    const packages = readdirSync(project.repo.dir)
      .filter((name) => name.endsWith(".pkg.tar.zst"))
      .map((name) => join(project.repo.dir, name));
    expect(wrongModes(root, packages)).toEqual([]);
    expect(wrongModes(platform, packages)).toEqual([]);
  });

  test("has the mirror that was asked for, not the one it was built from", () => {
    expect(read(root, "etc/pacman.d/mirrorlist")).toBe(
      "Server = https://mirror.example.org/$repo/os/$arch\n",
    );
    expect(read(root, "etc/pacman.conf")).toBe("[options]\n[core]\nInclude = /etc/pacman.d/mirrorlist\n");
  });

  test("ran scripts and hooks, which saw nothing of the build", () => {
    expect(read(root, "var/lib/witness-env").split("\n")).toEqual([
      "HOME=/root",
      expect.stringMatching(/^HTTP_USER_AGENT=pacman\//),
      "LC_ALL=C.UTF-8",
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
      "PWD=/",
      "SHLVL=1",
      `SOURCE_DATE_EPOCH=${BUILT + 60}`,
      "TZ=UTC",
      "",
    ]);
    expect(read(root, "var/lib/witness-hook")).toBe("base\nbusybox\nfilesystem\nmirrorlist\nwitness\n");
    expect(read(platform, "var/lib/witness-hook")).toBe(`${read(root, "var/lib/witness-hook")}app\nlibone\n`);
  });

  test("keeps nothing of the build: no log, cache, lock, database of repo/, no time and no path", () => {
    for (const dir of [root, platform]) {
      const found = sh(
        dir,
        `find var/log var/cache/pacman/pkg tmp run dev proc sys -mindepth 1
         find . -name '*.lck' -o -name 'pacman.log' -o -path '*/pacman/sync*' -o -path '*/pacman.d/gnupg*'
         grep -rlF "$1" . || :; grep -rlF .imagemake . || :; grep -rlF "$2" . || :`,
        project.dir,
        dirname(project.repo.dir),
      );
      expect(found).toBe("");
      const times = sh(dir, "grep -hA1 INSTALLDATE -r var/lib/pacman/local | grep '^[0-9]' | sort -u").trim();
      expect(times).toBe(String(BUILT + 60));
    }
    expect(sh("/", 'stat -c %a "$@"', join(root, "tmp"), join(root, "proc"), join(root, "root"))).toBe(
      "1777\n555\n750\n",
    );
  });

  test("is what pacstrap makes of the same packages", () => {
    const dir = newDir();
    const made = join(dir, "root");
    mkdirSync(made);
    const server = { server: `file://${dirname(project.repo.dir)}/$repo` };
    writeFileSync(
      join(dir, "pacman.conf"),
      confOf([project.repo], server).replace(/^(?:Hook|Cache)Dir.*\n/gm, ""),
    );
    sh(dir, `exec unshare --mount pacstrap -C pacman.conf -G -M root base witness >&2`);
    // What it leaves of the build, and what says when and how a package was installed.
    sh(
      made,
      `rm -r var/cache/pacman/pkg/* var/lib/pacman/sync var/log/pacman.log
      printf 'Server = https://mirror.example.org/$repo/os/$arch\\n' >etc/pacman.d/mirrorlist`,
    );
    for (const tree of [made, root]) {
      sh(
        tree,
        `sed -i '/^%\\(INSTALLDATE\\|VALIDATION\\)%$/,/^$/d' var/lib/pacman/local/*/desc
        sed -i '/^\\(SHLVL\\|HOME\\|LC_ALL\\|PATH\\|TZ\\|SOURCE_DATE_EPOCH\\|HTTP_\\)/!d; s/=.*//' var/lib/witness-env
        sed -i '/^\\(SHLVL\\|HTTP_USER_AGENT\\)$/!d' var/lib/witness-env`,
      );
    }
    const list = (tree: string): string => sh(tree, "find . -printf '%p %M %U:%G %l\\n' | sort");
    expect(list(root)).toBe(list(made));
    expect(sh(dir, 'diff -r --no-dereference "$1" "$2" || :', made, root)).toBe("");
  });

  test("is the same bytes on another day, in another place, by another user of a machine set up otherwise", async () => {
    const other = archProject(join(newDir(), "another place"));
    chmodSync(dirname(other.dir), 0o755);
    other.write(
      "bad.conf",
      "[options]\nNoExtract = *\nSigLevel = Never\n[host]\nServer = file:///nonexistent\n",
    );
    // The machine's own must not be read at all.
    const hide = `mount --bind "$1" /etc/pacman.conf; shift; exec "$@"`;
    const hidden = ["unshare", "--mount", "sh", "-euc", hide, "sh", other.path("bad.conf")];
    const user = asUser(trial, "all");
    if (canBe(user))
      sh("/", 'chown -R "$1" "$2"; chmod -R a+rX "$3"', USERS, other.dir, dirname(other.repo.dir));
    else skipping("pacman-packages", "there are no user namespaces with newuidmap here (as root instead)");
    const under = [...hidden, ...(canBe(user) ? user : []), ...atTime("2031-02-03T04:05:06Z")];
    const told = await other.events({ under });
    expect([told.stderr, told.status]).toEqual(["", 0]);
    expect(other.names("out")).toContain("arch-x86_64-PLATFORMFS-20310203.tar.zst");
    for (const target of ["rootfs.tree", "platformfs.tree", "rootfs", "platformfs"]) {
      expect(await shown(other, target)).toEqual(await shown(project, target));
    }
  });
});

withPacman("what an edit of an Arch line builds", () => {
  const NOTHING = expect.stringMatching(/\nnothing to do\n$/);

  test("nothing, without one", async () => {
    expect(await project.run()).toMatchObject({ status: 0, stderr: NOTHING });
    project.write("packages.x86_64", "# the witness\n\nwitness busybox\n");
    expect(await project.run()).toMatchObject({ status: 0, stderr: NOTHING });
  });

  test("an overlay: its layer and no package", async () => {
    project.write("overlay/etc/motd", "hello again\n");
    expect((await project.events({})).which("built")).toEqual(["platformfs", "platformfs.tree"]);
  });

  test("one package more: the platform, not the root filesystem", async () => {
    project.write("platform.list", "app\ntwo\n");
    const told = await project.events({});
    expect(told.which("built")).toEqual(ALL.filter((id) => !id.startsWith("rootfs")));
    expect(JSON.stringify(told.about("started", "platformfs/base")?.reason)).toContain(
      '{"name":"one-of-two","before":null,"after":"1.0-1"},{"name":"two-of-two"',
    );
  });

  test("a new version in the repository: nothing before `release refresh`, then exactly what holds it", async () => {
    addPackages(project.repo, { name: "libone", version: "1.1-1", files: { "usr/lib/libone": "one 1.1\n" } });
    expect(await project.run()).toMatchObject({ status: 0, stderr: NOTHING });
    expect((await project.run("release", "refresh", "-n")).stdout).toBe(
      "platformfs/base\n  packages: libone 1.0-1 → 1.1-1\n",
    );
    expect((await project.run("release", "refresh")).status).toBe(0);
    const told = await project.events({});
    expect(told.which("built")).toEqual(ALL.filter((id) => !id.startsWith("rootfs")));
    expect((await project.run("-q")).status).toBe(0);
  });

  test("another repository in pacman.conf: what comes from it", async () => {
    const extra = makeArchRepo(
      dirname(project.repo.dir),
      "extra",
      [{ name: "only-extra" }],
      project.repo.gpgHome,
    );
    project.write("pacman.conf", confOf([project.repo, extra], { sigLevel: "Required" }));
    expect(await project.run()).toMatchObject({ status: 0, stderr: NOTHING });
    project.write("platform.list", "app\ntwo\nonly-extra\n");
    const told = await project.events({});
    expect([told.stderr, told.which("built")]).toEqual(["", ALL.filter((id) => !id.startsWith("rootfs"))]);
  });
});

withPacman("what an Arch line cannot do", () => {
  /** Nothing may be started. */
  async function refused(status: number, words: RegExp): Promise<void> {
    const told = await project.events({}, "platformfs/base");
    expect([told.stderr, told.status]).toEqual([expect.stringMatching(words), status]);
    expect(told.events.filter((event) => event.type === "started")).toEqual([]);
  }

  test("an unknown package is named with the nearest, its list and its target", async () => {
    project.write("platform.list", "app\nnanno\n");
    await refused(
      2,
      /platformfs\/base: there is no package nanno in core extra \(x86_64\) \(asked for in platform\.list\)\n {2}did you mean nano\?/,
    );
  });

  test("packages that cannot be there together, or need what is not there", async () => {
    project.write("platform.list", "vi\nvim\n");
    await refused(2, /pacman says .*vim? and vim? are in conflict/);
    project.write("platform.list", "ghostly\n");
    await refused(2, /unable to satisfy dependency 'ghost>=2' required by ghostly/);
  });

  test("a package that the mirror has dropped is an error before anything runs", async () => {
    project.write("platform.list", "nano\n");
    dropFiles(project.repo, "nano");
    await refused(3, /the mirror has dropped nano 1\.0-1 \(any\)\n {2}`imagemake release refresh`/);
  });

  test.each(["failing", "hooked"])(
    "a script or a hook that fails is a build that failed: %s",
    async (name) => {
      project.write("platform.list", `${name}\n`);
      const told = await project.events({}, "platformfs/base");
      expect([told.which("failed"), told.status]).toEqual([["platformfs/base"], 1]);
      expect((await project.run("log", "platformfs/base")).stdout).toContain(
        `a script or a hook of a package failed: ${name === "failing" ? "installing failing" : "(2/2) 9.hook"}`,
      );
    },
  );

  test("links in the tree lead pacman nowhere else", async () => {
    const outside = newDir();
    const through = (link: string, to: string, name: string): string => `
import { rule, step } from "imagemake";
import { rootfs } from "./Imagefile";
export const linked = rule.platformfs({ from: rootfs,
  steps: [step.remove(["${link}"]), step.link("${link}", "${to}"), step.install(["${name}"])] });
`;
    project.write("unpacked.ts", through("usr/share/escape", outside, "escaping"));
    expect((await project.run("-f", "unpacked.ts", "linked")).status).toBe(1);
    project.write("database.ts", through("var/lib/pacman", outside, "vi"));
    const ended = await project.run("-f", "database.ts", "linked");
    expect([ended.status, ended.stderr]).toEqual([
      1,
      expect.stringContaining("/var/lib/pacman is a symbolic link"),
    ]);
    expect(sh(outside, "find . -mindepth 1")).toBe("");
  });
});

const qemu = existsSync("/usr/bin/qemu-aarch64-static");
if (lacking.length === 0 && !qemu) skipping("pacman-packages", "qemu-aarch64-static is missing (one test)");

(qemu ? withPacman : describe.skip)("another architecture", () => {
  test("runs its scripts with qemu-user", async () => {
    const repo = makeArchRepo(newDir(), "alarm", [
      { name: "filesystem", files: { bin: { link: "usr/bin" }, "tmp/": "" } },
      {
        name: "sh-stand-in",
        arch: "aarch64",
        depends: ["filesystem"],
        files: { "usr/bin/sh": aarch64ShellStandIn() },
        install: "post_install() { :; }\n",
      },
    ]);
    const foreign = makeProject({
      "Imagefile.ts": `import { files, pacman, rule } from "imagemake";
export const rootfs = rule.rootfs({ repo: pacman(files("pacman.conf")), arch: "aarch64", packages: ["sh-stand-in"],
  guards: { has: ["ran-as-aarch64"] } });`,
      "pacman.conf": confOf([repo]),
    });
    const told = await foreign.events({}, "rootfs");
    foreign.remove();
    expect([told.stderr, told.status]).toEqual(["", 0]);
  });
});
