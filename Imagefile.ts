// The example: Debian root filesystems of two flavours, platform filesystems on the larger one, and of both flavours
// network-boot tarballs and live images, which QEMU starts.
import { apt, arg, each, list, project, rule, step } from "imagemake";

// Packages come from MIRROR= and SECURITY_MIRROR=, unless said the mirrors of the host's own apt. What the images' apt will
// use is something else, and part of the images: put your mirrors here, or give IMAGE_MIRROR= and IMAGE_SECURITY_MIRROR=.
const debian = apt({
  url: arg("MIRROR", "host"),
  suite: "bookworm",
  inImage: arg("IMAGE_MIRROR", "https://mirror.example.org/debian"),
  signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg",
  sources: [
    { suite: "bookworm-updates" },
    {
      suite: "bookworm-security",
      url: arg("SECURITY_MIRROR", "host"),
      inImage: arg("IMAGE_SECURITY_MIRROR", "https://mirror.example.org/debian-security"),
    },
  ],
  // They run from memory.
  without: [
    "usr/share/doc/*",
    "!usr/share/doc/*/copyright",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
  ],
});

const flavours = {
  mini: {
    variant: "busybox",
    packages: ["dpkg", "busybox-static", "libc-bin", "base-files", "base-passwd", "debianutils"],
  },
  standard: { variant: "apt", packages: list("fixtures/standard.list") },
} as const;

export const rootfs = each(
  ["amd64", "arm64"],
  (arch) =>
    each(flavours, (flavour, options) =>
      rule.rootfs({ repo: debian, arch, ...options, out: `debian-${arch}-${flavour}-ROOTFS-{date}.tar.xz` }),
    ),
  { only: "ARCHS" },
);

export const platformfs = each(
  { generic: list("fixtures/generic.list"), cloud: list("fixtures/cloud.list") },
  (platform, packages) =>
    rule.platformfs({
      from: rootfs.amd64.standard,
      packages,
      out: `debian-${platform}-PLATFORMFS-{date}.tar.xz`,
    }),
  { only: "PLATFORMS" },
);

export const pxe = each(rootfs.amd64, (flavour, from) =>
  rule.pxe({
    from,
    steps: [step.overlay(`fixtures/netboot/${flavour}`)],
    cmdline: "net.ifnames=0 console=tty0 console=ttyS0,115200",
    out: `debian-${flavour}-NETBOOT-{date}.tar.gz`,
  }),
);

const cmdline = "net.ifnames=0 console=tty0 console=ttyS0,115200";

/** Busybox alone: its kernel is unpacked beside it, and a small initrd finds the squashfs. */
const mini = rule.platformfs({ from: rootfs.amd64.mini, steps: [step.overlay("fixtures/netboot/mini")] });
const kernel = rule.kernel({ from: mini });

/** Debian's own way: live-boot, a user who may do all, and nobody who logs in as root. */
const live = rule.platformfs({
  from: rootfs.amd64.standard,
  packages: list("fixtures/live.list"),
  steps: [
    step.users({ user: { password: "blank", sudo: "nopasswd" }, root: { password: "locked" } }),
    step.write("etc/hostname", "debian-live\n"),
  ],
  guards: { has: ["lib/live/boot"], hasNot: ["etc/resolv.conf"] },
});

export const iso = {
  mini: rule.iso({
    ...rule.extract(kernel, { kernel: "vmlinuz" }),
    initrd: rule.initramfs({ from: mini, kernel, with: "busybox" }),
    contents: { "live/filesystem.squashfs": rule.squashfs({ from: mini }) },
    label: "DEBIAN_MINI",
    cmdline: `${cmdline} quiet`,
    out: "debian-mini-LIVE-{date}.iso",
  }),
  standard: rule.iso({
    ...rule.extract(live, { kernel: "boot/vmlinuz-*" }),
    initrd: rule.initramfs({ from: live, with: "initramfs-tools" }),
    contents: {
      // Ten times as fast as the usual level, and a tenth larger.
      "live/filesystem.squashfs": rule.squashfs({ from: live, level: 3, without: ["boot/*"] }),
    },
    label: "DEBIAN_LIVE",
    cmdline: `boot=live ${cmdline}`,
    menu: [{ title: "Debian live" }, { title: "Debian live, from memory", cmdline: "toram" }],
    out: "debian-standard-LIVE-{date}.iso",
  }),
};

export const boots = {
  pxe: each(pxe, (_, image) => rule.boot({ image, as: "pxe", expect: "login:" })),
  iso: each(iso, (_, image) =>
    each(["bios", "uefi"], (firmware) =>
      each(["cd", "disk"], (as) => rule.boot({ image, as, firmware, expect: "login:" })),
    ),
  ),
};

export default project({
  default: [pxe.mini],
  release: { of: [rootfs, platformfs, pxe, iso], gate: [boots] },
});
