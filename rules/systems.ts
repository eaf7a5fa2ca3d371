// What differs between systems of one package manager and another, as data: one entry a driver. Rules take what
// they need from here and do not know which drivers there are.
import type { Handle, Lineage } from "../engine/declare.js";
import type { Command, Guards, Json, Source, Tool } from "../engine/model.js";
import { emulatedCpu } from "../engine/tools.js";
import { isAptRepo, requestRepo, sourceLine } from "./apt.js";
import { cpuOf, emulation } from "./arch.js";
import { dnfRequest, isDnfRepo } from "./dnf.js";
import { RPM } from "./drivers/dnf/tools.js";
import { isPacmanRepo, pacmanRequest } from "./pacman.js";
import { staged } from "./patterns.js";
import { INSIDE, recipe } from "./recipes.js";
import { PACMAN } from "./drivers/pacman/tools.js";
import { xbpsTools } from "./drivers/xbps/tools.js";
import type { Arch, Driver } from "./types.js";
import { isXbpsRepo } from "./xbps.js";

/** A program that makes or changes a tree with packages, and what it needs beside them. */
export interface Work {
  readonly command: Command;
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, Source>>;
  readonly tools: readonly Tool[];
  readonly guards?: Guards;
}

/** Systems of one package manager. */
export interface System {
  readonly archs: readonly string[];
  /** What a tree comes from: the repository as package requests name it, and options of the resolver. */
  lineage(repo: unknown, arch: string, variant: string | undefined): Lineage;
  /** A root filesystem out of nothing but packages. */
  bootstrap(repo: unknown, lineage: Lineage): Work;
  /** More packages on a tree. */
  install(lineage: Lineage): Work;
}

/** Architectures, as the driver calls them; the compiler sees that none is missing. */
const names = <D extends Driver>(archs: Readonly<Record<Arch[D], true>>): readonly string[] =>
  Object.keys(archs);

const APT_TOOLS: readonly Tool[] = [{ name: "apt-get", package: "apt" }];
const XBPS_TOOLS = xbpsTools("xbps-install", "xbps-reconfigure", "xbps-query", "xbps-uhelper");

/** The value is what `repo` was given, which was checked before. */
const given = <T>(is: (value: unknown) => value is T, repo: unknown): T => {
  if (!is(repo)) throw new Error("a repository of another driver");
  return repo;
};

const apt: System = {
  archs: names<"apt">({
    amd64: true,
    arm64: true,
    armhf: true,
    i386: true,
    ppc64el: true,
    riscv64: true,
    s390x: true,
  }),
  lineage: (repo, arch, variant = "apt") => ({
    driver: "apt",
    repo: requestRepo(given(isAptRepo, repo)),
    arch,
    options: { variant, without: given(isAptRepo, repo).without },
  }),
  bootstrap: (repo, { arch, options }) => ({
    command: recipe("rootfs-apt.sh", [
      "lib.sh",
      "emulate.sh",
      "unique.sh",
      "tree.sh",
      "apt.sh",
      "rootfs-apt.sh",
    ]),
    env: {
      ARCH: arch,
      CPU: cpuOf("apt", arch) ?? "",
      VARIANT: variantIn(options),
      WITHOUT: namesIn(options, "without").join("\n"),
      IN_IMAGE: sourceLine(given(isAptRepo, repo)),
    },
    inputs: {},
    tools: [{ name: "mmdebstrap", package: "mmdebstrap" }, ...APT_TOOLS, ...emulation("apt", arch)],
    guards: { has: ["var/lib/dpkg/status"] },
  }),
  install: ({ arch, options }) => ({
    command: recipe("install-apt.sh", [
      "lib.sh",
      "emulate.sh",
      "unique.sh",
      "tree.sh",
      "inside.sh",
      "apt.sh",
      "install-apt.sh",
    ]),
    env: { ARCH: arch, CPU: cpuOf("apt", arch) ?? "", WITHOUT: namesIn(options, "without").join("\n") },
    inputs: {},
    tools: [...APT_TOOLS, ...emulation("apt", arch)],
  }),
};

const xbps: System = {
  archs: names<"xbps">({
    i686: true,
    x86_64: true,
    "x86_64-musl": true,
    armv6l: true,
    "armv6l-musl": true,
    armv7l: true,
    "armv7l-musl": true,
    aarch64: true,
    "aarch64-musl": true,
  }),
  lineage: (repo, arch) => {
    const { urls, keys } = given(isXbpsRepo, repo);
    return { driver: "xbps", repo: { urls, keys }, arch, options: {} };
  },
  bootstrap: (repo, { arch }) => {
    const { keys } = given(isXbpsRepo, repo);
    return {
      command: recipe("rootfs-xbps.sh", [...INSIDE, "xbps.sh", "rootfs-xbps.sh"]),
      env: { ARCH: arch },
      // The checkout may lie anywhere: that is no part of the key.
      inputs: keys === null ? {} : { KEYS: staged({ patterns: keys, links: "contents" }, "keys") },
      tools: [...XBPS_TOOLS, ...emulation("xbps", arch)],
      guards: { has: ["var/db/xbps/pkgdb-0.38.plist"] },
    };
  },
  install: ({ arch }) => ({
    command: recipe("install-xbps.sh", [...INSIDE, "xbps.sh", "install-xbps.sh"]),
    env: { ARCH: arch },
    inputs: {},
    tools: [...XBPS_TOOLS, ...emulation("xbps", arch)],
  }),
};

const PACMAN_PARTS = [...INSIDE, "pacman.sh"];

const pacman: System = {
  archs: names<"pacman">({ x86_64: true, aarch64: true, armv7h: true, riscv64: true }),
  lineage: (repo, arch) => {
    const { noExtract } = given(isPacmanRepo, repo);
    return { driver: "pacman", repo: pacmanRequest(given(isPacmanRepo, repo)), arch, options: { noExtract } };
  },
  bootstrap: (repo, { arch, options }) => ({
    command: recipe("rootfs-pacman.sh", [...PACMAN_PARTS, "rootfs-pacman.sh"]),
    env: {
      ARCH: arch,
      NO_EXTRACT: namesIn(options, "noExtract").join(" "),
      IN_IMAGE: given(isPacmanRepo, repo).inImage ?? "",
    },
    inputs: {},
    tools: [PACMAN, ...emulation("pacman", arch)],
    guards: { has: ["var/lib/pacman/local/ALPM_DB_VERSION"] },
  }),
  install: ({ arch, options }) => ({
    command: recipe("install-pacman.sh", [...PACMAN_PARTS, "install-pacman.sh"]),
    env: { ARCH: arch, NO_EXTRACT: namesIn(options, "noExtract").join(" ") },
    inputs: {},
    tools: [PACMAN, ...emulation("pacman", arch)],
  }),
};

/** A list among the options of a lineage. */
function namesIn(options: Json, name: "noExtract" | "without"): readonly string[] {
  const found = isRecord(options) ? options[name] : [];
  return Array.isArray(found) ? found.map(String) : [];
}

const isRecord = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function variantIn(options: Json): string {
  const variant =
    typeof options === "object" && options !== null && "variant" in options ? options.variant : null;
  return typeof variant === "string" ? variant : "";
}

const RPM_PARTS = [...INSIDE, "tell.sh", "rpm.sh"];

const dnf: System = {
  archs: names<"dnf">({ x86_64: true, aarch64: true }),
  lineage: (repo, arch) => {
    const known = given(isDnfRepo, repo);
    return { driver: "dnf", repo: dnfRequest(known), arch, options: { docs: known.docs } };
  },
  bootstrap: (_, { arch, options }) => ({
    command: recipe("rootfs-rpm.sh", [...RPM_PARTS, "rootfs-rpm.sh"]),
    env: { ARCH: arch, DOCS: docsIn(options) },
    inputs: {},
    tools: [RPM, ...emulation("dnf", arch)],
    guards: { has: ["var/lib/rpm/rpmdb.sqlite"] },
  }),
  install: ({ arch, options }) => ({
    command: recipe("install-rpm.sh", [...RPM_PARTS, "install-rpm.sh"]),
    env: { ARCH: arch, DOCS: docsIn(options) },
    inputs: {},
    tools: [RPM, ...emulation("dnf", arch)],
  }),
};

const docsIn = (options: Json): string =>
  typeof options === "object" && options !== null && "docs" in options && options.docs === false ? "" : "yes";

const SYSTEMS: Readonly<Record<Driver, System>> = { apt, xbps, pacman, dnf };

/** The system of a driver; a lineage has its driver's name as text. */
export function systemOf(driver: string): System {
  const found = Object.entries(SYSTEMS).find(([name]) => name === driver)?.[1];
  if (found === undefined) throw new Error(`no system for the driver ${driver}`);
  return found;
}

/** What runs the programs of a tree on this machine, where they are another machine's. */
export const emulatorsOf = ({ lineage }: Handle): readonly Tool[] =>
  lineage === undefined
    ? []
    : systemOf(lineage.driver)
        .install(lineage)
        .tools.filter(({ name }) => emulatedCpu(name) !== undefined);

/** Whether a value is a repository of any driver. */
export const isRepo = (value: unknown): value is { readonly driver: Driver } =>
  isAptRepo(value) || isXbpsRepo(value) || isPacmanRepo(value) || isDnfRepo(value);
