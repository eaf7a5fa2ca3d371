// pxe for trees of Void, as mknet.sh does it: steps (dracut's modules) and then the kernel's packages on the tree,
// the tree's own dracut in a layer, and the tarball. It does not know what is in the modules.
import { declareOne, wrongOption, type Handle, type Lineage } from "../engine/declare.js";
import type { Guards, Source, Wanted } from "../engine/model.js";
import { layered } from "./layers.js";
import { packTools } from "./pack.js";
import { recipe } from "./recipes.js";
import { systemOf } from "./systems.js";
import type { Packing, Step } from "./types.js";

/** What pxe was asked for, checked. */
export interface Netboot {
  readonly from: Handle;
  readonly lineage: Lineage;
  readonly packages: readonly Wanted[];
  readonly steps: readonly Step[];
  readonly kernel: string | undefined;
  readonly cmdline: string;
  /** PXELINUX's configuration, a file. */
  readonly menu: Source | undefined;
  readonly splash: Source | undefined;
  readonly out: string;
  readonly format: Packing;
  readonly guards: Guards;
  readonly timeout: number | undefined;
}

const ARCHS = ["x86_64", "x86_64-musl", "i686"];
const COMPRESS = "xz";
const PACKAGES = ["dracut", "binutils", "dracut-network", "dialog", "jq", COMPRESS, "syslinux"];
/** Modules of void-mklive that nothing else asks for, by what they are called in modules.d. */
const FORCED = "autoinstaller netmenu";

/** The tarball. */
export function netbootOfVoid(o: Netboot): Handle {
  const { lineage } = o;
  if (!ARCHS.includes(lineage.arch)) {
    wrongOption("pxe", `from: expected a tree of ${ARCHS.join(", ")}, found one of ${lineage.arch}`);
  }
  if (o.menu === undefined) {
    wrongOption(
      "pxe",
      `menu: expected files("pxelinux.cfg/pxelinux.cfg.in") for a tree of Void, found nothing`,
    );
  }
  const limit = o.timeout === undefined ? {} : { timeout: o.timeout };
  const plain = { guards: {}, ...limit };
  const prepared = o.steps.length === 0 ? o.from : layered("pxe", o.from, undefined, o.steps, plain);
  const want = [o.kernel ?? "linux", ...PACKAGES, ...o.packages];
  const installed = layered("pxe", prepared, want, [], plain);
  const tools = systemOf(lineage.driver).install(lineage).tools;
  const tree = declareOne(
    {
      rule: "dracut",
      command: recipe("dracut.sh", ["lib.sh", "emulate.sh", "inside.sh", "xbps.sh", "dracut.sh"]),
      env: { ARCH: lineage.arch, COMPRESS, DRIVERS: "ahci", FORCE: FORCED },
      inputs: { BASE: installed },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      tools,
      root: true,
      arch: lineage.arch,
      guards: { has: ["boot/initrd"] },
      resources: { cpu: 2, memory: 512 * 1024 ** 2 },
      ...limit,
    },
    lineage,
  );
  // Not every dracut heeds --reproducible, and xz's blocks would depend on the number of cores.
  const initrd = declareOne({
    rule: "initrd",
    command: recipe("initrd-settle.mjs"),
    inputs: { FROM: tree },
    outputs: [{ name: "OUT", kind: "file", pattern: "initrd" }],
    tools: packTools("tar.xz"),
    root: true,
    resources: { cpu: 2, memory: 1024 ** 3 },
    ...limit,
  });
  return declareOne({
    rule: "pxe",
    command: recipe("netboot-xbps.sh", ["lib.sh", "netboot-xbps.sh", "pack.sh"]),
    env: { ARCH: lineage.arch, CMDLINE: o.cmdline, FORMAT: o.format },
    inputs: {
      FROM: tree,
      INITRD: initrd,
      MENU: o.menu,
      ...(o.splash === undefined ? {} : { SPLASH: o.splash }),
    },
    outputs: [{ name: "OUT", kind: "file", pattern: o.out }],
    tools: packTools(o.format),
    root: true,
    guards: o.guards,
    ...limit,
  });
}
