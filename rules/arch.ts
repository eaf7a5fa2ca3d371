// Architecture names of each package manager: which of them this machine runs itself, and the emulator for the
// others. It does not know whether an emulator is registered; recipes look.
import type { Tool } from "../engine/model.js";
import type { Arch, Driver } from "./types.js";

/** The processor of each architecture, as qemu calls it. */
const CPU: { readonly [D in Driver]: Readonly<Record<Arch[D], string>> } = {
  apt: {
    amd64: "x86_64",
    arm64: "aarch64",
    armhf: "arm",
    i386: "i386",
    ppc64el: "ppc64le",
    riscv64: "riscv64",
    s390x: "s390x",
  },
  xbps: {
    x86_64: "x86_64",
    "x86_64-musl": "x86_64",
    i686: "i386",
    armv6l: "arm",
    "armv6l-musl": "arm",
    armv7l: "arm",
    "armv7l-musl": "arm",
    aarch64: "aarch64",
    "aarch64-musl": "aarch64",
  },
  pacman: { x86_64: "x86_64", aarch64: "aarch64", armv7h: "arm", riscv64: "riscv64" },
  dnf: { x86_64: "x86_64", aarch64: "aarch64" },
};

/** What each machine runs itself. */
const NATIVE: Readonly<Partial<Record<NodeJS.Architecture, readonly string[]>>> = {
  x64: ["x86_64", "i386"],
  arm64: ["aarch64"],
  arm: ["arm"],
  ppc64: ["ppc64le"],
  riscv64: ["riscv64"],
  s390x: ["s390x"],
};

const cpus: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map(Object.entries(CPU));

/** The processor of a driver's architecture, by qemu's name; the host plays no part. Null for a name it does not have. */
export const cpuOf = (driver: string, arch: string): string | null => cpus.get(driver)?.[arch] ?? null;

/** The emulator that programs of `arch` need on this machine; nothing where it is native. */
export function emulation(driver: string, arch: string): readonly Tool[] {
  const cpu = cpuOf(driver, arch);
  if (cpu === null || NATIVE[process.arch]?.includes(cpu) === true) return [];
  return [{ name: `qemu-${cpu}-static`, package: "qemu-user-static" }];
}
