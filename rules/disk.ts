// disk: a tree as a partitioned disk image, written without loop devices and without a mount. One action adds to the
// tree what a disk needs (fstab, a boot loader's menu), another makes the image.
import { createHash } from "node:crypto";
import { z } from "zod";
import { declareOne, wrongOption, type Handle } from "../engine/declare.js";
import type { Guards, Tool } from "../engine/model.js";
import { cpuOf, emulation } from "./distributions.js";
import { holding } from "./formats.js";
import { cmdlineOption, grubCpus, menuOption, menuText, waitOption } from "./menu.js";
import { option } from "./options.js";
import { rule, type CheckedBy } from "./declaration.js";
import { packTools } from "./pack.js";
import { INSIDE, recipe } from "./recipes.js";
import {
  arrayOf,
  asTreeHandle,
  common,
  fileTarget,
  guardsOf,
  imagePath,
  out,
  size,
  treeLike,
  limits,
  type Limits,
} from "./schema.js";
import { asFile, type FileTarget } from "./types.js";

const MIB = 1024 ** 2;
const FILE_SYSTEMS = ["ext4", "btrfs", "vfat"] as const;
const LOADERS = ["grub-bios", "grub-efi", "grub", "rpi", "uboot"] as const;

/** How an image is put into its file, by the end of its name. */
const FORMS = {
  ".img": { magic: null, tool: null },
  ".raw": { magic: null, tool: null },
  ".img.xz": { magic: "fd377a585a00", tool: { name: "xz", package: "xz-utils" } },
  ".img.gz": { magic: "1f8b", tool: { name: "pigz", package: "pigz" } },
  ".img.zst": { magic: "28b52ffd", tool: { name: "zstd", package: "zstd" } },
  ".tar.gz": { magic: "1f8b", tool: { name: "pigz", package: "pigz" } },
} as const;

const blob = z.strictObject({
  file: option(imagePath, "a path inside the tree", "The file."),
  at: option(size, `bytes or a size such as "1MiB"`, "Where its first byte goes."),
});

type Given = CheckedBy<typeof disk>;

export const disk = rule(
  "rule.disk",
  "A disk image of `from`: `.img`, the same packed (`.img.xz`), or the `disk.raw` in `.tar.gz` that clouds want.",
  {
    from: option(treeLike, "a tree", "The root file system."),
    fs: option(
      z.enum(FILE_SYSTEMS).optional(),
      FILE_SYSTEMS.join(", "),
      "Its file system; ext4 unless said, and that one is the same bit for bit when it is made again (btrfs is not).",
    ),
    size: option(
      size.optional(),
      `a size such as "4GiB"`,
      "Size of the whole image; computed from the tree, with 64 MiB to spare, unless said.",
    ),
    label: option(
      z
        .string()
        .regex(/^[A-Za-z0-9_.-]{1,16}$/)
        .optional(),
      "at most 16 letters, digits, . _ and -",
      "The root file system's label.",
    ),
    boot: option(
      z.enum(LOADERS).optional(),
      LOADERS.join(", "),
      "How it starts: GRUB for BIOS, for UEFI, or (`grub`) both; `rpi`, whose firmware reads a FAT partition that is " +
        "the tree's /boot; `uboot`, the same with a boot loader written before the partitions (see `raw`). Unless said " +
        "it does not start by itself.",
    ),
    bootSize: option(
      size.optional(),
      `a size such as "256MiB"`,
      "With rpi and uboot, size of the FAT partition that is /boot; 256 MiB unless said.",
    ),
    raw: option(
      arrayOf(blob).optional(),
      "an array of { file, at }",
      "Files of the tree that are written to places of the disk: behind the partition table (with GPT from byte 17408 on), before " +
        "the first partition, which begins at 16 MiB then, and none over another.",
    ),
    journal: option(
      z.boolean().optional(),
      "true or false",
      "Whether ext4 has a journal; it has unless said. Flash memory lasts longer without.",
    ),
    kernel: option(
      fileTarget.optional(),
      "a file target",
      "With GRUB, the kernel. Unless said those of the tree: the one that the links of its packages lead to (`/vmlinuz`), " +
        "else the newest, also after an upgrade on the machine.",
    ),
    initrd: option(
      fileTarget.optional(),
      "a file target",
      "With GRUB, its initial RAM file system. Unless said each kernel's own; where the tree has none, its initramfs-tools, " +
        "dracut or mkinitcpio makes it.",
    ),
    cmdline: cmdlineOption,
    menu: menuOption,
    wait: waitOption,
    out,
    ...common,
  },
  (o): FileTarget => {
    const form = Object.entries(FORMS)
      .filter(([suffix]) => o.out.endsWith(suffix))
      .at(-1);
    if (form === undefined) {
      const names = Object.keys(FORMS).join(", ");
      wrongOption("disk", `out: expected a name that ends in ${names}, found "${o.out}"`);
    }
    const hasGrub = o.boot === "grub" || o.boot === "grub-bios" || o.boot === "grub-efi";
    for (const name of ["kernel", "initrd", "cmdline", "menu", "wait"] as const) {
      if (o[name] !== undefined && !hasGrub) {
        wrongOption("disk", `${name}: it is GRUB's; expected boot: "grub", "grub-bios" or "grub-efi"`);
      }
    }
    const hasBootPartition = o.boot === "rpi" || o.boot === "uboot";
    if (o.bootSize !== undefined && !hasBootPartition) {
      wrongOption("disk", `bootSize: only rpi and uboot have a partition for /boot`);
    }
    for (const name of ["size", "bootSize"] as const) {
      const bytes = o[name] ?? 0;
      if (bytes % MIB !== 0)
        wrongOption("disk", `${name}: partitions are whole MiB; did you mean ${Math.ceil(bytes / MIB)}MiB?`);
    }
    if (hasGrub && o.fs === "vfat")
      wrongOption("disk", "fs: GRUB's menu and a system's links need ext4 or btrfs");
    const tree = asTreeHandle(o.from);
    const ids = idsOf(o);
    const root = prepared(o, tree, ids, hasGrub);
    const [suffix, { magic, tool }] = form;
    const grub = grubOf(tree);
    return asFile(
      declareOne({
        rule: "disk",
        command: recipe("disk.sh", ["lib.sh", "space.sh", "tell.sh", "disk.sh"]),
        env: {
          ...ids,
          FS: o.fs ?? "ext4",
          SIZE: o.size === undefined ? "" : String(o.size),
          LABEL: o.label ?? "",
          BOOT: o.boot ?? "",
          BOOT_SIZE: String(o.bootSize ?? (hasBootPartition ? 256 * MIB : 0)),
          JOURNAL: o.journal === false ? "" : "yes",
          RAW: (o.raw ?? []).map(({ file, at }) => `${at} ${file}`).join("\n"),
          FORM: suffix,
          EFI_NAME: grub.file,
          GRUB_PLATFORM: grub.platform,
        },
        inputs: { TREE: root },
        outputs: [{ name: "OUT", kind: "file", pattern: o.out }],
        tools: [
          ...TOOLS,
          ...FS_TOOLS[o.fs ?? "ext4"],
          ...loaderTools(o.boot, grub.tool),
          ...(tool === null ? [] : [tool]),
        ],
        root: true,
        holds: [
          ...holding(o.fs ?? "ext4", "TREE", { without: hasBootPartition ? ["boot"] : [] }),
          ...(hasBootPartition ? holding("vfat", "TREE", { beneath: "boot" }) : []),
        ],
        guards: guardsOf(o.guards, diskGuards(magic)),
        resources: { cpu: tool === null ? 1 : 2, memory: 1024 ** 3 },
        ...limits(o),
      }),
    );
  },
);

const diskGuards = (magic: string | null): Guards => ({
  minSize: 4096,
  ...(magic === null ? {} : { magic }),
});

/** The tree with fstab and, with GRUB, what starts and the menu. */
function prepared(o: Given, tree: Handle, ids: Ids, hasGrub: boolean): Handle {
  const fs = o.fs ?? "ext4";
  const fstab = [`UUID=${fs === "vfat" ? ids.ROOT_FAT : ids.ROOT_UUID} / ${fs} defaults 0 1`];
  if (o.boot === "rpi" || o.boot === "uboot") fstab.push(`UUID=${ids.BOOT_FAT} /boot vfat defaults 0 2`);
  const cmdline = `root=UUID=${ids.ROOT_UUID} ${o.cmdline ?? ""}`.trim();
  return declareOne(
    {
      rule: "disk.tree",
      command: recipe("disk-tree.sh", ["lib.sh", "menu.sh", "disk-menu.sh", "kernels.sh", "disk-tree.sh"]),
      env: {
        FSTAB: fstab.join("\n"),
        BOOT: o.boot ?? "",
        PARTUUID: `${ids.DISK_ID}-02`,
        ...(hasGrub ? { MENU: menuText("disk", o.menu, cmdline, "Linux"), WAIT: waitOf(o) } : {}),
      },
      inputs: {
        BASE: tree,
        ...(o.kernel === undefined ? {} : { KERNEL: o.kernel }),
        ...(o.initrd === undefined ? {} : { INITRD: o.initrd }),
        ...(ownKernels(o, hasGrub) ? { MADE: initrds(tree, fs, limits(o)) } : {}),
      },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      root: true,
      ...limits(o),
    },
    tree.lineage,
  );
}

/** Whether kernels of the tree start. */
const ownKernels = (o: Given, hasGrub: boolean): boolean =>
  o.boot === "uboot" || (hasGrub && o.kernel === undefined && o.initrd === undefined);

/**
 * A tree with what is missing in `boot` of `tree`: initial RAM file systems, made by the tree's own tool. One for all disks
 * of a tree: nothing of a disk is in it but the kind of its file system.
 */
function initrds(tree: Handle, fs: string, limit: Limits): Handle {
  const { lineage } = tree;
  const arch = lineage?.arch;
  const cpu = lineage === undefined ? null : cpuOf(lineage.driver, lineage.arch);
  const made = declareOne(
    {
      rule: "disk.initrds",
      command: recipe("disk-initrds.sh", [...INSIDE, "kernels.sh", "generators.sh", "disk-initrds.sh"]),
      env: { ARCH: arch ?? "", CPU: cpu ?? "", FS: fs },
      inputs: { BASE: tree },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      tools: lineage === undefined ? [] : emulation(lineage.driver, lineage.arch),
      root: true,
      ...(arch === undefined ? {} : { arch }),
      resources: { cpu: 2, memory: 512 * 1024 ** 2 },
      ...limit,
    },
    lineage,
  );
  return declareOne({
    rule: "disk.initrds-settle",
    command: recipe("disk-initrds-settle.mjs", ["disk-initrds-settle.mjs"], ["cpio.mjs"]),
    inputs: { FROM: made },
    outputs: [{ name: "OUT", kind: "tree", base: null }],
    tools: packTools("tar.xz"),
    root: true,
    resources: { cpu: 2, memory: 1024 ** 3 },
    ...limit,
  });
}

const waitOf = (o: Given): string => String(o.wait ?? (o.menu === undefined || o.menu.length < 2 ? 0 : 5));

const TOOLS: readonly Tool[] = [{ name: "sfdisk", package: "fdisk" }];
const FAT: readonly Tool[] = [
  { name: "mkfs.vfat", package: "dosfstools" },
  { name: "mcopy", package: "mtools" },
];
const FS_TOOLS: Readonly<Record<(typeof FILE_SYSTEMS)[number], readonly Tool[]>> = {
  ext4: [
    { name: "mke2fs", package: "e2fsprogs" },
    { name: "debugfs", package: "e2fsprogs" },
  ],
  btrfs: [{ name: "mkfs.btrfs", package: "btrfs-progs" }],
  vfat: FAT,
};
const GRUB: Tool = { name: "grub-mkimage", package: "grub-common" };
const GRUB_BIOS: Tool = { name: "/usr/lib/grub/i386-pc/boot.img", package: "grub-pc-bin" };

function loaderTools(boot: Given["boot"], efi: Tool): readonly Tool[] {
  switch (boot) {
    case undefined:
      return [];
    case "grub-bios":
      return [GRUB, GRUB_BIOS];
    case "grub-efi":
      return [GRUB, efi, ...FAT];
    case "grub":
      return [GRUB, GRUB_BIOS, efi, ...FAT];
    case "rpi":
    case "uboot":
      return FAT;
  }
}

/** GRUB for the tree's processor; the first, which nothing uses, where GRUB is not for it. */
function grubOf(tree: Handle): (typeof grubCpus)[number] {
  const cpu = tree.lineage === undefined ? "x86_64" : cpuOf(tree.lineage.driver, tree.lineage.arch);
  const found = grubCpus.find((one) => one.cpu === cpu) ?? grubCpus[0];
  if (found === undefined) throw new Error("GRUB is for no processor");
  return found;
}

type Ids = ReturnType<typeof idsOf>;

/**
 * What file systems and partitions are known by. From the declaration, so that the same image is the same bit for bit,
 * and the images of one project are not mistaken for each other.
 */
function idsOf(o: Given) {
  const seed = JSON.stringify([o.out, o.fs, o.label, o.boot, o.size]);
  const bytes = (what: string): string => createHash("sha256").update(`${what} ${seed}`).digest("hex");
  // RFC 9562, version 8: what is in it is our own affair.
  const uuid = (what: string): string =>
    bytes(what).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-8$3-8$4-$5");
  const fat = (what: string): string =>
    bytes(what)
      .slice(0, 8)
      .toUpperCase()
      .replace(/^(.{4})/, "$1-");
  return {
    DISK_ID: bytes("disk").slice(0, 8),
    DISK_UUID: uuid("disk"),
    ROOT_UUID: uuid("root"),
    ROOT_FAT: fat("root"),
    ROOT_PART: uuid("root partition"),
    BOOT_FAT: fat("boot"),
    BOOT_PART: uuid("boot partition"),
    BIOS_PART: uuid("bios partition"),
  };
}
