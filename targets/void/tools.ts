// Host programs that Void's scripts call, by kind.
import type { Tool } from "../../engine/model.js";
import { toolsOf } from "../../rules/drivers/tools.js";

const XBPS = toolsOf("xbps-install", "xbps-query", "xbps-reconfigure", "xbps-uhelper");
const of = (name: string, ...programs: readonly string[]): readonly Tool[] =>
  programs.map((program) => ({ name: program, package: name }));

const BASE: readonly Tool[] = [...XBPS, ...of("tar", "tar"), ...of("kmod", "modprobe")];
const XZ = of("xz-utils", "xz");

export const TARBALL_TOOLS: readonly Tool[] = [...BASE, ...XZ, ...of("passwd", "chpasswd")];
export const NET_TOOLS: readonly Tool[] = [...BASE, ...XZ, ...of("gzip", "gzip")];
export const IMAGE_TOOLS: readonly Tool[] = [
  ...[...BASE, ...XZ, ...of("gzip", "gzip"), ...of("mount", "losetup"), ...of("fdisk", "sfdisk")],
  ...[
    ...of("util-linux", "partx", "blkid"),
    ...of("dosfstools", "mkfs.vfat"),
    ...of("e2fsprogs", "mkfs.ext4"),
  ],
];
/** It says which revision a checkout is. */
export const GIT: Tool = { name: "git", package: "git" };
export const PLAN_TOOLS: readonly Tool[] = of("bash", "bash");
export const ISO_TOOLS: readonly Tool[] = [
  ...[...BASE, ...toolsOf("xbps-uchroot", "xbps-remove", "xbps-pkgdb"), ...PLAN_TOOLS],
  ...[...of("mount", "losetup"), ...of("dosfstools", "mkfs.vfat"), ...of("e2fsprogs", "mkfs.ext3")],
  ...[...of("xorriso", "xorriso"), ...of("gawk", "awk")],
];
