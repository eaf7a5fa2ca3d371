// The preset's matrix through the real command line: names and order against void-mklive's own lists, narrowing by
// the Makefile's variables, and what is said of a wrong one. Needs neither a checkout nor xbps.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { makeProject, type TestProject } from "./support/cli.js";
import { writeCheckout } from "./support/void-checkout.js";

const FIXTURE = fileURLToPath(new URL("../../fixtures/void/", import.meta.url));
const LISTS = readdirSync(`${FIXTURE}lists`).map((file) => file.replace(/\.txt$/, ""));
const listed = (name: string): string => readFileSync(`${FIXTURE}lists/${name}.txt`, "utf8");

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": readFileSync(`${FIXTURE}Imagefile.ts`, "utf8") });
});
afterAll(() => project.remove());

describe.each(["scripts", "native"])("built by %s", (way) => {
  test.each(LISTS)("%s prints what the Makefile prints, byte for byte, without a checkout", async (list) => {
    const { stdout } = await project.good(`BUILD=${way}`, "DATECODE=20260101", `${list}-print`);
    expect(stdout).toBe(listed(list));
  });
});

test("the lists hold 107 artifacts", () => {
  const whole = LISTS.filter((list) => !/^images-all-/.test(list));
  expect(whole.flatMap((list) => listed(list).trim().split("\n"))).toHaveLength(107);
});

test("--release gives the same names as DATECODE=", async () => {
  const { stdout } = await project.good("--release", "20260101", "pxe-all-print");
  expect(stdout).toBe(listed("pxe-all"));
});

test.each([
  ["ARCHS=x86_64", "rootfs-all-print", "void-x86_64-ROOTFS-20260101.tar.xz\n"],
  ["PLATFORMS=GCP", "platformfs-all-print", "void-GCP-PLATFORMFS-20260101.tar.xz\n"],
  ["SBC_IMGS=pinebookpro", "images-all-sbc-print", "void-pinebookpro-20260101.img.xz\n"],
  ["CLOUD_IMGS=GCP-musl", "images-all-cloud-print", "void-GCP-musl-20260101.tar.gz\n"],
  ["PXE_ARCHS=x86_64", "pxe-all-print", "void-x86_64-NETBOOT-20260101.tar.gz\n"],
  ["WSL_ARCHS=aarch64", "wsl-all-print", "void-aarch64-20260101.wsl\n"],
  [
    "LIVE_FLAVORS=kde lxqt",
    "live-iso-all-i686-print",
    "void-live-i686-20260101-kde.iso\nvoid-live-i686-20260101-lxqt.iso\n",
  ],
])("%s narrows %s as with make", async (variable, group, expected) => {
  const { stdout } = await project.good("DATECODE=20260101", variable, group);
  expect(stdout).toBe(expected);
});

test("LIVE_ARCHS and LIVE_FLAVORS narrow together", async () => {
  const words = ["LIVE_ARCHS=i686 asahi", "LIVE_FLAVORS=base", "live-iso-all-print"];
  const { stdout } = await project.good("DATECODE=20260101", ...words);
  expect(stdout).toBe("void-live-i686-20260101-base.iso\nvoid-live-asahi-20260101-base.iso\n");
});

test.each([
  ["ARCHS=x86-64", "rootfs-all-print", "did you mean x86_64?"],
  ["PLATFORMS=rpi-aarch65", "platformfs-all-print", "did you mean rpi-aarch64?"],
  ["LIVE_FLAVORS=xcfe", "live-iso-all-print", "did you mean xfce?"],
  ["ARCH=x86_64", "rootfs-all-print", "did you mean ARCHS?"],
  ["REPOSITORY=", "rootfs-all-print", "a URL or a directory"],
])("%s is wrong usage, with the nearest", async (variable, group, expected) => {
  const { status, stderr, stdout } = await project.run(variable, group);
  expect(stderr).toContain(expected);
  expect(status).toBe(2);
  expect(stdout).toBe("");
});

test("another password than the documented one is refused where mkrootfs.sh sets that itself", async () => {
  project.write(
    "locked.ts",
    'import { preset } from "imagemake";\nexport const { rootfs } = preset.voidLinux({ build: "scripts", rootPassword: "locked" });\n',
  );
  const { status, stderr } = await project.run("-f", "locked.ts", "list");
  expect(stderr).toMatch(/rootPassword: expected nothing or "voidlinux", because mkrootfs\.sh gives root/);
  expect(status).toBe(2);
});

test("a missing checkout is named with the option that says where it is, before anything is fetched", async () => {
  const { status, stderr } = await project.run("MKLIVE=../no-such-checkout", "-n", "rootfs-x86_64");
  expect(stderr).toContain("lib.sh does not exist");
  expect(stderr).toContain('option mklive says where that is, now "../no-such-checkout"');
  expect(status).toBe(2);
});

describe("the doctor", () => {
  test("looks for what the documentation asks for: tools, emulators, disk, memory", async () => {
    const { stdout } = await project.run("doctor");
    for (const what of [/xbps-install/, /\btar\b/, /xz-utils/, /\bgit\b/, /qemu-(arm|aarch64)-static/])
      expect(stdout).toMatch(what);
    for (const line of [/^(ok|--) {2}disk: /m, /^(ok|--) {2}memory: /m, /^(ok|--) {2}programs for arm/m])
      expect(stdout).toMatch(line);
  });

  test("says where loop devices and vfat are missing only for what needs them", async () => {
    const { stdout } = await project.run("doctor", "images-cloud-GCP");
    expect(stdout).toMatch(/^(ok {2}the|-- {2}no) file system vfat/m);
    expect((await project.run("doctor", "rootfs-x86_64")).stdout).not.toContain("vfat");
  });

  test("xbps, which Debian does not have, is not said to be installed with apt", async () => {
    const hidden = { under: ["unshare", "--mount", "sh", "-c", HIDE, "sh"] };
    // Without a checkout that would be the first to be mended.
    writeCheckout(project.path("mklive"));
    const { stdout, status } = await project.call(hidden, "MKLIVE=mklive", "doctor", "rootfs-x86_64");
    expect(stdout).toMatch(/^-- {2}no xbps-install.*: build xbps from https:/m);
    expect(status).toBe(3);
  });
});

/** A program of that name cannot be run in here, wherever it is. */
const HIDE =
  'for dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin; do [ ! -e $dir/xbps-install ] || mount --bind /dev/null $dir/xbps-install; done; exec "$@"';
