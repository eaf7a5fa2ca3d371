// The example: Debian root filesystems of two flavours, platform filesystems on the larger one, and network-boot
// tarballs of both, which QEMU starts over its own TFTP server.
import { apt, arg, each, list, project, rule, step } from "imagemake";

// Packages come from MIRROR=, unless said the mirror of the host's own apt. What the images' apt will use is
// something else, and part of the images: put your mirror here, or give IMAGE_MIRROR=.
const debian = apt({
  url: arg("MIRROR", "host"),
  suite: "bookworm",
  inImage: arg("IMAGE_MIRROR", "https://mirror.example.org/debian"),
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
      // The images of one build must not share host keys, so they have none until they start.
      steps: [step.overlay("fixtures/ssh-keys")],
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

export const boots = {
  pxe: each(pxe, (_, image) => rule.boot({ image, as: "pxe", expect: "login:" })),
};

export default project({
  default: [pxe.mini],
  release: { of: [rootfs, platformfs, pxe], gate: [boots] },
});
