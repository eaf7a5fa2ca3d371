// The menus of a live image: the generated one, its picture and several kernels, or files of the user's for isolinux, GRUB or
// systemd-boot. recipes/iso-menus.mjs writes the one and looks through the others.
import { z } from "zod";
import { isSource, sourceOf, wrongOption, type Handle, type SourceHandle } from "../engine/declare.js";
import type { Source as EngineSource } from "../engine/model.js";
import { distinct, entry, wordsOf } from "./menu.js";
import { option, typed } from "./options.js";
import { contentsOf } from "./patterns.js";
import { anyInput, arrayOf, fileTarget, filesSource } from "./schema.js";

/** An input, and its place in the image. */
export interface Content {
  readonly name: string;
  readonly path: string;
  /** Leading directory of a file's path that is not part of its place. */
  readonly strip: string;
  readonly input: Handle | EngineSource;
}

const kernelName = typed(
  z.string().regex(/^(?!grub$)[A-Za-z0-9][A-Za-z0-9._-]*$/),
  "a name of letters, digits and . _ -, other than grub",
);

export const kernelsOption = option(
  z
    .record(
      kernelName,
      z.strictObject({
        kernel: option(fileTarget, "a file target", "The kernel, `boot/NAME/vmlinuz` in the image."),
        initrd: option(fileTarget, "a file target", "Its initial RAM file system, `boot/NAME/initrd.img`."),
      }),
    )
    .optional(),
  "{ name: { kernel, initrd } }",
  "More kernels, by names for the menu's `kernel`. Without a menu each has an entry, after that of `kernel`.",
);

export const isoMenuOption = option(
  arrayOf(
    entry.extend({
      kernel: option(
        z.string().optional(),
        "a name in kernels",
        "Which of `kernels` it starts; `kernel` unless said.",
      ),
    }),
    1,
  ).optional(),
  "an array of { title, cmdline, kernel }, without ' and |",
  "Entries of the menu: what is shown, what comes after `cmdline`, and which kernel; the first is the default. One entry for each kernel " +
    "unless said.",
);

/** A field of the volume's descriptor. */
export const identifier = (text: string) =>
  option(
    z
      .string()
      .regex(/^[ -~]{1,128}$/)
      .optional(),
    "text of at most 128 characters of ASCII",
    text,
  );

const menu = (what: string) => option(anyInput.optional(), "files(…), or a tree", what);

export const menusOptions = {
  splash: option(
    z.union([filesSource, fileTarget]).optional(),
    "files(…), or a file target",
    "A picture behind the menu, PNG or JPEG; 640 by 480 is what isolinux shows.",
  ),
  loopback: option(
    z
      .string()
      .regex(/^[^\n'"]*\{iso\}[^\n'"]*$/)
      .optional(),
    "text of one line with {iso} in it",
    "What the kernel is told where another GRUB starts the image as a file on a disk (`boot/grub/loopback.cfg`): `findiso={iso}` for " +
      "live-boot, where `{iso}` becomes the file's path. Without it the image has no such menu.",
  ),
  menus: option(
    z
      .strictObject({
        isolinux: menu("What BIOS shows, in `isolinux/`: isolinux.cfg or syslinux.cfg and what it includes."),
        grub: menu(
          "What GRUB shows, in `boot/grub/`: grub.cfg and what it includes. All modules of GRUB are beside it, and the font `unicode`.",
        ),
        systemdBoot: menu(
          "What systemd-boot shows, in place of GRUB, in `loader/`: loader.conf and entries/*.conf. The kernels that they name are copied " +
            "to where it can read them.",
        ),
        fill: option(
          z.record(z.string().min(1), z.string()).optional(),
          "{ text: other text }",
          'What is put in place of what the files leave open: `{ "%ARCH%": "x86_64", "@KERNEL@": "/boot/vmlinuz" }`. `{uuid}` becomes the ' +
            "volume's UUID, `{date}` the datecode, `{menu}` the entries of `menu` as that boot loader writes them.",
        ),
      })
      .optional(),
    "{ isolinux, grub, systemdBoot, fill }",
    "Menus of yours, as files; what has none is generated from `menu`. What they leave open (`%NAME%`, `@NAME@`), and files that an entry " +
      "names and the image does not have, are errors.",
  ),
};

/** What of the options of `rule.iso` is about kernels and menus. */
interface Given {
  readonly kernel?: Handle | undefined;
  readonly initrd?: Handle | undefined;
  readonly kernels?:
    Readonly<Record<string, { readonly kernel: Handle; readonly initrd: Handle }>> | undefined;
  readonly label: string;
  readonly cmdline?: string | undefined;
  readonly menu?:
    | readonly {
        readonly title: string;
        readonly cmdline?: string | undefined;
        readonly kernel?: string | undefined;
      }[]
    | undefined;
  readonly wait?: number | undefined;
  readonly splash?: Handle | SourceHandle | undefined;
  readonly loopback?: string | undefined;
  readonly menus?:
    | {
        readonly isolinux?: Handle | SourceHandle | undefined;
        readonly grub?: Handle | SourceHandle | undefined;
        readonly systemdBoot?: Handle | SourceHandle | undefined;
        readonly fill?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
}

/** A kernel beside the first. */
interface Kernel {
  readonly name: string;
  readonly kernel: Handle;
  readonly initrd: Handle;
}

/** Kernels beside the first, after a look at whether all that there must be is there. */
export function kernelsOf({ kernel, initrd, kernels = {}, menu: entries }: Given): readonly Kernel[] {
  if ((kernel === undefined) !== (initrd === undefined))
    wrongOption(
      "iso",
      `${kernel === undefined ? "kernel" : "initrd"}: expected a file target, found nothing`,
    );
  for (const { title, kernel: name } of entries ?? []) {
    if (name !== undefined && kernels[name] === undefined) {
      const known = Object.keys(kernels).join(", ");
      wrongOption(
        "iso",
        `menu: ${title}: kernels has no ${name}`,
        known === "" ? undefined : `it has ${known}`,
      );
    }
  }
  return Object.entries(kernels).map(([name, one]) => ({ name, ...one }));
}

/** What the recipe is told of menus, and what it reads for them. */
interface Menus {
  readonly plan: string;
  readonly contents: readonly Content[];
  readonly inputs: Readonly<Record<string, Handle | EngineSource>>;
  /** Whether GRUB's modules are in the image. */
  readonly modules: boolean;
}

type Place = (option: string, path: string, given: Handle | SourceHandle, name: string) => Content;

/** All of that. `place` says what an input is in the image. */
export function menusOf(o: Given, kernels: readonly Kernel[], bios: boolean, place: Place): Menus {
  const { isolinux, grub, systemdBoot, fill } = o.menus ?? {};
  if (grub !== undefined && systemdBoot !== undefined)
    wrongOption("iso", "menus: grub and systemdBoot: UEFI starts one of them; leave out the other");
  if (isolinux !== undefined && !bios)
    wrongOption("iso", "menus.isolinux: machines with this processor have no BIOS; leave it out");
  const isAllOwn = (!bios || isolinux !== undefined) && (grub ?? systemdBoot) !== undefined;
  const entries = entriesOf(o, kernels);
  if (entries.length === 0 && !isAllOwn)
    wrongOption(
      "iso",
      "kernel: expected a file target, found nothing",
      "menus of yours for every firmware start what is in contents",
    );
  const unused = isAllOwn && !usesMenu(fill) ? unusedOf(o) : undefined;
  if (unused !== undefined)
    wrongOption(
      "iso",
      `${unused}: all menus are files of yours, so it has no effect`,
      "leave it out, or say it there",
    );
  if (o.loopback !== undefined && grub !== undefined)
    wrongOption("iso", "loopback: put a loopback.cfg of yours beside menus.grub instead");
  const given: readonly (readonly [string, string, Handle | SourceHandle | undefined])[] = [
    ["isolinux", "isolinux/", isolinux],
    ["grub", "boot/grub/", grub],
    ["systemdBoot", "loader/", systemdBoot],
  ];
  const contents = given.flatMap(([name, path, files]) =>
    files === undefined ? [] : [place("menus", path, files, `MENU_${name.toUpperCase()}`)],
  );
  return {
    plan: JSON.stringify({
      entries,
      wait: o.wait ?? (entries.length < 2 ? 0 : 5),
      loopback: o.loopback ?? null,
      own: given.filter(([, , files]) => files !== undefined).map(([name]) => name),
      fill: fill ?? {},
    }),
    contents,
    inputs: {
      ...Object.fromEntries(contents.map(({ name, input }) => [name, input])),
      ...(o.splash === undefined ? {} : { SPLASH: inputOf(o.splash) }),
    },
    modules: grub !== undefined || o.splash !== undefined,
  };
}

const inputOf = (given: Handle | SourceHandle): Handle | EngineSource =>
  isSource(given) ? contentsOf(sourceOf(given)) : given;

const usesMenu = (fill: Readonly<Record<string, string>> = {}): boolean =>
  Object.values(fill).some((text) => text.includes("{menu}"));

/** An option that says something of a menu that is not made. */
const unusedOf = (o: Given): string | undefined =>
  (["menu", "cmdline", "wait", "splash"] as const).find((name) => o[name] !== undefined);

/** Titles, command lines, and names of kernels; nothing where there is nothing to start. */
function entriesOf(o: Given, kernels: readonly Kernel[]) {
  const first = o.kernel === undefined ? [] : [{ title: o.label }];
  const each = kernels.map(({ name }) => ({ title: `${o.label} (${name})`, kernel: name }));
  const entries: NonNullable<Given["menu"]> = o.menu ?? [...first, ...each];
  const lost = entries.find((one) => one.kernel === undefined && o.kernel === undefined);
  if (lost !== undefined)
    wrongOption(
      "iso",
      `menu: ${lost.title}: expected the name of one of kernels, because there is no kernel`,
    );
  return distinct("iso", entries).map((one) => ({
    title: one.title,
    words: wordsOf(o.cmdline ?? "", one),
    kernel: one.kernel ?? null,
  }));
}
