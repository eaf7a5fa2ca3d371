// Void's disk images and live images by the typed rules, with the real xbps, from tiny packages. It needs the programs of
// xbps, root, and a checkout of void-mklive, which the variable VOID_MKLIVE names.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";
import { skipping } from "./support/skipping.js";
import { addPackages, hasXbps, onPath, tinyVoid, type VoidPackage } from "./support/void-repo.js";

jest.setTimeout(600_000);

const checkout = process.env["VOID_MKLIVE"] ?? "";
const able = hasXbps() && process.getuid?.() === 0 && existsSync(join(checkout, "mkiso.sh"));
const withXbps = able ? describe : describe.skip;
if (!able)
  skipping(
    "void-images",
    "the programs of xbps (or root) are missing, or VOID_MKLIVE names no checkout of void-mklive",
  );

/** What boards and clouds have of their own, and what a live image of flavour base asks for. */
const MORE: readonly VoidPackage[] = [
  {
    name: "rpi-base",
    files: { "boot/cmdline.txt": "root=/dev/mmcblk0p2 rw console=tty1\n", "boot/start.elf": "firmware\n" },
  },
  {
    name: "pinebookpro-base",
    files: {
      "usr/lib/pinebookpro-uboot/idbloader.img": "first loader\n",
      "usr/lib/pinebookpro-uboot/u-boot.itb": "second loader\n",
    },
  },
  { name: "cloud-guest-utils", files: { "etc/default/growpart": "#ENABLE_ROOT_GROWTH=yes\n" } },
  { name: "openssh", files: { "etc/ssh/sshd_config": "#PermitRootLogin prohibit-password\n" } },
  {
    name: "lightdm",
    files: {
      "etc/lightdm/Xsession": "#!/bin/sh\n",
      "etc/sv/lightdm/run": "#!/bin/sh\n",
      "etc/runit/runsvdir/default/.keep": "",
    },
  },
  ...["dbus", "NetworkManager", "nix-daemon"].map((name) => ({
    name: name === "nix-daemon" ? "nix" : name,
    files: { [`etc/sv/${name}/run`]: "#!/bin/sh\n" },
  })),
  ...["lightdm-gtk-greeter", "sudo", "pciutils"].map((name) => ({ name })),
  { name: "GCP-base", files: { "boot/initramfs-6.1.0_1.img": "no initrd\n" } },
  ...SERVICES().map((name) => ({
    name: `service-${name}`,
    files: { [`etc/sv/${name}/run`]: "#!/bin/sh\n" },
  })),
  ...(
    "brltty chrony cryptsetup espeakup grub-i386-efi grub-x86_64-efi lvm2 mdadm tmux void-docs-browse " +
    "void-live-audio xmirror xtools-minimal device-mapper dhclient openresolv"
  )
    .split(" ")
    .map((name) => ({ name })),
];
function SERVICES(): readonly string[] {
  const terminals = [1, 2, 3, 4, 5, 6].map((i) => `agetty-tty${i}`);
  return [...terminals, "udevd", "sshd", "chronyd", "dhcpcd", "wpa_supplicant", "acpid"];
}

const PACKAGES = tinyVoid()
  .filter(({ name }) => !MORE.some((one) => one.name === name))
  .map((pkg) =>
    pkg.name === "base-system"
      ? {
          ...pkg,
          depends: [...(pkg.depends ?? []), "openssh", ...SERVICES().map((name) => `service-${name}`)],
        }
      : pkg,
  );

/** One program that says hello, built without network by this machine's shell. */
const EXPRESSIONS = `{
  hello = derivation {
    name = "hello-1.0"; system = builtins.currentSystem; builder = "/bin/sh";
    args = [ "-c" "PATH=/usr/bin:/bin; mkdir -p $out/bin; echo 'echo hello from nix' > $out/bin/hello; chmod +x $out/bin/hello" ];
  };
}
`;

const DESKTOP = `
import { preset, run } from "imagemake";
export const live = preset.voidLive({
  mklive: ${JSON.stringify(checkout)}, repository: "./repo", packages: ["busybox"], session: "cinnamon",
  keymap: "ch-fr_nodeadkeys", nix: { nixpkgs: "nix", packages: ["hello"] }, overlay: "files", minSize: 65536,
  dconf: { "org/gnome/desktop/interface": { "color-scheme": "'prefer-dark'" } }, out: "desktop.iso" });
export const seen = run({ inputs: { ROOT: live.root }, out: "seen.txt", cmd: \`
  cd "$ROOT"; { grep -r "" etc; sh nix/store/*hello*/bin/hello; } >"$OLDPWD/$OUT"\` });
`;

const IMAGEFILE = `
import { preset } from "imagemake";
const release = preset.voidLinux({ build: "native", mklive: ${JSON.stringify(checkout)}, repository: "./repo" });
export const { rootfs, platformfs, images, liveIso } = release;
`;

/** It needs nix and dconf beside the checkout. */
const withDesktop = onPath("nix-env") && onPath("dconf") ? test : test.skip;

withXbps("Void, natively, without loop devices and without vfat in the kernel", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE });
    addPackages(project.path("repo"), [...PACKAGES, ...MORE], ["x86_64", "aarch64", "armv7l"]);
  });
  afterAll(() => project.remove());

  /** The plain image of a platform. */
  async function imageOf(platform: string, target: string): Promise<string> {
    await project.good(target);
    const name = project.names("out").find((one) => one.startsWith(`void-${platform}-2`)) ?? "";
    const plain = project.path(`${platform}.raw`);
    const unpack = name.endsWith(".xz") ? `xz -dc "$1" >"$2"` : `tar -xzOf "$1" disk.raw >"$2"`;
    execFileSync("sh", ["-euc", unpack, "sh", project.path("out", name), plain]);
    return plain;
  }
  interface Partition {
    readonly start: number;
    readonly size: number;
    readonly name?: string;
  }
  const partitions = (image: string): { label: string; id: string; partitions: readonly Partition[] } => {
    const told = execFileSync("sfdisk", ["--json", image], { encoding: "utf8" });
    return (JSON.parse(told) as { partitiontable: ReturnType<typeof partitions> }).partitiontable;
  };
  const fat = (image: string, start: number, path: string): string =>
    execFileSync("mtype", ["-i", `${image}@@${start * 512}`, `::${path}`], { encoding: "utf8" });
  const ext4 = (image: string, start: number, question: string): string =>
    execFileSync("debugfs", ["-R", question, `${image}?offset=${start * 512}`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });

  test("a Raspberry Pi's image has its firmware on a FAT partition, and finds its root by PARTUUID", async () => {
    const image = await imageOf("rpi-armv7l", "images-sbc-rpi-armv7l");
    const { label, id, partitions: parts } = partitions(image);
    const [boot, root] = parts.map(({ start }) => start);
    expect([label, parts.length, boot]).toEqual(["dos", 2, 2048]);
    expect(fat(image, boot ?? 0, "start.elf")).toBe("firmware\n");
    expect(fat(image, boot ?? 0, "cmdline.txt")).toBe(`root=PARTUUID=${id.slice(2)}-02 rw console=tty1\n`);
    expect(ext4(image, root ?? 0, "ls boot")).not.toContain("start.elf");
    expect(ext4(image, root ?? 0, "cat etc/ssh/sshd_config")).toBe("PermitRootLogin yes\n");
    expect(ext4(image, root ?? 0, "cat etc/default/growpart")).toBe("ENABLE_ROOT_GROWTH=yes\n");
    expect(ext4(image, root ?? 0, "cat etc/fstab")).toMatch(
      /^UUID=\S{36} \/ ext4 .*\nUUID=\S{9} \/boot vfat /m,
    );
    expect(ext4(image, root ?? 0, "stats")).not.toContain("has_journal");
    expect(readFileSync(image).length).toBe(900 * 1024 ** 2);
  });

  test("a Pinebook Pro's image has its boot loader where the chip looks for it", async () => {
    const image = await imageOf("pinebookpro", "images-sbc-pinebookpro");
    const bytes = readFileSync(image);
    expect(bytes.toString("latin1", 64 * 512, 64 * 512 + 13)).toBe("first loader\n");
    expect(bytes.toString("latin1", 16384 * 512, 16384 * 512 + 14)).toBe("second loader\n");
    const { label, partitions: parts } = partitions(image);
    expect([label, parts[0]?.start, parts[0]?.name]).toEqual(["gpt", 32768, "BootFS"]);
  });

  test("a cloud's image starts by GRUB, lets nobody in by password, and has its services", async () => {
    const image = await imageOf("GCP", "images-cloud-GCP");
    const root = partitions(image).partitions.at(-1)?.start ?? 0;
    expect(ext4(image, root, "cat boot/grub/grub.cfg")).toContain("'console=ttyS0,38400n8d'");
    expect(ext4(image, root, "cat etc/shadow")).toMatch(/^root:!/);
    expect(ext4(image, root, "cat etc/hostname")).toBe("void-GCE\n");
    expect(ext4(image, root, "ls etc/runit/runsvdir/default")).toMatch(/GCP-accounts/);
    expect(readFileSync(image).toString("latin1", 510, 512)).toBe("\x55\xaa");
  });

  test("a live image has the packages and services of its flavour, and no trace of its making", async () => {
    await project.good("live-iso-x86_64-base");
    const iso = project.path("out", project.names("out").find((one) => one.endsWith("-base.iso")) ?? "");
    const label = execFileSync("xorriso", ["-indev", iso, "-pvd_info"], {
      encoding: "utf8",
      stdio: "pipe",
    });
    expect(label).toMatch(/^Volume Id *: VOID_LIVE$/m);
    const squash = project.path("squashfs.img");
    execFileSync("xorriso", ["-osirrox", "on", "-indev", iso, "-extract", "/LiveOS/squashfs.img", squash], {
      stdio: "pipe",
    });
    const names = execFileSync("unsquashfs", ["-l", squash], { encoding: "utf8" }).replaceAll(
      "squashfs-root/",
      "",
    );
    for (const name of [
      ...["usr/bin/void-installer", "etc/issue", "usr/share/doc/brltty"],
      ...["sshd", "dhcpcd", "agetty-tty6"].map((one) => `etc/runit/runsvdir/default/${one}`),
    ])
      expect(names).toContain(`\n${name}\n`);
    expect(names).not.toMatch(/dhclient|01vmklive/);
    // The initrd of void-mklive sets passwords when it starts.
    const shadow = execFileSync("unsquashfs", ["-cat", squash, "etc/shadow"], { encoding: "utf8" });
    expect(shadow).toMatch(/^root:\*:/);
  });

  withDesktop("a desktop has its session, its keyboard in both spellings, and its nix store", async () => {
    project.write("nix/default.nix", EXPRESSIONS);
    project.write("desktop.ts", DESKTOP);
    project.write("files/etc/motd", "welcome\n");
    await project.good("-f", "desktop.ts", "live-iso", "seen");
    const seen = project.read("out/seen.txt");
    for (const line of [
      "etc/vconsole.conf:KEYMAP=ch-fr_nodeadkeys",
      "etc/dconf/db/local.d/imagemake:sources=[('xkb', 'ch+fr_nodeadkeys')]",
      "etc/dconf/db/local.d/locks/imagemake:/org/gnome/desktop/input-sources/sources",
      "etc/lightdm/.session:cinnamon",
      "etc/motd:welcome",
      "etc/shadow:root:*:",
      "hello from nix",
    ])
      expect(seen).toContain(line);
    expect(seen).toMatch(/^etc\/environment:XDG_DATA_DIRS=\/home\/live\/\.nix-profile\/share/m);
    const iso = project.path("out", "desktop.iso");
    const words = ["-osirrox", "on", "-indev", iso, "-concat", "append", "-", "/boot/grub/grub.cfg"];
    const menu = execFileSync("xorriso", words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    expect(menu).toContain("'live.user=live'");
    expect(menu).toContain("'vconsole.keymap=ch-fr_nodeadkeys'");
  });

  test("a keyboard in XKB's spelling is refused in words, where a desktop wants the console's", async () => {
    project.write("wrong.ts", DESKTOP.replace("ch-fr_", "ch+fr_"));
    const { status, stderr } = await project.run("-f", "wrong.ts", "list");
    expect(stderr).toContain("the console spells it ch-fr_nodeadkeys");
    expect(status).toBe(2);
  });
});
