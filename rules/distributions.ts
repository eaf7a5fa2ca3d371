// Which distributions there are. Rules take what they need from here, and know none of them.
import type { Handle } from "../engine/declare.js";
import type { Tool } from "../engine/model.js";
import { emulatedCpu } from "../engine/tools.js";
import { emulators, type Distribution } from "./distribution.js";
import { apt } from "./distributions/apt.js";
import { dnf } from "./distributions/dnf.js";
import { pacman } from "./distributions/pacman.js";
import { xbps } from "./distributions/xbps.js";

const DISTRIBUTIONS = { apt, xbps, pacman, dnf } as const;

/** The name of a package manager. */
export type Driver = keyof typeof DISTRIBUTIONS;
/** Architecture names, as each driver calls them. */
export type Arch = { readonly [D in Driver]: keyof (typeof DISTRIBUTIONS)[D]["cpus"] };
/** Their names, in order. */
export const drivers = Object.keys(DISTRIBUTIONS) as readonly Driver[];

const all: ReadonlyMap<string, Distribution> = new Map(Object.entries<Distribution>(DISTRIBUTIONS));

/** The distribution of a driver; a lineage has its driver's name as text. */
export function distributionOf(driver: string): Distribution {
  const found = all.get(driver);
  if (found === undefined) throw new Error(`no distribution has the driver ${driver}`);
  return found;
}

/** The processor of a driver's architecture, by qemu's name; the host plays no part. Null for a name it does not have. */
export const cpuOf = (driver: string, arch: string): string | null =>
  new Map(Object.entries(all.get(driver)?.cpus ?? {})).get(arch) ?? null;

/** The emulator that programs of `arch` need on this machine; nothing where it is native. */
export const emulation = (driver: string, arch: string): readonly Tool[] =>
  emulators(cpuOf(driver, arch) ?? "");

/** What runs the programs of a tree on this machine, where they are another machine's. */
export const emulatorsOf = ({ lineage }: Handle): readonly Tool[] =>
  lineage === undefined
    ? []
    : distributionOf(lineage.driver)
        .install(lineage)
        .tools.filter(({ name }) => emulatedCpu(name) !== undefined);

/** Whether a value is a repository of any driver. */
export const isRepo = (value: unknown): value is { readonly driver: Driver } =>
  [...all.values()].some((one) => one.isRepo(value));
