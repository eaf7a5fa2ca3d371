// What must compile: the Debian line, as far as rules for it exist.
import { apt, arg, each, files, list, project, rule, step } from "imagemake";

const debian = apt({
  url: arg("MIRROR", "host"),
  suite: "bookworm",
  inImage: "https://mirror.example.org/debian",
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
    each(flavours, (name, f) =>
      rule.rootfs({ repo: debian, arch, ...f, out: `debian-${arch}-${name}-ROOTFS-{date}.tar.xz` }),
    ),
  { only: "ARCHS" },
);
export const platformfs = each(
  { generic: list("fixtures/generic.list"), cloud: list("fixtures/cloud.list") },
  (name, packages) =>
    rule.platformfs({
      from: rootfs.amd64.standard,
      packages,
      out: `debian-${name}-PLATFORMFS-{date}.tar.xz`,
    }),
);
export const stepped = rule.platformfs({
  from: platformfs.generic,
  steps: [
    step.install(["task-ssh-server", list("more.list")], { recommends: true }),
    step.remove(["usr/share/doc/*"]),
    step.overlay("overlay", { owner: "0:0", modes: { "etc/shadow": "640" } }),
    step.overlay(files("etc/**", { from: "overlay" })),
    step.write("etc/vconsole.conf", "KEYMAP=us\n", { mode: 0o644 }),
    step.link("etc/localtime", "/usr/share/zoneinfo/UTC"),
  ],
  guards: {
    has: ["usr/bin/ssh"],
    hasNot: ["etc/resolv.conf"],
    links: { "etc/localtime": "/usr/share/zoneinfo/UTC" },
  },
});
export const listing = rule.run({
  inputs: { ROOT: stepped, PACKED: rootfs.arm64.mini },
  cmd: `ls "$ROOT" > "$OUT"`,
  out: "listing.txt",
});
export const store = rule.nix({
  nixpkgs: "github:NixOS/nixpkgs/nixos-unstable",
  unfree: true,
  packages: ["google-chrome", list("nix.list")],
});
export const local = rule.nix({ nixpkgs: files("nix/**"), packages: list("nix.list") });
const tools = rule.rootfs({ repo: debian, arch: "amd64", packages: ["squashfs-tools"] });
export const sbom = rule.run({
  inputs: { ROOT: stepped },
  within: tools,
  cmd: `find "$ROOT" | sort > "$OUT"`,
  out: "files-{date}.txt",
});
export const checks = {
  tree: rule.check({ inputs: { ROOT: stepped }, cmd: ["test", "-d", "$ROOT/etc"] }),
  within: rule.check({ inputs: { ROOT: stepped }, within: rootfs.amd64.standard, cmd: "true" }),
  file: rule.check({ inputs: { FILE: rootfs.arm64.mini }, cmd: "tar -tf $FILE" }),
};
const several = apt({
  url: arg("MIRROR", "host"),
  suite: "bookworm",
  inImage: "https://mirror.example.org/debian",
  sources: [
    { suite: "bookworm-updates" },
    {
      name: "vendor",
      suite: "stable",
      url: "https://apt.example.org",
      architectures: ["amd64"],
      inImage: null,
    },
  ],
  pins: [{ packages: ["a", "b-*"], pin: "release n=bookworm-updates", priority: 990 }],
});
export const fixed = rule.rootfs({
  repo: several,
  arch: "amd64",
  variant: "standard",
  packages: ["task-ssh-server", "a/bookworm-updates"],
  recommends: true,
  debconf: ["a a/b select c"],
});
/** The steps of a machine's own settings. */
export const settled = rule.platformfs({
  from: fixed,
  steps: [
    step.hostname("web.example.org"),
    step.timezone("Europe/Zurich"),
    step.locale("de_CH.UTF-8", { also: ["C.UTF-8"] }),
    step.alternatives({ editor: "/usr/bin/vim.basic" }),
  ],
});
export default project({
  default: [rootfs.amd64.mini],
  epoch: "2026-11-21",
  release: { of: [rootfs, platformfs], gate: [checks], steps: ["announce"] },
});
