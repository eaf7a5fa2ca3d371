// What an Imagefile says of Void's release beside the checkout: more packages, steps, flavours, kernels, the keyboard and
// the names of files. Options of preset.voidLinux, and what the makers are told of them.
import { z } from "zod";
import type { Wanted } from "../../engine/model.js";
import { keymap } from "../../rules/keymap.js";
import { option } from "../../rules/options.js";
import { arrayOf, packageNames } from "../../rules/schema.js";
import { stepList } from "../../rules/steps/step.js";
import * as step from "../../rules/steps.js";
import type { Step } from "../../rules/types.js";

/** What artifacts there are. */
type MoreKind = "rootfs" | "wsl" | "platformfs" | "pxe" | "live";
/** Suffix of a disk image: for boards and for clouds. */
export type ImageSuffix = "img.xz" | "tar.gz";

const kernelName = z.string().regex(/^linux[A-Za-z0-9._-]*$/);
const serviceName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/);
const key = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/);
const perKind = <T extends z.ZodType>(one: T, type: string) =>
  z.strictObject({
    rootfs: option(one.optional(), type, "For root file systems."),
    wsl: option(one.optional(), type, "For images for WSL."),
    platformfs: option(one.optional(), type, "For platform file systems, and so for images of disks."),
    pxe: option(one.optional(), type, "For network boot."),
    live: option(one.optional(), type, "For live images."),
  });

const flavour = z.strictObject({
  like: option(
    z.string().min(1),
    "the name of a flavour",
    "The flavour of the checkout that it begins with.",
  ),
  packages: option(
    arrayOf(z.string().regex(/^[^\s-]\S*$/)).optional(),
    "package names in an array",
    "What it has beside that one's packages.",
  ),
  services: option(
    arrayOf(serviceName).optional(),
    "names of services",
    "What is started beside that one's services.",
  ),
  kernel: option(kernelName.optional(), "the name of a kernel's package", "Its kernel, as `kernel`."),
  keyboard: option(
    z.string().optional(),
    "a keyboard as the console spells it",
    "Its keyboard, as `keyboard`.",
  ),
});

/** A flavour of the user's own. */
export type Flavour = z.input<typeof flavour>;

/** Options of the preset. */
export const moreOptions = {
  packages: option(
    perKind(packageNames, 'package names in an array, or list("file")').optional(),
    "{ rootfs, wsl, platformfs, pxe, live: package names }",
    "Packages beside those of the checkout, by what they go into. The scripts have an option for them in `platformfs` " +
      "and `live` only.",
  ),
  steps: option(
    perKind(stepList, "steps in an array").optional(),
    "{ rootfs, wsl, platformfs, pxe, live: steps }",
    "More changes to the trees, last. With `native` only: the scripts run unmodified.",
  ),
  platforms: option(
    arrayOf(key).optional(),
    "names of platforms",
    "Platforms beside the Makefile's own, such as `rock64`: those that lib.sh and mkplatformfs.sh of the checkout know.",
  ),
  flavours: option(
    z.record(key, flavour).optional(),
    "{ name: { like, packages, services, kernel, keyboard } }",
    "Flavours of your own among the live images.",
  ),
  kernel: option(
    kernelName.optional(),
    "the name of a kernel's package",
    "The kernel of live images and network boot: `linux` unless said.",
  ),
  keyboard: option(
    z.string().optional(),
    "a keyboard as the console spells it",
    "`ch-fr_nodeadkeys`: of the console in live images and network boot; with `native` of X11 and the greeter in live " +
      "images too.",
  ),
  name: option(
    z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/)
      .optional(),
    "the beginning of a file name",
    "What names of files begin with: `void` unless said. Two releases of one architecture in one Imagefile need two.",
  ),
  reads: option(
    arrayOf(z.string().regex(/^(?!\/)[^*?{}[\]!]+$/)).optional(),
    "paths in the checkout",
    "Files of the checkout that its Makefile or scripts read beside those that void-mklive has.",
  ),
};

type Checked = z.output<z.ZodObject<typeof moreOptions>>;

/** What the makers are told. */
export interface More {
  readonly packages: { readonly [K in MoreKind]?: readonly Wanted[] | undefined };
  readonly steps: { readonly [K in MoreKind]?: readonly Step[] | undefined };
  readonly flavours: Readonly<Partial<Record<string, z.output<typeof flavour>>>>;
  readonly kernel: string | null;
  readonly keyboard: string | null;
  readonly name: string;
}

/** Of checked options. */
export const moreOf = (o: Checked): More => ({
  packages: o.packages ?? {},
  steps: o.steps ?? {},
  flavours: o.flavours ?? {},
  kernel: o.kernel ?? null,
  keyboard: o.keyboard === undefined ? null : keymap(o.keyboard).vconsole,
  name: o.name ?? "void",
});

/** The keyboard of X11, for its greeter too: a file that the server reads when it starts. */
export function x11Keyboard(console: string): Step {
  const [layout = "", variant] = keymap(console).xkb.split("+");
  const option = (name: string, value: string): string => `    Option "Xkb${name}" "${value}"\n`;
  return step.write(
    "etc/X11/xorg.conf.d/00-keyboard.conf",
    `Section "InputClass"\n    Identifier "keyboard"\n    MatchIsKeyboard "on"\n${option("Layout", layout)}` +
      `${variant === undefined ? "" : option("Variant", variant)}EndSection\n`,
  );
}
