// The scripts way through the real command line: what an edit to a file of the checkout builds again, and what
// scripts report as success although it is none. The scripts are stand-ins (support/void-checkout.ts), xbps is real.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atTime, makeProject, type Ended, type TestProject } from "./support/cli.js";
import { addPackage, KEY, voidCheckout, voidRepository, writeCheckout } from "./support/void-checkout.js";
import { skipping } from "./support/skipping.js";
import { hasXbps } from "./support/void-repo.js";

jest.setTimeout(120_000);

const BUILT = ["rootfs-x86_64", "wsl-x86_64", "platformfs-GCP", "pxe-x86_64"] as const;
const HAS_XBPS = hasXbps();
const withXbps = HAS_XBPS ? describe : describe.skip;
if (!HAS_XBPS) skipping("void-scripts", "the programs of xbps are missing");

let dir: string;
let repo: string;
let project: TestProject;
const checkout = (...path: string[]): string => join(dir, "mklive", ...path);
const words = (...more: string[]): string[] => [
  `REPOSITORY=${repo}`,
  `MKLIVE=${checkout()}`,
  "MKLIVE_REV=abc",
  ...more,
];
const imagemake = (...more: string[]): Promise<Ended> => project.run(...words(...more));

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "imagemake-void-"));
  repo = join(dir, "repo");
  const fixture = new URL("../../fixtures/void/Imagefile.ts", import.meta.url);
  project = makeProject({ "Imagefile.ts": readFileSync(fixture, "utf8") });
  writeCheckout(checkout());
  if (HAS_XBPS) voidRepository(repo);
});
afterAll(() => {
  project.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** What a script does with the real xbps alone, and not while it is only asked what it would install. */
const REAL = (command: string): string => `case $(xbps-install --version) in XBPS*) ${command} ;; esac`;

/** Edits a file of the checkout while `look` looks. */
async function edited<T>(name: string, look: () => Promise<T>, text?: string): Promise<T> {
  const before = readFileSync(checkout(name), "utf8");
  writeFileSync(checkout(name), text ?? `${before}# edited\n`);
  try {
    return await look();
  } finally {
    writeFileSync(checkout(name), before);
  }
}

withXbps("with xbps on PATH and stand-ins for the scripts", () => {
  beforeAll(async () => {
    const { status, stderr } = await imagemake(...BUILT);
    if (status !== 0) throw new Error(stderr);
  });

  test("a second run has nothing to do", async () => {
    const { status, stderr } = await imagemake(...BUILT);
    expect(stderr).toContain("nothing to do");
    expect(status).toBe(0);
  });

  test.each([
    ["rootfs-x86_64", "./mkrootfs.sh -r REPO -x 0 -o out.tar.xz x86_64"],
    ["wsl-x86_64", "./mkrootfs.sh -r REPO -x 0 -o out.tar.xz -b wsl-base x86_64"],
    ["platformfs-GCP", "./mkplatformfs.sh -r REPO -x 0 -o out.tar.xz GCP void-x86_64-ROOTFS-00000000.tar.xz"],
    ["pxe-x86_64", "./mknet.sh -r REPO void-x86_64-ROOTFS-00000000.tar.xz"],
  ])("for %s a script is called as the Makefile does, with the pinned repository", async (id, expected) => {
    const { stdout } = await project.good("log", id, ...words());
    const called = stdout
      .split("\n")
      .find((line) => line.startsWith("stand-in:"))
      ?.replace("/imagemake/repo", "REPO");
    expect(called).toBe(`stand-in: ${expected}`);
  });

  test("the database of packages says neither where nor when they were installed", () => {
    const tarballs = project.names("out").filter((name) => /ROOTFS|PLATFORMFS|\.wsl$/.test(name));
    expect(tarballs).toHaveLength(3);
    for (const name of tarballs) {
      const words = ["-xOf", project.path("out", name), "./var/db/xbps/pkgdb-0.38.plist"];
      const database = execFileSync("tar", words, { encoding: "utf8" });
      expect(database).toContain("<key>pkgver</key>");
      expect(database).not.toMatch(/<string>\/|install-date|\/repo</);
    }
  });

  // What reads a tarball that is made again is out of date too.
  const [all, net] = [[...BUILT], ["pxe-x86_64"]];
  test.each<[string, readonly string[]]>([
    ["lib.sh", all],
    ["mkrootfs.sh", all],
    [KEY.file, all],
    ["mkplatformfs.sh", ["platformfs-GCP"]],
    ["mknet.sh", net],
    ["installer.sh", net],
    ["dracut/netmenu/netmenu.sh", net],
    ["dracut/autoinstaller/install.sh", net],
    ["pxelinux.cfg/pxelinux.cfg.in", net],
    ["data/splash.png", net],
    ["version", []],
    ["mkimage.sh", []],
    ["mkiso.sh", []],
    ["mklive.sh", []],
    ["data/issue", []],
    ["grub/grub.cfg", []],
    ["isolinux/isolinux.cfg.in", []],
    ["dracut/vmklive/adduser.sh", []],
    ["platforms/x13s.sh", []],
  ])("an edit to %s concerns exactly %j", async (name, concerned) => {
    const { stdout, stderr } = await edited(name, () => imagemake("-n", ...BUILT));
    const planned = BUILT.filter((id) => new RegExp(`^${id}:`, "m").test(stdout + stderr));
    expect(planned.sort()).toEqual([...concerned].sort());
  });

  test("an edit to a file that no script reads concerns nothing", async () => {
    writeFileSync(checkout("README.md"), "read me\n");
    expect((await imagemake("-q", ...BUILT)).status).toBe(0);
  });

  test("where the checkout lies is in no key", async () => {
    writeCheckout(join(dir, "moved"));
    const moved = [`REPOSITORY=${repo}`, `MKLIVE=${join(dir, "moved")}`, "MKLIVE_REV=abc", "-q", ...BUILT];
    expect((await project.run(...moved)).status).toBe(0);
  });

  test("a script that is cut off in the middle of its tarball is caught, although it ends with 0", async () => {
    const broken = voidCheckout()["mkrootfs.sh"]?.replace(
      'pack "$out"',
      'pack "$out"; truncate -s 70000 "$out"',
    );
    const { status, stderr } = await edited("mkrootfs.sh", () => imagemake("rootfs-x86_64"), broken);
    expect(stderr).toContain("the script reports success, but out.tar.xz is cut off or damaged");
    expect(status).toBe(1);
  });

  test("a script that leaves an empty tarball is caught, although it ends with 0", async () => {
    const broken = voidCheckout()["mkrootfs.sh"]?.replace('pack "$out"', ': >"$out"');
    const { status, stderr } = await edited("mkrootfs.sh", () => imagemake("rootfs-x86_64"), broken);
    expect(stderr).toContain("the script reports success, but out.tar.xz is empty or missing");
    expect(status).toBe(1);
  });

  test("a network boot tarball without a kernel is caught", async () => {
    const broken = voidCheckout()["mknet.sh"]?.replace("for file in vmlinuz ", "for file in ");
    const { status, stderr } = await edited("mknet.sh", () => imagemake("pxe-x86_64"), broken);
    expect(stderr).toContain("the script reports success, but its tarball has no vmlinuz");
    expect(status).toBe(1);
  });

  test("a script that installs something else than what was resolved fails, naming it", async () => {
    const broken = voidCheckout()["mkrootfs.sh"]?.replace(
      'install "$pkg"',
      `${REAL("pkg=base-files")}; install "$pkg"`,
    );
    const { status, stderr } = await edited("mkrootfs.sh", () => imagemake("wsl-x86_64"), broken);
    expect(stderr).toContain("did not install what was resolved for this release: wsl-base-1.0_1");
    expect(status).toBe(1);
  });

  test("packages left unpacked because configuring them failed are caught, although the script ends with 0", async () => {
    const broken = voidCheckout()["mkrootfs.sh"]?.replace(
      'install "$pkg"',
      'XBPS_ARCH=$ARCH xbps-install -SyU $XBPS_REPOSITORY -r "$ROOTFS" "$pkg"; chroot "$ROOTFS" sh -c "xbps-reconfigure -a"',
    );
    const { status, stderr } = await edited("mkrootfs.sh", () => imagemake("wsl-x86_64"), broken);
    expect(stderr).toContain(
      "packages were unpacked, and configuring them failed: base-files-1.0_1 wsl-base-1.0_1",
    );
    expect(status).toBe(1);
  });

  test("packages from elsewhere than the pinned repository fail the build, naming them", async () => {
    const other = join(dir, "other");
    addPackage(other, "stray-1.0_1");
    const broken = voidCheckout()["mkrootfs.sh"]?.replace(
      'install "$pkg"',
      `install "$pkg"; ${REAL(`XBPS_REPOSITORY=--repository=${other}; install stray`)}`,
    );
    const { status, stderr } = await edited("mkrootfs.sh", () => imagemake("rootfs-x86_64"), broken);
    expect(stderr).toContain("installed what was not resolved for this release: stray-1.0_1");
    expect(status).toBe(1);
  });

  test("a package that the repository lacks is named, with the list that asked for it", async () => {
    const { status, stderr } = await imagemake("LIVE_ARCHS=x86_64", "live-iso-x86_64-xfce");
    expect(stderr).toContain("xfce4");
    expect(stderr).toContain("the package list of mkiso.sh for x86_64 xfce");
    expect(status).toBe(3);
  });

  test("a new version of a package rebuilds exactly what holds it", async () => {
    addPackage(repo, "syslinux-1.1_1");
    const { stdout, stderr } = await project.run("release", "refresh", "-n", ...words());
    expect(stdout + stderr).toContain("syslinux 1.0_1 → 1.1_1");
    await project.good("release", "refresh", ...words());
    const told = await project.events({}, ...words(...BUILT));
    expect(told.which("built")).toEqual(["pxe-x86_64"]);
  });

  test("an empty repository is said so, and an unreachable one", async () => {
    for (const place of [join(dir, "empty"), "http://127.0.0.1:1/current"]) {
      const other = makeProject({ "Imagefile.ts": project.read("Imagefile.ts") });
      try {
        const { status, stderr } = await other.run(
          `REPOSITORY=${place}`,
          `MKLIVE=${checkout()}`,
          "rootfs-x86_64",
        );
        expect(stderr).toContain(place);
        expect(status).toBe(3);
      } finally {
        other.remove();
      }
    }
  });

  test("mknet.sh, which puts the clock's date in its name, gives the release's", async () => {
    const under = atTime("2026-01-02T00:10:00Z");
    const more = words("--release", "20260101", "pxe-x86_64");
    const { status, stderr } = await edited("mknet.sh", () => project.call({ under }, ...more));
    expect(stderr).not.toContain("failed");
    expect(status).toBe(0);
    const tarballs = project.names("out").filter((name) => /^void-x86_64-NETBOOT-2026010/.test(name));
    expect(tarballs).toEqual(["void-x86_64-NETBOOT-20260101.tar.gz"]);
  });

  test("editing one flavour in mkiso.sh leaves what the others are made from as it is", async () => {
    const plans = ["live-iso-x86_64-base/plan", "live-iso-x86_64-xfce/plan"];
    const digests = async (): Promise<string[]> => {
      const told = await project.events({}, ...words("-B", ...plans));
      return plans.flatMap((plan) => told.about("built", plan)?.digests ?? []);
    };
    const [base, xfce] = await digests();
    const broken = voidCheckout()["mkiso.sh"]?.replace("xfce4", "xfce4 thunar");
    const [sameBase, otherXfce] = await edited("mkiso.sh", digests, broken);
    expect(base).toBeDefined();
    expect(sameBase).toBe(base);
    expect(otherXfce).not.toBe(xfce);
  });
});
