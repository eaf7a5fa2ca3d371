// The boot menu as data, for images that have one: entries of a title and a command line, and how long it waits; and
// GRUB for the UEFI firmware of each processor.
import { z } from "zod";
import { wrongOption } from "../engine/declare.js";
import type { Tool } from "../engine/model.js";
import { option } from "./options.js";
import { arrayOf } from "./schema.js";

// GRUB's quotes are single ones, and have no escape.
const line = z.string().regex(/^[^\n']*$/);

export const cmdlineOption = option(
  line.optional(),
  "text of one line, without '",
  "The kernel's command line, in every entry. `{date}` becomes the datecode.",
);
/** What every entry has. */
export const entry = z.strictObject({
  title: option(
    z.string().regex(/^[^\n'|]*[^\n'| ][^\n'|]*$/),
    "text of one line, without ' and |",
    "What the menu shows.",
  ),
  cmdline: option(
    line.optional(),
    "text of one line, without '",
    "What comes after `cmdline` of all entries.",
  ),
});
/** One entry: what the menu shows, and what comes after the common command line. */
export type MenuEntry = z.input<typeof entry>;

export const menuOption = option(
  arrayOf(entry, 1).optional(),
  "an array of { title, cmdline }, without ' and |",
  "Entries of the menu: what is shown, and what comes after `cmdline`; the first is the default. One entry unless said.",
);
export const waitOption = option(
  z.number().int().min(0).max(3600).optional(),
  "a number of seconds",
  "Seconds that the menu waits; 5 where it has several entries, otherwise none unless said.",
);

/** Lines of `title|command line`. */
export const menuText = (
  rule: string,
  menu: readonly MenuEntry[] | undefined,
  cmdline = "",
  title: string,
): string =>
  distinct(rule, menu ?? [{ title }])
    .map((one) => `${one.title}|${wordsOf(cmdline, one)}`)
    .join("\n");

/** An entry's whole command line. */
export const wordsOf = (cmdline: string, one: Pick<MenuEntry, "cmdline">): string =>
  [cmdline, one.cmdline ?? ""].join(" ").trim();

/** The entries, of which no two may have one title. */
export function distinct<E extends Pick<MenuEntry, "title">>(
  rule: string,
  entries: readonly E[],
): readonly E[] {
  const titles = entries.map((one) => one.title);
  const twice = titles.find((one, i) => titles.indexOf(one) !== i);
  if (twice !== undefined) wrongOption(rule, `menu: two entries are called ${JSON.stringify(twice)}`);
  return entries;
}

// GRUB for the UEFI firmware of each processor: which there are, and what Debian's package of it is called.

/** GRUB for a processor's UEFI: the file that firmware looks for (UEFI 2.10, 3.5.1.1), and GRUB's name for it. */
interface GrubCpu {
  readonly cpu: string;
  readonly platform: string;
  readonly file: string;
  readonly tool: Tool;
  /** As UEFI calls the processor. */
  readonly efi: string;
  readonly systemd: Tool;
  /** Whether machines of the kind may have a BIOS. */
  readonly bios: boolean;
}

const grub = (cpu: string, platform: string, file: string, bios: boolean): GrubCpu => ({
  ...{ cpu, platform, file, bios, efi: EFI[cpu] ?? cpu, systemd: systemdBoot(cpu) },
  tool: { name: `/usr/lib/grub/${platform}/kernel.img`, package: `grub-efi-${DEBIAN[cpu] ?? cpu}-bin` },
});
/** systemd-boot for a processor's UEFI. */
const systemdBoot = (cpu: string): Tool => ({
  name: `/usr/lib/systemd/boot/efi/systemd-boot${EFI[cpu] ?? cpu}.efi`,
  package: "systemd-boot-efi",
});
/** As UEFI calls them. */
const EFI: Readonly<Record<string, string>> = { x86_64: "x64", aarch64: "aa64", i386: "ia32" };
const DEBIAN: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", i386: "ia32" };

/** Processors that GRUB starts a kernel on. */
export const grubCpus: readonly GrubCpu[] = [
  grub("x86_64", "x86_64-efi", "BOOTX64.EFI", true),
  grub("i386", "i386-efi", "BOOTIA32.EFI", true),
  grub("aarch64", "arm64-efi", "BOOTAA64.EFI", false),
];
