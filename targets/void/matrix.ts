// Void Linux's release as data: which architectures, platforms and flavours there are, which architecture a platform
// has, and which packages are asked for.
import { both } from "../../rules/each.js";
import type { Arch } from "../../rules/distributions.js";
import type { FileTarget, Musl } from "../../rules/types.js";
import type { ImageSuffix } from "./more.js";

/** An architecture that Void releases, as xbps calls it. */
export type VoidArch = Extract<Arch["xbps"], "i686" | Musl<"x86_64" | "armv6l" | "armv7l" | "aarch64">>;
/** Boards and clouds that have a platform file system. */
export type VoidPlatform = Musl<
  "rpi-armv6l" | "rpi-armv7l" | "rpi-aarch64" | "GCP" | "pinebookpro" | "asahi"
>;
/** Platforms with an image for their board. */
export type SbcPlatform = Exclude<VoidPlatform, `GCP${string}` | `asahi${string}`>;
/** Platforms with an image for a cloud. */
export type CloudPlatform = Musl<"GCP">;
export type PxeArch = Musl<"x86_64">;
export type WslArch = Musl<"x86_64" | "aarch64">;
/** What live images are made for: architectures, and Apple's machines. */
export type LiveArch = "i686" | Musl<"x86_64" | "aarch64" | "asahi">;
export type Flavor = (typeof FLAVORS)[number];

/** Void's own default, as in its Makefile. */
export const REPOSITORY = "https://repo-default.voidlinux.org/current";

/** In the order of the Makefile, which is the order of every listing. */
export const ARCHS: readonly VoidArch[] = ["i686", ...both("x86_64", "armv6l", "armv7l", "aarch64")];
export const PXE_ARCHS: readonly PxeArch[] = both("x86_64");
export const WSL_ARCHS: readonly WslArch[] = both("x86_64", "aarch64");

const PI = {
  "rpi-armv6l": "armv6l",
  "rpi-armv6l-musl": "armv6l-musl",
  "rpi-armv7l": "armv7l",
  "rpi-armv7l-musl": "armv7l-musl",
  "rpi-aarch64": "aarch64",
  "rpi-aarch64-musl": "aarch64-musl",
} as const;
const PINEBOOK = { pinebookpro: "aarch64", "pinebookpro-musl": "aarch64-musl" } as const;
const ASAHI = { asahi: "aarch64", "asahi-musl": "aarch64-musl" } as const;

/** Clouds, and the architecture each has. */
export const CLOUDS = { GCP: "x86_64", "GCP-musl": "x86_64-musl" } as const satisfies Record<
  CloudPlatform,
  VoidArch
>;
export const SBCS = { ...PI, ...PINEBOOK } as const satisfies Record<SbcPlatform, VoidArch>;
export const PLATFORMS = { ...PI, ...CLOUDS, ...PINEBOOK, ...ASAHI } as const satisfies Record<
  VoidPlatform,
  VoidArch
>;
export const LIVE = {
  i686: "i686",
  x86_64: "x86_64",
  "x86_64-musl": "x86_64-musl",
  aarch64: "aarch64",
  "aarch64-musl": "aarch64-musl",
  ...ASAHI,
} as const satisfies Record<LiveArch, VoidArch>;

export const FLAVORS = [
  ...(["base", "enlightenment", "xfce", "mate", "cinnamon", "gnome", "kde", "lxde", "lxqt"] as const),
  "xfce-wayland",
] as const;

/** What a root file system is made of. */
export const ROOTFS_PACKAGES: readonly string[] = ["base-container-full"];
export const WSL_PACKAGES: readonly string[] = ["wsl-base"];

/** What a platform adds to the root file system of its architecture. */
export function platformPackages(platform: string): readonly string[] {
  const board = platform.startsWith("rpi")
    ? ["rpi-base"]
    : platform.startsWith("asahi")
      ? ["asahi-base", "asahi-scripts", "grub-arm64-efi", "dracut"]
      : [`${platform.replace(/-musl$/, "")}-base`];
  return ["base-system", ...board];
}

/** What a network boot tarball needs beside the root file system. */
export const NETBOOT_PACKAGES: readonly string[] = [
  ...["linux", "dracut", "binutils", "dracut-network", "dialog", "jq", "xz", "syslinux"],
];
/** What images get so that they grow to the size of their medium. */
export const IMAGE_PACKAGES: readonly string[] = ["cloud-guest-utils"];

export const isX86 = (arch: string): boolean => arch === "i686" || arch.startsWith("x86_64");

/** How each kind of artifact is made. Names are the checkout's, so any. */
export interface Makers {
  rootfs(arch: string): FileTarget;
  platformfs(platform: string, rootfs: FileTarget): FileTarget;
  pxe(arch: string, rootfs: FileTarget): FileTarget;
  wsl(arch: string): FileTarget;
  image(platform: string, suffix: ImageSuffix, platformfs: FileTarget): FileTarget;
  iso(live: string, flavor: string): FileTarget;
}
