// Live images and disk images of a busybox system out of Debian's mirror, booted by QEMU with BIOS and UEFI. Slow, so
// there is one of each kind.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(600_000);

const IMAGEFILE = `
import { apt, each, files, rule, run, step } from "imagemake";
const repo = apt({ url: "host", suite: "bookworm" });
const packages = ["dpkg", "busybox-static", "libc-bin", "base-files", "base-passwd", "debianutils"];
const root = rule.rootfs({ repo, arch: "amd64", variant: "busybox", packages, steps: [
  step.write("etc/inittab", "::sysinit:/bin/cat /etc/motd /proc/cmdline\\nttyS0::respawn:/bin/echo SYSTEM-READY\\n"),
  step.overlay("overlay") ] });
const modules = ["virtio_pci", "virtio_blk", "ata_piix", "sr_mod", "isofs", "squashfs", "loop", "overlay", "ext4", "btrfs"];
const kernel = rule.kernel({ from: root, modules });
const initrd = rule.initramfs({ from: root, kernel, with: "busybox", modules });
const boots = { ...rule.extract(kernel, { kernel: "vmlinuz" }), initrd };
const cmdline = "console=ttyS0,115200 panic=-1 quiet";
export const squash = rule.squashfs({ from: root, level: 1, out: "root.sfs" });
export const iso = rule.iso({ ...boots, label: "LIVE_{date}", cmdline, menu: [
  { title: "First, with (odd) \\"words\\" $here" }, { title: process.env["SECOND"] ?? "Second", cmdline: "second=1" } ], wait: 60,
  contents: { "live/filesystem.squashfs": squash, "texts/": files("overlay/**"), "tree": run({ inputs: {}, tree: true, cmd: "mkdir $OUT/a; echo b >$OUT/a/b" }) },
  out: "live-{date}.iso" });
const disk = { from: root, ...boots, cmdline } as const;
export const disks = {
  ext4: rule.disk({ ...disk, boot: "grub", label: "SYSTEM", out: "ext4-{date}.img" }),
  btrfs: rule.disk({ ...disk, boot: "grub-bios", fs: "btrfs", out: "btrfs-{date}.img.zst" }),
  cloud: rule.disk({ ...disk, boot: "grub-bios", size: "300MiB", out: "cloud-{date}.tar.gz" }),
};
// As upgrades leave it: an older kernel, the newest that is whole, one without its initrd, and a rescue system.
const upgraded = rule.platformfs({ from: root, steps: [step.hook("upgraded.sh", { inputs: { KERNEL: boots.kernel, RAM: initrd } })] });
export const several = rule.disk({ from: upgraded, boot: "grub-bios", cmdline, out: "several-{date}.img" });
// And in the middle of it: the links lead to the new kernel, whose initrd is not there yet.
const between = rule.platformfs({ from: upgraded, steps: [step.link("vmlinuz", "boot/vmlinuz-3.0"), step.link("initrd.img", "boot/initramfs-3.0.img"),
  step.link("vmlinuz.old", "boot/vmlinuz-1.0"), step.link("initrd.img.old", "boot/initramfs-1.0.img")] });
export const interrupted = rule.disk({ from: between, boot: "grub-bios", cmdline, out: "interrupted-{date}.img" });
const expect = "SYSTEM-READY";
export const starts = {
  // Each entry once with each firmware, chosen in the menu: the text of BIOS comes twice, by the firmware and by isolinux.
  iso: each(["bios", "uefi"], firmware => each(["cd", "disk"], as => rule.boot({ image: iso, as, firmware, expect: [/S+e+c+o+n+d+|A+n+o+t+h+e+r+/,
    { send: as === "cd" ? "\\x1b[B\\n" : "\\n" }, as === "cd" ? /overlay file[^]*second=1/ : /overlay file\\n(?:(?!second=1).)*\\n/, expect] }))),
  ext4: each(["bios", "uefi"], firmware => rule.boot({ image: disks.ext4, as: "disk", firmware, expect })),
  btrfs: rule.boot({ image: disks.btrfs, as: "disk", expect }),
  interrupted: rule.boot({ image: interrupted, as: "disk", expect: ["BOOT_IMAGE=/vmlinuz.old ", expect] }),
  several: rule.boot({ image: several, as: "disk", expect: ["BOOT_IMAGE=/boot/vmlinuz-2.0 ", expect] }),
};
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "overlay/etc/motd": "overlay file\n",
    "overlay/usr/lib/deep/file": "deep\n",
    "upgraded.sh": `KERNEL=$(realpath "$KERNEL") RAM=$(realpath "$RAM") year=2000\nmkdir -p "$1/boot"\ncd "$1"
      for name in 1.0 2.0 3.0 0-rescue-0123; do
        year=$((year + 1)); cp "$KERNEL" boot/vmlinuz-$name; touch -d $year-01-01 boot/vmlinuz-$name
        [ $name = 3.0 ] || cp "$RAM" boot/initramfs-$name.img
      done\n`,
  });
});
afterAll(() => project.remove());

const built = (start: string): string => {
  const name = project.names("out").find((one) => one.startsWith(start));
  if (name === undefined) throw new Error(`nothing in out/ begins with ${start}`);
  return name;
};
const inOut = (command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd: project.path("out"),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });

describe("a live image", () => {
  test("is made once, and again for what changed alone: the menu, a file of the overlay", async () => {
    await project.good("iso");
    const menu = await project.events({ env: { SECOND: "Another" } }, "iso");
    expect(menu.which("built")).toEqual(["iso"]);
    await project.good("iso");
    project.write("overlay/etc/motd", "the overlay file\n");
    const overlay = (await project.events({}, "iso")).which("built");
    expect(overlay).toContain("squash");
    expect(overlay.filter((id) => /base|kernel/.test(id))).toEqual([]);
  });

  test("holds what the Imagefile says, at its place, under its label", async () => {
    await project.good("iso");
    const listed = inOut("xorriso", "-indev", built("live-"), "-find", "/", "-type", "f").replaceAll("'", "");
    const names = listed.split("\n");
    for (const name of ["live/filesystem.squashfs", "texts/etc/motd", "texts/usr/lib/deep/file", "tree/a/b"])
      expect(names).toContain(`/${name}`);
    const label = inOut("xorriso", "-indev", built("live-"), "-pvd_info");
    expect(label).toMatch(/^Volume Id *: LIVE_\d{8}$/m);
  });

  test("starts from CD and from a disk, with BIOS and with UEFI", async () => {
    const { status, stderr } = await project.run("-k", "starts-iso");
    expect(stderr).not.toContain("failed");
    expect(status).toBe(0);
  });

  test("is the same bit for bit from another directory on another machine's clock", async () => {
    await project.good("iso", "disks-ext4", "disks-cloud");
    const sums = (one: TestProject): string =>
      one
        .names("out")
        .map((name) => execFileSync("sha256sum", [name], { cwd: one.path("out"), encoding: "utf8" }))
        .join("");
    const other = makeProject({
      "Imagefile.ts": IMAGEFILE,
      "overlay/etc/motd": "the overlay file\n",
      "overlay/usr/lib/deep/file": "deep\n",
      "upgraded.sh": project.read("upgraded.sh"),
    });
    try {
      const date = /live-(\d{8})/.exec(built("live-"))?.[1] ?? "";
      const again = await other.call(
        { under: ["faketime", "2031-05-06 07:08:09"] },
        ...["--release", date, "iso", "disks-ext4", "disks-cloud"],
      );
      if (again.status !== 0) throw new Error(again.stderr);
      expect(sums(other)).toBe(sums(project));
    } finally {
      other.remove();
    }
  });
});

describe("a disk image", () => {
  test("of ext4 starts with BIOS and with UEFI, one of btrfs with BIOS", async () => {
    const { status, stderr } = await project.run("-k", "starts-ext4", "starts-btrfs");
    expect(stderr).not.toContain("failed");
    expect(status).toBe(0);
  });

  test("of a tree with several kernels starts the newest that is whole", async () => {
    await project.good("starts-several");
    const { stdout } = await project.run("log", "several/tree");
    expect(stdout).toContain("boot/vmlinuz-3.0 has no initial RAM file system, so it does not start");
  });

  test("whose upgrade was interrupted starts the kernel before, by the links that its system keeps", async () => {
    await project.good("starts-interrupted");
  });

  test("has a file system without faults, its label, and owners, modes and times of the tree", async () => {
    await project.good("disks-ext4");
    const image = built("ext4-");
    const table = JSON.parse(inOut("sfdisk", "--json", image)) as {
      partitiontable: { partitions: { start: number; name: string }[] };
    };
    const { partitions } = table.partitiontable;
    expect(partitions.map(({ name }) => name)).toEqual(["bios", "efi", "root"]);
    const offset = (partitions[2]?.start ?? 0) * 512;
    expect(inOut("e2fsck", "-fn", `${image}?offset=${offset}`)).toMatch(/files/);
    const asked = (question: string): string => inOut("debugfs", "-R", question, `${image}?offset=${offset}`);
    expect(asked("stats")).toContain("Filesystem volume name:   SYSTEM");
    // It has no fsck.ext4.
    expect(asked("cat etc/fstab")).toMatch(/^UUID=[0-9a-f-]{36} \/ ext4 defaults 0 0$/m);
    expect(asked("stat bin/busybox")).toMatch(/User: +0 +Group: +0/);
  });

  test("for a cloud is disk.raw in a tarball, of the size that was said", async () => {
    await project.good("disks-cloud");
    const listed = inOut("tar", "-tvzf", built("cloud-"));
    expect(listed).toMatch(/^-rw-r--r-- 0\/0 +314572800 .* disk\.raw$/m);
  });
});
