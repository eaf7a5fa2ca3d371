// Architecture names of Debian and of Void: which of them this machine runs itself, and the emulator for the others. It
// does not know whether an emulator is registered; recipes look.
import type { Tool } from "../engine/model.js";

const NATIVE: Readonly<Partial<Record<NodeJS.Architecture, readonly string[]>>> = {
  x64: ["amd64", "i386"],
  arm64: ["arm64"],
  arm: ["armhf"],
  ppc64: ["ppc64el"],
  riscv64: ["riscv64"],
  s390x: ["s390x"],
};

const QEMU: Readonly<Record<string, string>> = {
  amd64: "x86_64",
  arm64: "aarch64",
  armhf: "arm",
  i386: "i386",
  ppc64el: "ppc64le",
  riscv64: "riscv64",
  s390x: "s390x",
};

/** The emulator that maintainer scripts of `arch` need on this machine; nothing where it is native. */
export function emulation(arch: string): readonly Tool[] {
  const qemu = QEMU[arch];
  if (qemu === undefined || NATIVE[process.arch]?.includes(arch) === true) return [];
  return [{ name: `qemu-${qemu}-static`, package: "qemu-user-static" }];
}

const VOID_NATIVE: Readonly<Partial<Record<NodeJS.Architecture, readonly string[]>>> = {
  x64: ["x86_64", "i686"],
  arm64: ["aarch64"],
  arm: ["armv6l", "armv7l"],
};
const VOID_QEMU: Readonly<Record<string, string>> = {
  x86_64: "x86_64",
  i686: "i386",
  armv6l: "arm",
  armv7l: "arm",
  aarch64: "aarch64",
};

/** As `emulation`, for an architecture of Void. */
export function emulationOfVoid(arch: string): readonly Tool[] {
  const cpu = arch.replace(/-musl$/, "");
  const qemu = VOID_QEMU[cpu];
  if (qemu === undefined || VOID_NATIVE[process.arch]?.includes(cpu) === true) return [];
  return [{ name: `qemu-${qemu}-static`, package: "qemu-user-static" }];
}

/**
 * The processor that programs of an architecture run on, by qemu's name; the host plays no part. Null for a name that
 * neither Debian nor Void has.
 */
export const cpuOf = (arch: string): string | null =>
  QEMU[arch] ?? VOID_QEMU[arch.replace(/-musl$/, "")] ?? null;
