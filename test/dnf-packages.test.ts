// Images of RPM packages, through the real command line and Debian's real dnf and rpm, from a small signed repository:
// what is in the tree, that nothing of the machine is, and what an edit builds again.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { atTime } from "./support/cli.js";
import { aarch64ShellStandIn } from "./support/pacman-repo.js";
import { list } from "./support/rpm-index.js";
import {
  addRpms,
  BUILT,
  dropRpm,
  lackingForRpm,
  makeRpmKey,
  makeRpmRepo,
  rpmFile,
} from "./support/rpm-repo.js";
import {
  cleanUp,
  newDir,
  rpmProject,
  serveListing,
  TINY_SYSTEM,
  yumConf,
  type RpmProject,
} from "./support/rpm-project.js";
import { wrongModes } from "./support/packages.js";
import { skipping } from "./support/skipping.js";

jest.setTimeout(120_000);

const lacking = lackingForRpm();
if (lacking.length > 0) skipping("dnf-packages", `there is no ${lacking.join(", ")}`);
const withRpm = lacking.length === 0 ? describe : describe.skip;
afterAll(cleanUp);

/** The only file of that name in out/, unpacked. */
function unpacked(project: RpmProject, start: string): string {
  const [name = ""] = project.names("out").filter((one) => one.startsWith(start));
  const dir = newDir();
  execFileSync("tar", ["-xpf", project.path("out", name), "-C", dir]);
  return dir;
}
const read = (dir: string, path: string): string => readFileSync(join(dir, path), "utf8");
/** What Debian's rpm says of a tree, sorted. */
const rpm = (root: string, ...args: string[]): readonly string[] =>
  execFileSync("rpm", ["--root", root, "--dbpath", "/var/lib/rpm", ...args], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "")
    .sort();
const names = (root: string): readonly string[] => rpm(root, "-qa", "--queryformat", "%{NAME}\n");

withRpm("an image of RPM packages", () => {
  let project: RpmProject;
  let root: string;
  let platform: string;
  let said: string;
  beforeAll(async () => {
    project = rpmProject();
    said = (await project.good()).stderr;
    root = unpacked(project, "rootfs-");
    platform = unpacked(project, "platformfs-");
  });

  test("is resolved without dnf's noise about the platform of nothing", () => {
    expect(said).not.toContain("Platform");
  });

  test("holds what the lists resolve to, with what they need and without what is only recommended", () => {
    const base = ["base", "busybox", "filesystem", "witness"];
    expect(names(root)).toEqual(base);
    expect(names(platform)).toEqual([...base, "app", "libone"].sort());
    expect(rpm(platform, "-Va", "--nouser", "--nogroup")).toEqual([]);
    expect(read(platform, "etc/motd")).toBe("hello\n");
  });

  test("has every mode that its packages say, beneath what was mounted over too, by a package as well", () => {
    const packages = readdirSync(join(project.repo.dir, "Packages")).map((name) =>
      join(project.repo.dir, "Packages", name),
    );
    for (const tree of [root, platform]) {
      expect(wrongModes(tree, packages)).toEqual([]);
      const modes = ["tmp", "proc", "sys", "dev", "run"].map(
        (dir) => lstatSync(join(tree, dir)).mode & 0o7777,
      );
      expect(modes).toEqual([0o1777, 0o555, 0o555, 0o755, 0o755]);
    }
  });

  test("has no documentation where the configuration says so, and ran scripts, which saw nothing of the build", () => {
    expect(existsSync(join(root, "usr/share/doc/witness/README"))).toBe(false);
    expect(read(root, "var/witness").split("\n").sort()).toEqual([
      "",
      "HOME=/root",
      "LC_ALL=C.UTF-8",
      // rpm's own, whatever ours is.
      "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin",
      "PWD=/",
      "SHLVL=1",
      `SOURCE_DATE_EPOCH=${BUILT}`,
      "TZ=UTC",
    ]);
    expect(read(root, "var/witness")).not.toContain(project.dir);
  });

  test("keeps nothing of the build: no lock, journal, cache or path", () => {
    // Who asks rpm leaves a journal of his own, so not in what the other tests ask.
    const all = unpacked(project, "rootfs-");
    expect(readdirSync(join(all, "var")).sort()).toEqual(["lib", "witness"]);
    expect(readdirSync(join(all, "var/lib"))).toEqual(["rpm"]);
    expect(readdirSync(join(all, "var/lib/rpm"))).toEqual(["rpmdb.sqlite"]);
    const script = `grep -rlF -e repo/ -e .out/ -e "$2" "$1" || :`;
    expect(String(execFileSync("sh", ["-c", script, "sh", all, project.dir]))).toBe("");
  });

  test("is the same bytes on another day, in another place", async () => {
    const other = rpmProject();
    const { status, stderr } = await other.call({ under: atTime("2031-05-06 12:00:00") });
    expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
    for (const start of ["rootfs-", "platformfs-"]) {
      const [one = "", two = ""] = [project, other].map((each) =>
        each.path("out", each.names("out").find((name) => name.startsWith(start)) ?? ""),
      );
      expect(readFileSync(one).equals(readFileSync(two))).toBe(true);
    }
  });
});

withRpm("owners that the tree does not have", () => {
  let project: RpmProject;
  beforeAll(async () => {
    project = rpmProject();
    addRpms(project.repo, {
      name: "owned",
      requires: ["base"],
      files: { "/opt/sgid/": "", "/etc/conf": "", "/etc/plain": "" },
      modes: { "/opt/sgid/": 0o2775 },
      owners: { "/opt/sgid/": "root:bin", "/etc/conf": "nosuchuser:root" },
    });
    await project.good("rootfs");
  });

  test("are named with the files, which are root's: rpm says so in the log alone", async () => {
    const { stderr } = await project.good("platformfs", "MORE=owned");
    expect(stderr).toMatch(
      /warning: platformfs\S*: files are root's, .* \(\/etc\/conf nosuchuser:root, \/opt\/sgid root:bin\)/,
    );
  });

  test("are an error where nothing may be lost", async () => {
    const text = project
      .read("Imagefile.ts")
      .replace("from: rootfs,", "from: rootfs, guards: { lossless: true },");
    project.write("Imagefile.ts", text);
    const { status, stderr } = await project.run("platformfs", "MORE=owned");
    expect([status, stderr]).toEqual([1, expect.stringContaining("/etc/conf nosuchuser:root")]);
    expect((await project.good("platformfs")).stderr).not.toContain("root's");
  });
});

withRpm("what an edit builds again", () => {
  let project: RpmProject;
  beforeAll(async () => {
    project = rpmProject();
    await project.good();
  });

  test("nothing, without one", async () => {
    expect((await project.good()).stderr).toContain("nothing to do");
  });

  test("one package more: the platform, not the root filesystem", async () => {
    const { status, which } = await project.events({}, "MORE=extra");
    expect(status).toBe(0);
    expect(which("built")).toEqual(["platformfs", "platformfs.tree", "platformfs/base"]);
    expect(names(unpacked(project, "platformfs-"))).toContain("extra");
    const why = await project.good("why", "platformfs/base", "MORE=");
    expect(why.stdout).toMatch(/extra/);
  });

  test("a new version in the repository: nothing before `release refresh`, then exactly what holds it", async () => {
    await project.good();
    addRpms(project.repo, { name: "libone", version: "2.0", files: { "/usr/lib/libone": "one 2.0\n" } });
    expect((await project.good()).stderr).toContain("nothing to do");
    const { stdout } = await project.good("release", "refresh");
    expect(stdout).toContain("libone 1.0-1 → 2.0-1");
    const { which } = await project.events({});
    expect(which("built")).toEqual(["platformfs", "platformfs.tree", "platformfs/base"]);
  });
});

withRpm("the same packages", () => {
  test("of another processor are unpacked, and their scripts run under emulation", async () => {
    const repo = makeRpmRepo(join(newDir(), "repo"), [
      {
        name: "base",
        arch: "aarch64",
        provides: ["/bin/sh"],
        files: { "/bin/sh": aarch64ShellStandIn() },
      },
      { name: "witness", arch: "aarch64", requires: ["base"], post: "exit 0\n" },
    ]);
    const own = rpmProject({
      "yum.conf": `[tiny]\nname=tiny\nbaseurl=${repo.url}\n`,
      "Imagefile.ts": `
import { dnf, files, rule } from "imagemake";
export const rootfs = rule.rootfs({
  repo: dnf(files("yum.conf")), arch: "aarch64", packages: ["witness"], out: "rootfs.tar",
});
`,
    });
    await own.good("rootfs");
    const root = unpacked(own, "rootfs");
    expect(existsSync(join(root, "ran-as-aarch64"))).toBe(true);
    expect(rpm(root, "-q", "witness")).toEqual(["witness-1.0-1.aarch64"]);
  });

  test.each([
    ["cpio.gz", "pigz -dc"],
    ["cpio.bz2", "lbzip2 -dc"],
    ["cpio.xz", "xz -dc"],
    ["cpio.zst", "zstd -dc"],
  ])("in %s are what a kernel unpacks as its first root", async (pack, unpack) => {
    const own = rpmProject({
      "Imagefile.ts": `
import { dnf, files, rule } from "imagemake";
export const image = rule.rootfs({
  repo: dnf(files("yum.conf"), { keys: files("keys/*") }), arch: "x86_64", packages: ["libone"], out: "image.img", pack: "${pack}",
});
`,
    });
    await own.good("image");
    const listed = execFileSync(
      "sh",
      ["-c", `${unpack} "$1" | cpio --quiet -tv`, "sh", own.path("out/image.img")],
      {
        encoding: "utf8",
      },
    );
    expect(listed).toMatch(/^-rw-r--r--\s+1 root\s+root\s+8 .* usr\/lib\/libone$/m);
    // A kernel knows no other checksum of xz: the sixth byte of the header says which it is.
    if (pack === "cpio.xz")
      expect(readFileSync(own.path("out/image.img")).subarray(6, 8)).toEqual(Buffer.from([0, 1]));
  });
});

withRpm("what can go wrong", () => {
  let project: RpmProject;
  beforeAll(() => {
    project = rpmProject();
  });

  test("an unknown package is named with the nearest, its list and its target", async () => {
    project.write("packages.lst", "base\nwitnes\n");
    const { status, stderr } = await project.run("rootfs");
    expect(status).toBe(2);
    expect(stderr).toContain(
      "rootfs.tree: there is no package witnes in tiny (x86_64) (asked for in packages.lst)",
    );
    expect(stderr).toContain("did you mean witness?");
    project.write("packages.lst", "base\n");
  });

  test("a package that needs what is not there: what dnf says", async () => {
    const { status, stderr } = await project.run("platformfs", "MORE=broken");
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("nothing provides nowhere >= 2 needed by broken"),
    ]);
  });

  test("a script that fails is a build that failed", async () => {
    const { status, stderr } = await project.run("platformfs", "MORE=failing");
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/a script of a package failed: %post\w*\(failing-\S+\) exit status \d/),
    ]);
    expect(project.names("out").filter((name) => name.startsWith("platformfs"))).toEqual([]);
  });

  test("a package that the repository has dropped is an error before anything runs", async () => {
    const own = rpmProject();
    await own.good("rootfs");
    dropRpm(own.repo, "libone");
    const { status, which, stderr } = await own.events({}, "platformfs");
    expect([status, which("built")]).toEqual([3, []]);
    expect(stderr).toContain("the mirror has dropped libone 1.0-1 (noarch)");
    expect(stderr).toContain("release refresh");
  });

  test("signatures: none, a stranger's, and a configuration that demands them without keys", async () => {
    const gpgHome = join(newDir(), "gnupg");
    makeRpmKey(gpgHome);
    const unsigned = makeRpmRepo(join(newDir(), "unsigned"), TINY_SYSTEM.slice(0, 3));
    const strange = makeRpmRepo(join(newDir(), "strange"), TINY_SYSTEM.slice(0, 3), { gpgHome });
    project.write("packages.lst", "base\n");
    const failure = async (conf: string): Promise<string> => {
      project.write("yum.conf", conf);
      const { status, stderr } = await project.run("rootfs", "--release", String(20400101 + day++));
      expect(status).toBe(3);
      return stderr;
    };
    let day = 0;
    expect(await failure(yumConf(unsigned.url))).toMatch(/not signed by any of the keys in keys\/\*: b/);
    expect(await failure(yumConf(strange.url))).toMatch(/not signed by any of the keys in keys\/\*: b/);
    expect(await failure(yumConf(unsigned.url, "repo_gpgcheck=1\n"))).toMatch(
      /cannot read the repository tiny/,
    );
    expect(await failure(yumConf(strange.url, "repo_gpgcheck=1\n"))).toMatch(
      /cannot read the repository tiny/,
    );
    project.write("Imagefile.ts", project.read("Imagefile.ts").replace(/, \{ keys: .*? \}\)/, ")"));
    const { status, stderr } = await project.run("rootfs");
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("yum.conf demands signatures in [tiny] (gpgcheck)"),
    ]);
  });
});

withRpm("a mirror", () => {
  test("has everything but sources, what is for debuggers and developers, and what is left out; it is a repository", async () => {
    const project = rpmProject();
    addRpms(project.repo, { name: "app", arch: "src", version: "1.0" });
    await project.good("mirror");
    const dir = unpacked(project, "mirror");
    const kept = TINY_SYSTEM.map(({ name }) => name).filter((name) => !/-devel|-debuginfo|^ocaml/.test(name));
    const files = readdirSync(join(dir, "tiny/x86_64/Packages"));
    expect(files.map((file) => file.replace(/-[^-]+-[^-]+$/, "")).sort()).toEqual(kept.sort());
    const index = execFileSync("sh", ["-c", "zcat repodata/*-primary.xml.gz"], {
      cwd: join(dir, "tiny/x86_64"),
      encoding: "utf8",
    });
    expect([...index.matchAll(/<name>(.*?)<\/name>/g)].map((one) => one[1]).sort()).toEqual(kept.sort());
  });

  test("is of all repositories below a directory, and serves what is built from it", async () => {
    const top = newDir();
    makeRpmRepo(join(top, "the mirror/base/x86_64"), TINY_SYSTEM.slice(0, 3));
    makeRpmRepo(join(top, "the mirror/up dates/x86_64"), [
      { name: "base", version: "1.1", requires: ["busybox"] },
    ]);
    makeRpmRepo(join(top, "the mirror/base/Source"), [{ name: "base", arch: "src" }]);
    // A server that lists its directories, with blanks in their names.
    const server = await serveListing(top);
    const project = rpmProject({
      "Imagefile.ts": `
import { dnf, rule } from "imagemake";
const repo = dnf({ url: ${JSON.stringify(`${server.url}/the%20mirror`)} });
export const mirror = rule.mirror({ repo, arch: "x86_64", out: "mirror.tar" });
export const rootfs = rule.rootfs({ repo, arch: "x86_64", packages: ["base"], out: "rootfs.tar" });
`,
    });
    await project.good("mirror");
    const dir = unpacked(project, "mirror");
    expect(readdirSync(dir).sort()).toEqual(["base", "up dates"]);
    expect(readdirSync(join(dir, "base"))).toEqual(["x86_64"]);
    // All that is in the mirror is in the store: nothing is asked of where it came from.
    server.stop();
    await project.good("rootfs");
    expect(rpm(unpacked(project, "rootfs"), "-q", "base")).toEqual(["base-1.1-1.noarch"]);
  });

  test("is not made again because an index was written again with the same in it", async () => {
    const top = newDir();
    const repo = makeRpmRepo(join(top, "os/x86_64"), TINY_SYSTEM.slice(0, 1));
    list(repo.dir, "productid", "productid", "certificate\n");
    const project = rpmProject({
      "Imagefile.ts": `
import { dnf, rule } from "imagemake";
export const mirror = rule.mirror({ repo: dnf({ url: ${JSON.stringify(top)} }), arch: "x86_64" });
`,
    });
    await project.good("mirror");
    const index = join(repo.dir, "repodata/repomd.xml");
    writeFileSync(index, readFileSync(index, "utf8").replace(/<timestamp>\d+/g, "<timestamp>1"));
    expect((await project.good("release", "refresh")).stdout).not.toContain("productid");
    expect((await project.good("mirror")).stderr).toContain("nothing to do");
    list(repo.dir, "productid", "productid", "another\n");
    expect((await project.good("release", "refresh")).stdout).toMatch(
      /productid\/productid\S* [0-9a-f]{12} → [0-9a-f]{12}/,
    );
  });

  test("goes on with a file that came only in part, and does not believe one that is damaged", async () => {
    const project = rpmProject();
    const file = rpmFile(project.repo, { name: "busybox", version: "1.35.0", arch: "x86_64" });
    const whole = readFileSync(file);
    const sum = execFileSync("sha256sum", [file], { encoding: "utf8" }).slice(0, 64);
    const packages = project.path(".imagemake/store/packages");
    mkdirSync(packages, { recursive: true });
    writeFileSync(join(packages, `${sum}.part`), whole.subarray(0, 1000));
    await project.good("rootfs");
    expect(readFileSync(join(packages, sum)).equals(whole)).toBe(true);
    const other = rpmProject();
    truncateSync(rpmFile(other.repo, { name: "base" }), 3000);
    const { status, stderr } = await other.run("rootfs");
    expect([status, stderr]).toEqual([3, expect.stringContaining("cannot fetch base 1.0-1 (noarch)")]);
  });
});
