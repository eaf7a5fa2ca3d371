// preset.xcpNg, rule.installerIso and the signing contract, through the real command line, from a small XCP-ng in real
// RPMs: what is in the images, what an edit builds again, what signing has to leave. Boots are in xcp-boots.test.ts.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { atTime } from "./support/cli.js";
import { makeRpmKey, addRpms } from "./support/rpm-repo.js";
import { cleanUp, newDir } from "./support/rpm-project.js";
import { skipping } from "./support/skipping.js";
import { lackingForXcp, XCP_ERASED } from "./support/tiny-xcp.js";
import {
  DANGLING_KEY,
  signScript,
  XCP_LAYERS,
  xcpImagefile,
  xcpProject,
  type XcpProject,
} from "./support/xcp-project.js";

jest.setTimeout(180_000);

const lacking = lackingForXcp();
if (lacking.length > 0) skipping("xcp-ng", `there is no ${lacking.join(", ")}`);
const withXcp = lacking.length === 0 ? describe : describe.skip;
afterAll(cleanUp);

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "pipe"] });
const sh = (cwd: string, script: string): string =>
  execFileSync("sh", ["-euc", script], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** The contents of an ISO in out/, as a directory. */
function contents(project: XcpProject, name: string): string {
  const dir = join(newDir(), "iso");
  run("xorriso", "-osirrox", "on", "-indev", project.path("out", name), "-extract", "/", dir);
  sh(dir, "chmod -R u+w .");
  return dir;
}
const read = (dir: string, path: string): string => readFileSync(join(dir, path), "utf8");
const FULL = "xcp-ng-8.3.updates.iso";
const NETINSTALL = "xcp-ng-8.3.updates-netinstall.iso";
const SIGNED = `sign: { script: files("sign/sample-sign.sh"), with: files("sign/*.asc") },`;

withXcp("the images", () => {
  let project: XcpProject;
  let full: string;
  let netinstall: string;
  beforeAll(async () => {
    project = xcpProject(xcpImagefile(SIGNED));
    await project.good("iso-all");
    full = contents(project, FULL);
    netinstall = contents(project, NETINSTALL);
  });

  test("the installer's root: packages without what is taken out, its files, links, modules and services", () => {
    const dir = newDir();
    sh(
      dir,
      `pigz -dc ${project.path("out/install-8.3.updates.img")} | cpio --quiet -id --no-absolute-filenames`,
    );
    const erased = XCP_ERASED.filter(
      (name) => existsSync(join(dir, "usr/bin", name)) || existsSync(join(dir, "usr/sbin", name)),
    );
    expect(erased).toEqual([]);
    expect(existsSync(join(dir, "boot"))).toBe(false);
    expect(existsSync(join(dir, "usr/share/locale"))).toBe(false);
    expect(run("readlink", join(dir, "init")).trim()).toBe("/sbin/init");
    expect(run("readlink", join(dir, "opt/xensource/installer/version.py")).trim()).toMatch(/branding\.py$/);
    expect(read(dir, "etc/yum/yum.conf")).toBe("");
    const wants = readdirSync(join(dir, "etc/systemd/system/multi-user.target.wants")).sort();
    expect(wants).toEqual(["installer-getty@tty2.service", "installer.service"]);
    // Masked units are links to a device, and the key is a link that leads somewhere in a finished root alone.
    const link = (path: string): string => readlinkSync(join(dir, path));
    for (const unit of ["ldconfig.service", "proc-fs-nfsd.mount", "xenstored.service"]) {
      expect([unit, link(`etc/systemd/system/${unit}`)]).toEqual([unit, "/dev/null"]);
    }
    expect(link(DANGLING_KEY)).toBe("../../../etc/pki/rpm-gpg/RPM-GPG-KEY-xcpng");
    const [uname = ""] = readdirSync(join(dir, "usr/lib/modules"));
    // depmod ran after the overlay, and the vendor's module is the one that counts.
    expect(read(dir, `usr/lib/modules/${uname}/modules.dep`)).toMatch(/^updates\/e1000e\.ko:/m);
  });

  test("a full one has a repository that says what it has, and boot files out of packages", () => {
    const packages = readdirSync(join(full, "Packages")).map((file) => file.replace(/-[^-]+-[^-]+$/, ""));
    expect(packages).toEqual(
      expect.arrayContaining(["xcp-ng-deps", "kernel", "kernel-alt", "sm", "xapi-core"]),
    );
    expect(packages).not.toContain("chrony");
    const found = sh(full, "zcat repodata/*-primary.xml.gz");
    expect([...found.matchAll(/<location href="Packages\/(.*?)"/g)].map((one) => one[1]).sort()).toEqual(
      readdirSync(join(full, "Packages")).sort(),
    );
    for (const path of [
      "boot/vmlinuz",
      "boot/alt/vmlinuz",
      "boot/xen.gz",
      "boot/memtest.bin",
      "EULA",
      "LICENSES",
    ]) {
      expect([path, statSync(join(full, path)).size > 0]).toEqual([path, true]);
    }
    for (const path of ["boot/isolinux/mboot.c32", "boot/pxelinux/pxelinux.0", "EFI/xenserver/grubx64.efi"]) {
      expect([path, existsSync(join(full, path))]).toEqual([path, true]);
    }
    expect(existsSync(join(full, ".installer"))).toBe(false);
    expect(run("xorriso", "-indev", project.path("out", FULL), "-pvd_info")).toContain("XCP-NG_830_TEST");
  });

  test(".treeinfo is filled from the branding, and names the key that signed", () => {
    const info = read(full, ".treeinfo");
    expect(info).toContain("name = XCP-ng-8.3.0\n");
    expect(info).toContain("key1 = RPM-GPG-KEY-TEST-ONLY\n");
    expect(info).not.toContain("@@");
    const ring = join(newDir(), "ring");
    mkdirSync(ring, { mode: 0o700 });
    const gpg = (...args: string[]): string =>
      run("gpg", "--homedir", ring, "--batch", "--no-autostart", "--quiet", ...args);
    gpg("--import", join(full, "RPM-GPG-KEY-TEST-ONLY"));
    gpg("--verify", join(full, "repodata/repomd.xml.asc"), join(full, "repodata/repomd.xml"));
    expect(read(full, "boot/isolinux/isolinux.cfg")).not.toContain("no-repo-gpgcheck");
  });

  test("a netinstall has no repository, and tells the installer so in every menu", () => {
    expect(existsSync(join(netinstall, "Packages"))).toBe(false);
    expect(existsSync(join(netinstall, ".treeinfo"))).toBe(false);
    for (const menu of ["boot/isolinux/isolinux.cfg", "EFI/xenserver/grub.cfg"]) {
      expect(read(netinstall, menu)).toContain("/boot/vmlinuz netinstall console=hvc0");
    }
    const inside = run("mtype", "-i", join(netinstall, "boot/efiboot.img"), "::/EFI/xenserver/grub.cfg");
    expect(inside).toMatch(/^search --no-floppy --file --set=root \/install\.img\n/);
    expect(inside).toContain("/boot/vmlinuz netinstall");
  });

  test("an unsigned full one says that there is no signature, an own layer's arguments are in every menu", async () => {
    const own = xcpProject();
    await own.good("iso-full", "REPOS=updates:mine");
    const dir = contents(own, "xcp-ng-8.3.updates.mine.iso");
    expect(read(dir, ".treeinfo")).toContain("\n#key1 = ");
    expect(
      read(dir, "boot/isolinux/isolinux.cfg").match(/vmlinuz no-repo-gpgcheck mine=1 console/g),
    ).toHaveLength(2);
  });

  test("are the same bytes on another day, in another place, but for signatures", async () => {
    const [one, two] = [xcpProject(), xcpProject()];
    await one.good("iso-all");
    const { status } = await two.events({ under: atTime("2031-05-06 12:00:00") }, "iso-all");
    expect(status).toBe(0);
    for (const name of [FULL, NETINSTALL, "install-8.3.updates.img"]) {
      const same = readFileSync(one.path("out", name)).equals(readFileSync(two.path("out", name)));
      expect([name, same]).toEqual([name, true]);
    }
  });
});

withXcp("a checkout as it is", () => {
  test("both releases plan with all layers that it has, and the older one's root is made too", async () => {
    const project = xcpProject(`
import { arg, each, files, preset } from "imagemake";
export const all = each(["8.2", "8.3"], (version) =>
  each([${XCP_LAYERS.map((layer) => `"${layer}"`).join(", ")}], (repos) =>
    preset.xcpNg({ version, repos, label: "XCP", srcurl: arg("SRCURL", ""), keys: files("RPM-GPG-KEY-xcpng") })));
`);
    const { stdout } = await project.good("-n", "all-all");
    for (const version of ["8.2", "8.3"])
      for (const layer of XCP_LAYERS) expect(stdout).toContain(`all-${version}-${layer}-iso-full`);
    await project.good("all-8.2-updates-installimg");
    const listed = sh(project.dir, "bzip2 -dc out/install-8.2.updates.img | cpio --quiet -tv");
    expect(listed).toMatch(/getty@tty2\.service -> \/etc\/systemd\/system\/getty@tty2\.service/);
    expect(listed).toMatch(/ldconfig\.service -> \/dev\/null/);
  });

  test("has a key that leads nowhere: who names it is told so before anything is fetched", async () => {
    const project = xcpProject(
      xcpImagefile().replace("RPM-GPG-KEY-xcpng", `templates/installimg/8.3/${DANGLING_KEY}`),
    );
    const { status, stderr } = await project.run("installimg");
    expect([status, stderr]).toEqual([2, expect.stringContaining(DANGLING_KEY)]);
    expect(stderr).toContain("../../../etc/pki/rpm-gpg/RPM-GPG-KEY-xcpng");
    expect(stderr).not.toContain("snapshot");
  });
});

withXcp("what is built again", () => {
  let project: XcpProject;
  beforeAll(async () => {
    project = xcpProject(xcpImagefile(SIGNED));
    await project.good("iso-all");
  });

  test("nothing, without an edit: a signature too is kept", async () => {
    expect((await project.good("iso-all")).stderr).toContain("nothing to do");
  });

  test("a menu: the images, and no root", async () => {
    const menu = "templates/iso/8.3/boot/isolinux/isolinux.cfg";
    project.write(menu, project.read(menu).replace("PROMPT 0", "PROMPT 1"));
    const { which } = await project.events({}, "iso-all");
    // The overlay, the contents, the signature, the images: no packages and no root.
    const built =
      "iso-full iso-full/base iso-full/base-2 iso-full/tree iso-netinstall iso-netinstall/base iso-netinstall/tree";
    expect(which("built")).toEqual(built.split(" "));
  });

  test("an update in the repositories is in both the root and the image, or in neither: one snapshot", async () => {
    addRpms(project.updates, {
      name: "xcp-ng-release",
      version: "8.3.1",
      files: { "/etc/os-release": 'PRETTY_NAME="XCP-ng 8.3.1"\n' },
    });
    expect((await project.good("iso-all")).stderr).toContain("nothing to do");
    await project.good("release", "refresh");
    await project.good("iso-all");
    expect(readdirSync(join(contents(project, FULL), "Packages"))).toContain(
      "xcp-ng-release-8.3.1-1.noarch.rpm",
    );
    expect(
      sh(project.dir, "pigz -dc out/install-8.3.updates.img | cpio --quiet -i --to-stdout etc/os-release"),
    ).toContain("8.3.1");
  });
});

withXcp("signing that goes wrong publishes nothing", () => {
  let project: XcpProject;
  beforeAll(async () => {
    project = xcpProject(xcpImagefile(SIGNED));
    await project.good("iso-netinstall");
  });
  /** Signs with a changed script; what was said. */
  async function attempt(changes: Readonly<Record<string, string>>, more = ""): Promise<string> {
    signScript(project, "bad.sh", changes);
    const sign = `sign: { script: files("sign/bad.sh"), with: files("sign/*.asc"), ${more} },`;
    project.write("Imagefile.ts", xcpImagefile(sign));
    const { status, stderr } = await project.run("iso-full");
    expect([status, project.exists(`out/${FULL}`)]).toEqual([1, false]);
    return stderr;
  }
  const EXPORT = `here --armor --output "$image/$name" --export`;

  test("a script that fails", async () => {
    expect(await attempt({ "set -eu": "echo no token >&2; exit 7" })).toMatch(
      /no token\n.*sign\/bad\.sh ended with status 7/s,
    );
  });

  test("a script that hangs", async () => {
    expect(await attempt({ "set -eu": "sleep 600" }, "timeout: 2,")).toContain("2 s");
  });

  test.each([
    ["no signature", { "repomd.xml.asc": "repomd.xml.sig" }, "left no repodata/repomd.xml.asc"],
    [
      "a signature that is not in ASCII",
      { "here --armor --digest": "here --digest" },
      "not a detached signature in ASCII",
    ],
    ["no key", { [EXPORT]: ":" }, "left no file RPM-GPG-KEY-TEST-ONLY, which .treeinfo names"],
    [
      "a key under another name",
      { "RPM-GPG-KEY-TEST-ONLY": "MY-KEY" },
      "key1 in .treeinfo is MY-KEY, and should be RPM-GPG-KEY-",
    ],
    [
      "no key in .treeinfo",
      { "s/^key1 *=.*/key1 = $name/": "/^key1/d" },
      "left no key1 in [keys] of .treeinfo",
    ],
    [
      "a signature of something else",
      { [EXPORT]: `${EXPORT}; here --armor --output "$image/repodata/repomd.xml.asc" --detach-sign "$0"` },
      "is not a signature of repodata/repomd.xml by",
    ],
    [
      "a changed index",
      { [EXPORT]: `${EXPORT}; echo >>"$image/repodata/repomd.xml"` },
      "changed repodata/repomd.xml, which it was to sign",
    ],
    [
      "the secret key",
      { "--export": "--export-secret-keys" },
      "is a secret key: it would have been published",
    ],
    [
      "a weak digest",
      { "--digest-algo SHA256": "--allow-weak-digest-algos --digest-algo SHA1" },
      "made with SHA-1, which is too weak",
    ],
  ])("%s", async (_, changes, said) => {
    expect(await attempt(changes as Readonly<Record<string, string>>)).toContain(said);
  });

  test("a key that has expired", async () => {
    const expired = {
      'here() { gpg --homedir "$home"': 'here() { gpg --faked-system-time 20200101T120000 --homedir "$home"',
      'here --import "$(dirname "$0")/TEST-ONLY-secret-key.asc"':
        'here --passphrase "" --quick-generate-key gone@example.invalid ed25519 sign 2020-01-03',
    };
    expect(await attempt(expired)).toContain("has expired or was revoked");
  });

  test("a stranger's key: the signature is by another", async () => {
    const key = makeRpmKey(join(newDir(), "gnupg"));
    project.write("sign/stranger.asc", readFileSync(key, "utf8"));
    const stranger = { [EXPORT]: `cp "$(dirname "$0")/stranger.asc" "$image/$name"` };
    expect(await attempt(stranger)).toContain(
      "is not a signature of repodata/repomd.xml by RPM-GPG-KEY-TEST-ONLY",
    );
  });
});

withXcp("a mistake is named", () => {
  const refusal = async (project: XcpProject, ...args: string[]): Promise<string> => {
    const { status, stderr } = await project.run(...args);
    expect(status).toBe(2);
    return stderr;
  };

  test("a package that no repository has, with the list of its layer", async () => {
    const project = xcpProject();
    project.write("configs/8.3/packages.lst", `${project.read("configs/8.3/packages.lst")}host-instaler\n`);
    expect(await refusal(project, "installimg")).toContain(
      "there is no package host-instaler in 8.3:updates (x86_64) (asked for in configs/8.3/packages.lst)",
    );
  });

  test("an argument that the installer of a release does not know; a signed netinstall", async () => {
    const project = xcpProject(xcpImagefile().replace('version: "8.3"', 'version: "8.2"'), {
      "configs/mine/installer-bootargs.lst": "no-gpgcheck\n",
    });
    expect(await refusal(project, "-n", "iso-full", "REPOS=updates:mine")).toContain(
      "configs/mine/installer-bootargs.lst: the installer of 8.2 does not know no-gpgcheck",
    );
    project.write(
      "Imagefile.ts",
      `
import { arg, dnf, files, layers, rule } from "imagemake";
const cfg = layers("configs", "8.3:updates", { srcurl: arg("SRCURL", "") });
const repo = dnf(cfg, { keys: files("RPM-GPG-KEY-xcpng") });
const installimg = rule.rootfs({ repo, arch: "x86_64", packages: ["basesystem"], out: "i.img", pack: "cpio.gz" });
export const iso = rule.installerIso({
  kind: "netinstall", layers: cfg, repo, installimg, label: "X", overlay: "templates/iso/8.3", out: "x.iso",
  sign: files("sign/sample-sign.sh") as never,
});
`,
    );
    expect(await refusal(project, "-n", "iso")).toContain(
      "installerIso: sign: expected nothing, because a netinstall image has no repository",
    );
  });

  test("a package without the file that the image needs, a placeholder in .treeinfo that nothing fills", async () => {
    const project = xcpProject();
    addRpms(project.updates, { name: "syslinux", version: "6.00", arch: "x86_64" });
    project.write("templates/iso/8.3/.treeinfo", "[keys]\nkey1 = @@PRODUCT_COLOUR@@\n");
    const { status, stderr } = await project.run("-k", "iso-full");
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("syslinux has no file usr/share/syslinux/isolinux.bin"),
    ]);
    const other = xcpProject();
    other.write("templates/iso/8.3/.treeinfo", "[keys]\nkey1 = @@PRODUCT_COLOUR@@\n");
    expect((await other.run("iso-full")).stderr).toContain(".treeinfo:2: nothing fills @@PRODUCT_COLOUR@@");
  });
});
