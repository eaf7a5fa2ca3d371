// iso: a live image that starts from CD and, the same file, from a disk, with BIOS and UEFI. The kernel's command line
// is the Imagefile's.
import { z } from "zod";
import {
  declareOne,
  type Handle,
  isSource,
  type SourceHandle,
  sourceOf,
  wrongOption,
} from "../engine/declare.js";
import type { Source as EngineSource, Tool } from "../engine/model.js";
import { rule } from "./declaration.js";
import { cpuOf } from "./distributions.js";
import { holding } from "./formats.js";
import { cmdlineOption, grubCpus, menuOption, menuText, waitOption } from "./menu.js";
import { option, render, typed } from "./options.js";
import { directoryName, directoryOf, isOutside, staged } from "./patterns.js";
import { recipe } from "./recipes.js";
import { anyInput, common, fileTarget, guardsOf, limits, out } from "./schema.js";
import { asFile, type FileTarget } from "./types.js";

/** ISO 9660 has 32 characters, of which Joliet keeps 16. */
const LONGEST = 32;

export const labelOption = option(
  z.string().regex(/^(?:[A-Za-z0-9_.-]|\{date\})+$/),
  "letters, digits and _ . -, at most 32",
  "The volume's label. `{date}` becomes the datecode, and then the date is in the key.",
);

/** Refuses a label that is too long once it has its date. */
export function checkLabel(rule: string, label: string): void {
  if (label.replaceAll("{date}", "00000000").length <= LONGEST) return;
  wrongOption(rule, `label: expected at most ${LONGEST} characters, found ${render(label)}`);
}

const place = typed(
  z
    .string()
    .refine(
      (path) => /[^/]/.test(path) && !/[\n=\\]/.test(path) && !path.split("/").some((part) => part === ".."),
    )
    .transform((path) => path.replace(/^\/+/, "")),
  "a path inside the image, without `..`, `=` and backslashes",
);

/** What the image has for itself. */
const OWN = ["boot/vmlinuz", "boot/initrd.img", "boot/grub", "isolinux", ".disk", "EFI"];

export const iso = rule(
  "rule.iso",
  "A live image for CD and disk, BIOS and UEFI.",
  {
    kernel: option(fileTarget, "a file target", "The kernel, `boot/vmlinuz` in the image."),
    initrd: option(
      fileTarget,
      "a file target",
      "Its initial RAM file system, `boot/initrd.img` in the image.",
    ),
    contents: option(
      z.record(place, anyInput),
      "{ path: a target, or files() }",
      "What else is in the image, by its path in it: a file, a tree (a directory with all that is in it), or files " +
        "of the project (with their paths from their globs' directory on, where the path ends in `/`).",
    ),
    label: labelOption,
    cmdline: cmdlineOption,
    menu: menuOption,
    wait: waitOption,
    out,
    ...common,
  },
  (o): FileTarget => {
    checkLabel("iso", o.label);
    const { lineage } = o.kernel;
    const cpu = lineage === undefined ? "x86_64" : cpuOf(lineage.driver, lineage.arch);
    const grub = grubCpus.find((one) => one.cpu === cpu);
    if (grub === undefined) {
      const known = grubCpus.map((one) => one.cpu).join(", ");
      wrongOption("iso", `kernel: expected one for ${known}, found one for ${lineage?.arch ?? "?"}`);
    }
    const entries = Object.entries(o.contents).map(([path, input], i) =>
      content(path, input, variableOf(path, i)),
    );
    return asFile(
      declareOne({
        rule: "iso",
        command: recipe("iso.sh", ["lib.sh", "space.sh", "menu.sh", "iso.sh"]),
        env: {
          CONTENTS: entries.map(({ name, path, strip }) => `${name} ${strip}=${path}`).join("\n"),
          LABEL: o.label,
          MENU: menuText("iso", o.menu, o.cmdline, o.label),
          WAIT: String(o.wait ?? (o.menu === undefined || o.menu.length < 2 ? 0 : 5)),
          EFI_NAME: grub.file,
          GRUB_PLATFORM: grub.platform,
          BIOS: grub.bios ? "yes" : "",
        },
        inputs: {
          KERNEL: o.kernel,
          INITRD: o.initrd,
          ...Object.fromEntries(entries.map(({ name, input }) => [name, input])),
        },
        outputs: [{ name: "OUT", kind: "file", pattern: o.out }],
        tools: [...TOOLS, ...(grub.bios ? BIOS : []), grub.tool],
        root: true,
        holds: entries.flatMap(({ name }) => holding("iso", name)),
        // A kernel alone is larger.
        guards: guardsOf(o.guards, { minSize: 1024 ** 2 }),
        ...limits(o),
      }),
    );
  },
);

const TOOLS: readonly Tool[] = [
  { name: "xorriso", package: "xorriso" },
  { name: "mkfs.vfat", package: "dosfstools" },
  { name: "mcopy", package: "mtools" },
  { name: "grub-mkimage", package: "grub-common" },
];
const BIOS: readonly Tool[] = [
  { name: "/usr/lib/ISOLINUX/isolinux.bin", package: "isolinux" },
  { name: "/usr/lib/syslinux/modules/bios/menu.c32", package: "syslinux-common" },
];

/** `live/filesystem.squashfs` is FILESYSTEM_SQUASHFS_0: a person reads it in the ids of targets. */
const variableOf = (path: string, i: number): string => {
  const last = path.split("/").filter(Boolean).at(-1) ?? "";
  return `${last
    .toUpperCase()
    .replace(/^[^A-Z]+/, "F")
    .replace(/[^A-Z0-9]/g, "_")}_${i}`;
};

interface Content {
  readonly name: string;
  readonly path: string;
  /** Leading directory of a file's path that is not part of its place. */
  readonly strip: string;
  readonly input: Handle | EngineSource;
}

/** `path` ends in `/` where it is a directory for files. */
function content(path: string, given: Handle | SourceHandle, name: string): Content {
  const bare = path.replace(/\/+$/, "");
  const own = OWN.find((one) => bare === one || bare.startsWith(`${one}/`));
  if (own !== undefined) wrongOption("iso", `contents: ${own} is what the image has for itself`);
  // Of a packed tree it is the file.
  if (!isSource(given)) return { name, path: bare, strip: "", input: given };
  const found = sourceOf(given);
  if (found.kind !== "files") wrongOption("iso", `contents.${path}: expected a target or files(…)`);
  const isDirectory = path.endsWith("/");
  // One file gets another name, and a link's text would lead elsewhere from there.
  const source = isDirectory ? found : { ...found, links: "contents" as const };
  const stage = name.toLowerCase();
  const base = source.from === undefined ? undefined : directoryName(source.from);
  const from =
    source.stage !== undefined
      ? source
      : base === undefined
        ? staged(source, stage)
        : isOutside(base)
          ? { ...source, stage }
          : source;
  const strip = from.stage ?? base ?? directoryOf(source.patterns);
  const tree = { kind: "image", base: strip, to: bare, modes: [] } as const;
  return { name, path, strip, input: isDirectory ? { ...from, tree } : from };
}
