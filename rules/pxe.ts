// pxe: what a TFTP server needs to start a tree over the network, as one tarball. A kernel tree, an initial RAM
// file system and the tarball are actions of their own: another command line makes only the tarball again.
import { z } from "zod";
import { declareOne, sourceOf, wrongOption, type Handle } from "../engine/declare.js";
import type { Guards, Tool } from "../engine/model.js";
import { BUSYBOX_MODULES, KERNEL, kernelTree, moduleNames, packageName } from "./kernel.js";
import { layered } from "./layers.js";
import { netbootOfVoid } from "./netboot-xbps.js";
import { option } from "./options.js";
import { rule } from "./declaration.js";
import { holding } from "./formats.js";
import { ARCHIVER, formatOf, packOption, packRecipe, packTools, type Packing } from "./pack.js";
import { contentsOf } from "./patterns.js";
import { recipe } from "./recipes.js";
import { stepsOption } from "./steps/step.js";
import {
  asTreeHandle,
  common,
  filesSource,
  guardsOf,
  losslessOf,
  limits,
  type Limits,
  out,
  packageNames,
  treeLike,
} from "./schema.js";
import { asFile, type FileTarget } from "./types.js";

const file = filesSource.optional();

export const pxe = rule(
  "rule.pxe",
  "A network-boot tarball for BIOS and UEFI: PXELINUX, GRUB, kernel and initial RAM file system.",
  {
    from: option(treeLike, "a tree", "The root file system; all of it runs from memory."),
    packages: option(
      packageNames.optional(),
      `package names in an array, or list("file")`,
      "What is installed on it first, without recommended packages.",
    ),
    steps: stepsOption,
    kernel: option(
      packageName,
      "the name of a package",
      `The kernel's package, unpacked and not installed; ${KERNEL} unless said. For Void it is installed; linux unless said.`,
    ),
    modules: option(
      moduleNames,
      `names of kernel modules in an array, or "all"`,
      "Kernel modules that go with it, and what they depend on. Unless said, all for a tree with udev; for one " +
        `on busybox, which loads them in this order: ${BUSYBOX_MODULES.join(", ")}.`,
    ),
    cmdline: option(
      // GRUB's quotes are single ones, and have no escape.
      z
        .string()
        .regex(/^[^\n']*$/)
        .optional(),
      "text of one line, without '",
      "The kernel's command line. `{date}` becomes the datecode.",
    ),
    menu: option(
      file,
      `files("a file")`,
      "For Void, PXELINUX's configuration: void-mklive's pxelinux.cfg/pxelinux.cfg.in.",
    ),
    keymap: option(
      z
        .string()
        .regex(/^[A-Za-z0-9_-]+$/)
        .optional(),
      "a keyboard as the console spells it",
      "For Void, the keyboard of the started system; us unless said.",
    ),
    splash: option(file, `files("a file")`, "For Void, the menu's picture."),
    out,
    pack: packOption<Extract<Packing, `tar${string}`>>(),
    ...common,
  },
  (o): FileTarget => {
    const format = formatOf("pxe", o.out, o.pack);
    const from = asTreeHandle(o.from);
    const { lineage } = from;
    const limit = limits(o);
    if (lineage === undefined) {
      wrongOption("pxe", "from: the tree was not made by rootfs, so no repository is known for its kernel");
    }
    if (lineage.driver === "xbps") {
      if (o.modules !== undefined)
        wrongOption("pxe", "modules: dracut finds them in a tree of Void; leave it out");
      const { packages = [], steps = [], kernel, cmdline = "", keymap = "us" } = o;
      const menu = o.menu && contentsOf(sourceOf(o.menu));
      const splash = o.splash && contentsOf(sourceOf(o.splash));
      const guards = guardsOf(o.guards, { minSize: 512 });
      return asFile(
        netbootOfVoid({
          ...{ from, lineage, packages, steps, kernel, cmdline, keymap, limit },
          ...{ menu, splash, guards, format, out: o.out },
        }),
      );
    }
    if (lineage.arch !== "amd64") {
      wrongOption("pxe", `from: expected a tree of amd64, found one of ${lineage.arch}`);
    }
    const changed = o.packages !== undefined || (o.steps ?? []).length > 0;
    const lossless = losslessOf(o.guards);
    const tree = changed
      ? layered("pxe", from, o.packages, o.steps ?? [], { guards: lossless, ...limit })
      : from;
    const kernel = kernelTree(lineage, from, o.kernel, o.modules, limit);
    const initrd = initrdTree(tree, kernel, lossless, limit);
    return asFile(
      declareOne({
        rule: "pxe",
        command: packRecipe("pxe.sh", ["lib.sh", "pxe.sh"]),
        env: { CMDLINE: o.cmdline ?? "", FORMAT: format },
        inputs: { KERNEL: kernel, INITRD: initrd },
        outputs: [{ name: "OUT", kind: "file", pattern: o.out }],
        tools: [...BOOT_LOADERS, ...packTools(format)],
        root: true,
        // A kernel alone is larger.
        guards: guardsOf(o.guards, { minSize: 1024 ** 2 }),
        ...limit,
      }),
    );
  },
);

const BOOT_LOADERS: readonly Tool[] = [
  { name: "/usr/lib/PXELINUX/pxelinux.0", package: "pxelinux" },
  { name: "/usr/lib/syslinux/modules/bios/ldlinux.c32", package: "syslinux-common" },
  { name: "grub-mkimage", package: "grub-common" },
  { name: "/usr/lib/grub/x86_64-efi/kernel.img", package: "grub-efi-amd64-bin" },
];

/** `initrd.img`: the whole tree with the kernel's modules, and a first program where it has none. */
function initrdTree(tree: Handle, kernel: Handle, lossless: Guards, limit: Limits): Handle {
  return declareOne({
    rule: "initrd",
    command: recipe("initrd.sh", ["lib.sh", "tell.sh", "initrd.sh"], ARCHIVER),
    inputs: { TREE: tree, KERNEL: kernel },
    outputs: [{ name: "OUT", kind: "tree", base: null }],
    tools: [
      { name: "getfattr", package: "attr" },
      { name: "zstd", package: "zstd" },
    ],
    root: true,
    guards: { has: ["initrd.img"], ...lossless },
    holds: holding("cpio", "TREE"),
    resources: { cpu: 2, memory: 512 * 1024 ** 2 },
    ...limit,
  });
}
