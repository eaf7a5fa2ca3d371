// GRUB for the UEFI firmware of each processor: which there are, and what Debian's package of it is called.
import type { Tool } from "../engine/model.js";

/** GRUB for a processor's UEFI: the file that firmware looks for (UEFI 2.10, 3.5.1.1), and GRUB's name for it. */
export interface GrubCpu {
  readonly cpu: string;
  readonly platform: string;
  readonly file: string;
  readonly tool: Tool;
  /** Whether machines of the kind may have a BIOS. */
  readonly bios: boolean;
}

const grub = (cpu: string, platform: string, file: string, bios: boolean): GrubCpu => ({
  ...{ cpu, platform, file, bios },
  tool: { name: `/usr/lib/grub/${platform}/kernel.img`, package: `grub-efi-${DEBIAN[cpu] ?? cpu}-bin` },
});
const DEBIAN: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", i386: "ia32" };

/** Processors that GRUB starts a kernel on. */
export const grubCpus: readonly GrubCpu[] = [
  grub("x86_64", "x86_64-efi", "BOOTX64.EFI", true),
  grub("i386", "i386-efi", "BOOTIA32.EFI", true),
  grub("aarch64", "arm64-efi", "BOOTAA64.EFI", false),
];
