// A checkout of void-mklive: which of its files each kind of target really reads, found by reading its scripts, and
// these files as sources.
import { join } from "node:path";
import { source } from "../../engine/declare.js";
import type { FilesSource, Source } from "../../engine/model.js";
import { asSource, type Source as FileSource } from "../../rules/types.js";
import { isX86 } from "./matrix.js";

/** What is built by a script of the checkout. */
export type Kind = "rootfs" | "wsl" | "platformfs" | "pxe" | "image" | "plan" | "iso" | "live";

type Files = readonly string[];

const READS: Readonly<Record<Kind, (arch: string, platforms: Files) => Files>> = {
  rootfs: () => ["lib.sh", "mkrootfs.sh", "keys/*.plist"],
  wsl: () => ["lib.sh", "mkrootfs.sh", "keys/*.plist"],
  // Keys and repositories are those of the tarball beneath.
  platformfs: () => ["lib.sh", "mkplatformfs.sh"],
  pxe: () => [
    ...["lib.sh", "mknet.sh", "installer.sh", "pxelinux.cfg/pxelinux.cfg.in", "data/splash.png"],
    ...["dracut/netmenu/*", "dracut/autoinstaller/*"],
  ],
  image: () => ["lib.sh", "mkimage.sh"],
  // Only x86 gets the installer, and with it the version.
  plan: (arch) => ["lib.sh", "mkiso.sh", ...(isX86(arch) ? ["installer.sh", "version"] : [])],
  // What both say together, but for pictures and menus: those have no say in packages, services and files.
  live: (arch, platforms) => [
    ...["lib.sh", "mkiso.sh", "mklive.sh", "keys/*.plist", "data/{issue,motd}"],
    ...(isX86(arch) ? ["installer.sh", "version"] : []),
    ...platforms.map((platform) => `platforms/${platform}.sh`),
  ],
  iso: (arch, platforms) => [
    ...["lib.sh", "mklive.sh", "keys/*.plist", "data/splash.png", "data/{issue,motd}"],
    ...["dracut/vmklive/*", "dracut/autoinstaller/*"],
    ...["grub/grub.cfg", "grub/grub_void.cfg.pre", "grub/grub_void.cfg.post"],
    ...(isX86(arch) ? ["isolinux/isolinux.cfg.in"] : []),
    ...platforms.map((platform) => `platforms/${platform}.sh`),
  ],
};

/** Where the stage has the checkout, wherever the user has it. */
const STAGED = "mklive";

/** What `kind` reads of the checkout in `from`. `platforms` are those that a live image supports. */
export const checkoutFiles = (
  from: string,
  kind: Kind,
  arch: string,
  platforms: Files = [],
  more: Files = [],
): FilesSource => ({
  kind: "files",
  patterns: [...READS[kind](arch, platforms), ...more],
  from,
  stage: STAGED,
  links: "contents",
  hint: hint(from),
});

/** Files in a directory of the checkout, for a rule that takes files(…). */
export const filesIn = (from: string, dir: string, glob: string): FileSource =>
  asSource(
    source({
      kind: "files",
      patterns: [glob],
      from: join(from, dir),
      stage: join(STAGED, dir),
      links: "contents",
      hint: hint(from),
    }),
  );

const hint = (from: string): string =>
  `preset.voidLinux reads a checkout of void-mklive; its option mklive says where that is, now "${from}"`;

/** The revision that the installer on a live image shows: what git says of the checkout, nothing where it is no clone. */
export const revision = (from: string): Source => ({
  kind: "probe",
  argv: [
    ...["sh", "-c"],
    /* sh */ 'dir=$(realpath -m "$1"); git -c safe.directory="$dir" -C "$dir" rev-parse --short HEAD 2>/dev/null || :',
    ...["sh", from],
  ],
  what: "the revision of the checkout by git",
});
