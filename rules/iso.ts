// iso: a live image that starts from CD and, the same file, from a disk, with BIOS and UEFI. The kernel's command line
// is the Imagefile's.
import { z } from "zod";
import {
  declareOne,
  type Handle,
  isHandle,
  isSource,
  type SourceHandle,
  sourceOf,
  wrongOption,
} from "../engine/declare.js";
import type { Tool } from "../engine/model.js";
import { rule } from "./declaration.js";
import { cpuOf } from "./distributions.js";
import { holding } from "./formats.js";
import {
  identifier,
  isoMenuOption,
  kernelsOf,
  kernelsOption,
  menusOf,
  menusOptions,
  type Content,
} from "./iso-menus.js";
import { cmdlineOption, grubCpus, waitOption } from "./menu.js";
import { option, render, typed } from "./options.js";
import { directoryName, directoryOf, isOutside, staged } from "./patterns.js";
import { recipe } from "./recipes.js";
import { anyInput, arrayOf, common, fileTarget, guardsOf, limits, out } from "./schema.js";
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
const OWN = ["boot/vmlinuz", "boot/initrd.img", "boot/grub", "isolinux", "loader", ".disk", "EFI"];

export const iso = rule(
  "rule.iso",
  "A live image for CD and disk, BIOS and UEFI.",
  {
    kernel: option(
      fileTarget.optional(),
      "a file target",
      "The kernel, `boot/vmlinuz` in the image. It may be left out where there are `kernels`, or menus of yours alone.",
    ),
    initrd: option(
      fileTarget.optional(),
      "a file target",
      "Its initial RAM file system, `boot/initrd.img` in the image.",
    ),
    kernels: kernelsOption,
    contents: option(
      z.record(place, anyInput),
      "{ path: a target, or files() }",
      "What else is in the image, by its path in it: a file, a tree (a directory with all that is in it), or files " +
        "of the project (with their paths from their globs' directory on, where the path ends in `/`).",
    ),
    label: labelOption,
    publisher: identifier("Who publishes the volume."),
    application: identifier("What the volume is, or is made by."),
    cmdline: cmdlineOption,
    menu: isoMenuOption,
    wait: waitOption,
    ...menusOptions,
    sums: option(
      z.enum(["sha256", "md5"]).optional(),
      "sha256 or md5",
      "Whether the image has checksums of its files at its top, in `sha256sum.txt` or `md5sum.txt`, as `sha256sum -c` and live-boot's " +
        "`verify-checksums` take them. isolinux.bin is not among them: it holds where it lies in the image.",
    ),
    efi: option(
      arrayOf(z.enum(["x64", "ia32", "aa64"]), 1).optional(),
      "an array of x64, ia32, aa64",
      "Processors whose UEFI starts it, as UEFI calls them; the kernel's own unless said. Some machines of 64 bits have a firmware of " +
        '32: `["x64", "ia32"]`.',
    ),
    out,
    ...common,
  },
  (o): FileTarget => {
    checkLabel("iso", o.label);
    const kernels = kernelsOf(o);
    const lineage = [o.kernel, ...kernels.map((one) => one.kernel), ...Object.values(o.contents)]
      .flatMap((one) => (one !== undefined && isHandle(one) ? (one.lineage ?? []) : []))
      .at(0);
    const cpu = lineage === undefined ? "x86_64" : cpuOf(lineage.driver, lineage.arch);
    const own = grubCpus.find((one) => one.cpu === cpu);
    if (own === undefined) {
      const known = grubCpus.map((one) => one.cpu).join(", ");
      wrongOption("iso", `kernel: expected one for ${known}, found one for ${lineage?.arch ?? "?"}`);
    }
    const firmware =
      o.efi === undefined
        ? [own]
        : grubCpus.filter((one) => o.efi?.some((name) => name === one.efi) === true);
    const entries = Object.entries(o.contents).map(([path, input], i) =>
      content("contents", path, input, variableOf(path, i)),
    );
    const menus = menusOf(o, kernels, own.bios, content);
    return asFile(
      declareOne({
        rule: "iso",
        command: recipe(
          "iso.sh",
          ["lib.sh", "space.sh", "iso-files.sh", "iso.sh"],
          ["iso-menus.mjs", "iso-loaders.mjs", "iso-sums.mjs", "tree.mjs"],
        ),
        env: {
          CONTENTS: entries.map(lineOf).join("\n"),
          KERNELS: kernels.map(({ name }, i) => `KERNEL_${i} INITRD_${i} ${name}`).join("\n"),
          MENUS: menus.contents.map(lineOf).join("\n"),
          LABEL: o.label,
          PUBLISHER: o.publisher ?? "",
          APPLICATION: o.application ?? "",
          PLAN: menus.plan,
          SUMS: o.sums ?? "",
          EFI: firmware
            .map(({ platform, file, systemd }) => `${platform} ${file} ${systemd.name}`)
            .join("\n"),
          SYSTEMD_BOOT: o.menus?.systemdBoot === undefined ? "" : "yes",
          MODULES: menus.modules ? "yes" : "",
          BIOS: own.bios ? "yes" : "",
        },
        inputs: {
          ...(o.kernel === undefined || o.initrd === undefined ? {} : { KERNEL: o.kernel, INITRD: o.initrd }),
          ...Object.fromEntries(
            kernels.flatMap(({ kernel, initrd }, i) => [
              [`KERNEL_${i}`, kernel],
              [`INITRD_${i}`, initrd],
            ]),
          ),
          ...menus.inputs,
          ...Object.fromEntries(entries.map(({ name, input }) => [name, input])),
        },
        outputs: [{ name: "OUT", kind: "file", pattern: o.out }],
        tools: [
          ...TOOLS,
          ...(own.bios ? BIOS : []),
          ...firmware.map((one) => (o.menus?.systemdBoot === undefined ? one.tool : one.systemd)),
        ],
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

const lineOf = ({ name, path, strip }: Content): string => `${name} ${strip}=${path}`;

/** `live/filesystem.squashfs` is FILESYSTEM_SQUASHFS_0: a person reads it in the ids of targets. */
const variableOf = (path: string, i: number): string => {
  const last = path.split("/").filter(Boolean).at(-1) ?? "";
  return `${last
    .toUpperCase()
    .replace(/^[^A-Z]+/, "F")
    .replace(/[^A-Z0-9]/g, "_")}_${i}`;
};

/** `path` ends in `/` where it is a directory for files. */
function content(option: string, path: string, given: Handle | SourceHandle, name: string): Content {
  const bare = path.replace(/\/+$/, "");
  const own =
    option === "contents" ? OWN.find((one) => bare === one || bare.startsWith(`${one}/`)) : undefined;
  if (own !== undefined) wrongOption("iso", `contents: ${own} is what the image has for itself`);
  // Of a packed tree it is the file.
  if (!isSource(given)) return { name, path: bare, strip: "", input: given };
  const found = sourceOf(given);
  if (found.kind !== "files") wrongOption("iso", `${option}.${path}: expected a target or files(…)`);
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
