// What an installer ISO takes out of packages, as data: XCP-ng's, unless an Imagefile says other.
import { z } from "zod";
import { option, typed } from "../options.js";
import { arrayOf } from "../schema.js";

const inside = z
  .string()
  .refine(
    (path) =>
      /[^/]/.test(path) && !/[\s|]/.test(path) && !path.split("/").includes("..") && !path.startsWith("/"),
  );

const bootFile = z.strictObject({
  package: option(
    z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/),
    "the name of a package",
    "Name of the package.",
  ),
  take: option(inside, "a path", "Path in it; `*` stands for part of a name."),
  but: option(inside.optional(), "a path", "Names that are not meant."),
  as: option(
    inside,
    "a path",
    "Path in the image; one that ends in `/` is a directory for any number of files. Below `.installer/` only the build sees it.",
  ),
  optional: option(z.boolean().optional(), "true or false", "Whether it may be lacking."),
});
/** Files of a package, and where the image has them. */
export type BootFile = Readonly<z.input<typeof bootFile>>;

export const bootFilesOption = option(
  arrayOf(typed(bootFile, "{ package, take, but, as, optional }")).optional(),
  "{ package, take, but, as, optional } in an array",
  "What is taken out of packages for booting, instead of what XCP-ng's installer takes.",
);

/** Modules that syslinux 4 does not have, and 6 cannot do without. */
const NEWER = ["ldlinux.c32", "libcom32.c32", "libutil.c32"];
const SYSLINUX = "usr/share/syslinux";

const syslinux = (loader: string, dir: string): readonly BootFile[] => [
  ...[loader, "mboot.c32", "menu.c32"].map((name) => ({
    package: "syslinux",
    take: `${SYSLINUX}/${name}`,
    as: `${dir}/${name}`,
  })),
  ...NEWER.map((name) => ({
    package: "syslinux",
    take: `${SYSLINUX}/${name}`,
    as: `${dir}/${name}`,
    optional: true,
  })),
];

/** What XCP-ng's create-iso.sh takes. Of the hypervisor it is the build for debugging, as there. */
export const XCPNG_FILES: readonly BootFile[] = [
  { package: "kernel", take: "boot/vmlinuz-*", but: "vmlinuz-*-xen", as: "boot/vmlinuz" },
  { package: "kernel-alt", take: "boot/vmlinuz-*", but: "vmlinuz-*-xen", as: "boot/alt/vmlinuz" },
  { package: "xen-hypervisor", take: "boot/xen-*-d.gz", as: "boot/xen.gz" },
  { package: "memtest86+", take: "boot/memtest.*", as: "boot/", optional: true },
  // Version 5 has it under another name.
  { package: "memtest86+", take: "boot/memtest86+-*", as: "boot/memtest.bin", optional: true },
  { package: "branding-xcp-ng", take: "usr/src/branding/EULA", as: "EULA" },
  { package: "branding-xcp-ng", take: "usr/src/branding/LICENSES", as: "LICENSES" },
  { package: "branding-xcp-ng", take: "usr/src/branding/branding", as: ".installer/branding" },
  ...syslinux("isolinux.bin", "boot/isolinux"),
  ...syslinux("pxelinux.0", "boot/pxelinux"),
  { package: "syslinux", take: `${SYSLINUX}/isohdpfx.bin`, as: ".installer/isohdpfx.bin", optional: true },
];

/** GRUB as its package has it built. */
export const GRUB_BUILT: readonly BootFile[] = [
  {
    package: "grub-efi",
    take: "boot/efi/EFI/xenserver/grubx64.efi",
    as: "EFI/xenserver/grubx64.efi",
  },
];

/** GRUB's modules, of which one is built here; the image has them too. */
export const GRUB_MODULES: readonly BootFile[] = [
  { package: "grub-efi", take: "usr/lib/grub/x86_64-efi/*", as: "boot/grub/x86_64-efi/" },
];
