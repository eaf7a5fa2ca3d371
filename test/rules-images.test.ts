// Images of a tiny Debian through the real command line: mmdebstrap, dpkg, overlays, and what must not stay in
// a tree. No network: the packages are made here. Booting is in boot.test.ts.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAptRepo } from "./support/apt-repo.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { TINY_DEBIAN, tinyDebian } from "./support/tiny-debian.js";

jest.setTimeout(300_000);

const hello = {
  name: "hello",
  depends: "greeting",
  files: {
    "/usr/bin/hello": "#!/bin/sh\ncat /usr/share/greeting\n",
    "/usr/share/doc/hello/README": "never read\n",
  },
  // What a package must find while it is installed, and what it leaves lying about.
  postinst: [
    "#!/bin/sh -e",
    'test -c /dev/null && test -d /proc/self && test "$TMPDIR" = /tmp && test "$HOME" = /root',
    "test -x /usr/sbin/policy-rc.d && ! /usr/sbin/policy-rc.d hello start",
    "hello >/var/lib/said",
    "echo noise >/tmp/noise; echo noise >/run/noise; echo noise >/var/log/alternatives.log",
    "mkdir -p /etc/ssh; echo secret >/etc/ssh/ssh_host_rsa_key",
    "echo 0123456789abcdef0123456789abcdef >/etc/machine-id",
  ].join("\n"),
};
const greeting = { name: "greeting", files: { "/usr/share/greeting": "hello\n" } };
const other = { name: "other", files: { "/usr/share/other": "other\n" } };
const kernel = {
  name: "linux-image-tiny",
  fields: { Section: "kernel" },
  files: {
    "/boot/vmlinuz-1.0-tiny": "kernel".repeat(200_000),
    "/lib/modules/1.0-tiny/modules.order": "",
    "/lib/modules/1.0-tiny/modules.builtin": "",
  },
};

const IMAGEFILE = (url: string): string => `
import { apt, each, list, project, rule, run, step } from "imagemake";
const repo = apt({ url: ${JSON.stringify(url)}, suite: "tiny" });
const rootfs = rule.rootfs({ repo, arch: "${arch()}" as "amd64", variant: "busybox", packages: ${JSON.stringify(TINY_DEBIAN)}, out: "tiny-{date}.tar.xz" });
export { rootfs };
export const platform = each({ one: list("one.list"), two: list("two.list") }, (name, packages) =>
  rule.platformfs({ from: rootfs, packages, out: \`\${name}-{date}.tar\` }));
export const stepped = rule.platformfs({ from: platform.one, steps: [
  step.overlay("overlay", { modes: { "etc/secret": "600" } }),
  step.write("etc/built", "on {date}\\n"),
  step.write("escape/written", "inside\\n"),
  step.link("etc/hello", "../usr/bin/hello"),
  step.write("etc/ssh/ssh_host_own_key", "mine\\n"),
  step.install(["other"]),
  ...["usr/lib/deep/er/x.pyc", "usr/lib/y.pyc", "usr/lib/y.py"].map((path) => step.write(path, "python")),
  step.remove(["usr/share/gree*", "no/such/file", "usr/**/*.pyc", "none/**/*", "none/*"]),
] });
export const seen = run({ inputs: { TREE: stepped }, cmd: 'cd "$TREE"; find . -printf "%M %U:%G %P %l\\\\n" | sort -k3 >"$OLDPWD/$OUT"', out: "seen.txt" });
export const files = run({ inputs: { TREE: stepped }, cmd: 'grep -r "" "$TREE/etc" "$TREE/var/lib/said" >"$OUT" || [ $? = 2 ]', out: "files.txt" });
export const pxe = rule.pxe({ from: rootfs, kernel: "linux-image-tiny", modules: [], steps: [step.write("etc/motd", "netboot\\n")],
  cmdline: process.env["CMDLINE"] ?? "quiet console=ttyS0,115200", out: "tiny-{date}.tar.gz", pack: "tar" });
export default project({ default: [seen] });
`;

const arch = (): string => execFileSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).trim();

let repoDir: string;
let project: TestProject;
beforeAll(() => {
  repoDir = mkdtempSync(join(tmpdir(), "imagemake-tiny-"));
  const repo = makeAptRepo(repoDir, [...tinyDebian(), hello, greeting, other, kernel]);
  project = makeProject({
    "Imagefile.ts": IMAGEFILE(repo.url),
    "one.list": "hello\n",
    "two.list": "greeting\n",
    "overlay/etc/secret": "secret\n",
    "overlay/usr/lib/new/file": "new\n",
    "overlay/.hidden": "hidden\n",
  });
});
afterAll(() => {
  project.remove();
  rmSync(repoDir, { recursive: true, force: true });
});

const dated = (start: string): string => {
  const name = project.names("out").find((one) => one.startsWith(start));
  if (name === undefined) throw new Error(`nothing in out/ begins with ${start}`);
  return project.path("out", name);
};
const tarNames = (file: string): string[] =>
  execFileSync("tar", ["-tf", file], { encoding: "utf8" }).trim().split("\n");

describe("a platform filesystem", () => {
  test("has its packages and its steps, with owners and modes, and nothing of the build", async () => {
    await project.good("seen", "files");
    const lines = project.read("out/seen.txt").trim().split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "-rw------- 0:0 etc/secret ",
        "-rw-r--r-- 0:0 .hidden ",
        "drwxr-xr-x 0:0 usr/lib/new ",
        "-rw-r--r-- 0:0 usr/lib/new/file ",
        "-rw-r--r-- 0:0 etc/built ",
        "lrwxrwxrwx 0:0 etc/hello ../usr/bin/hello",
        "-rwxr-xr-x 0:0 usr/bin/hello ",
      ]),
    );
    // Somebody put that one there.
    expect(project.read("out/files.txt")).toContain("etc/ssh/ssh_host_own_key:mine\n");
    const paths = lines.map((line) => line.split(" ")[2] ?? "");
    expect(paths.filter((path) => /^(?:dev|proc|sys|tmp|run(?!\/lock$))\/./.test(path))).toEqual([]);
    const leftovers =
      /policy-rc|99mmdebstrap|resolv\.conf|etc\/hostname|\.log$|-old$|(?:passwd|group|shadow)-$|[./]lock$|ssh_host_rsa|machine-id|sources\.list|apt\//;
    expect(paths.filter((path) => leftovers.test(path) && path !== "run/lock")).toEqual([]);
    expect(paths).not.toContain("usr/share/greeting");
    expect(paths.filter((path) => /\.pyc?$/.test(path))).toEqual(["usr/lib/y.py"]);
    const text = project.read("out/files.txt");
    expect(text).toContain("var/lib/said:hello\n");
    expect(text).toMatch(/etc\/built:on \d{8}\n/);
    expect(text.replaceAll(/^[^:]*:/gm, "")).not.toContain(project.dir);
  });

  test("is the same, bit for bit, when everything is built again", async () => {
    await project.good("platform-one", "seen");
    const digest = (): string =>
      execFileSync("sha256sum", [dated("one-"), dated("tiny-")], { encoding: "utf8" });
    await project.good("rootfs");
    const before = digest();
    await project.good("-B", "platform-one", "rootfs");
    expect(digest()).toBe(before);
  });

  test("is not built again for a list that brings nothing new, and alone for one that does", async () => {
    await project.good("platform");
    project.write("one.list", "greeting # a dependency of hello's\nhello\n");
    expect((await project.events({}, "platform")).which("built")).toEqual([]);
    project.write("two.list", "greeting\nother\n");
    const built = (await project.events({}, "platform")).which("built");
    expect(built).toEqual(["platform-two", "platform-two.tree"]);
    expect(tarNames(dated("two-"))).toContain("./usr/share/other");
  });

  test("keeps links of a tree from leading its steps out of it", async () => {
    project.write(
      "escape.ts",
      `import { rule, run, step } from "imagemake";
      const from = run({ inputs: {}, cmd: 'ln -s ${project.dir} "$OUT/escape"; ln -s /victim "$OUT/away"', tree: true });
      export const out = rule.platformfs({ from, steps: [step.write("escape/written", "x"), step.remove(["escape/*"]), step.write("away/in", "y"), step.link("escape/l", "z")], out: "escape.tar" });`,
    );
    await project.good("-f", "escape.ts", "out");
    expect(project.exists("Imagefile.ts")).toBe(true);
    expect(project.exists("written")).toBe(false);
    expect(tarNames(project.path("out/escape.tar"))).toEqual(
      expect.arrayContaining(["./victim/in", `.${project.dir}/l`]),
    );
  });
});

describe("a network-boot tarball", () => {
  test("holds loaders, kernel and the tree; another command line makes only the tarball again", async () => {
    await project.good("pxe");
    const file = dated("tiny-").replace(
      /[^/]*$/,
      project.names("out").find((name) => name.endsWith(".gz")) ?? "",
    );
    expect(tarNames(file)).toEqual(
      expect.arrayContaining(
        "pxelinux.0 ldlinux.c32 pxelinux.cfg/default vmlinuz initrd.img bootx64.efi boot/grub/grub.cfg"
          .split(" ")
          .map((name) => `./${name}`),
      ),
    );
    const inside = execFileSync(
      "sh",
      ["-c", `tar -xOf "$1" ./initrd.img | zstd -dc | cpio -t --quiet`, "sh", file],
      {
        encoding: "utf8",
      },
    ).split("\n");
    expect(inside).toEqual(expect.arrayContaining(["bin/busybox", "etc/motd", "etc/os-release"]));
    const config = (): string =>
      execFileSync("tar", ["-xOf", file, "./pxelinux.cfg/default"], { encoding: "utf8" });
    expect(config()).toMatch(/^SERIAL 0 115200\n[^]* APPEND quiet console=ttyS0,115200\n/);
    const again = await project.events({ env: { CMDLINE: "debug" } }, "pxe");
    expect(again.which("built")).toEqual(["pxe"]);
    expect(config()).toContain(" APPEND debug\n");
  });
});
