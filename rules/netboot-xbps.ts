// pxe for trees of Void, as mknet.sh does it: steps (dracut's modules) and then the kernel's packages on the tree,
// the tree's own dracut in a layer, and the tarball.
import { declareOne, type Handle, type Lineage, wrongOption } from "../engine/declare.js";
import type { Guards, Source, Wanted } from "../engine/model.js";
import { distributionOf } from "./distributions.js";
import { layered } from "./layers.js";
import { type Packing, packRecipe, packTools } from "./pack.js";
import { INSIDE, recipe } from "./recipes.js";
import { type Limits, losslessOf } from "./schema.js";
import type { Step } from "./types.js";

/** Compression of the initrd, and the package that dracut needs for it. */
const DRACUT_COMPRESS = "xz";

/** What pxe was asked for, checked. */
export interface Netboot {
  readonly from: Handle;
  readonly lineage: Lineage;
  readonly packages: readonly Wanted[];
  readonly steps: readonly Step[];
  readonly kernel: string | undefined;
  readonly cmdline: string;
  readonly keymap: string;
  /** PXELINUX's configuration, a file. */
  readonly menu: Source | undefined;
  readonly splash: Source | undefined;
  readonly out: string;
  readonly format: Packing;
  readonly guards: Guards;
  readonly limit: Limits;
}

const ARCHS = ["x86_64", "x86_64-musl", "i686"];
const PACKAGES = ["dracut", "binutils", "dracut-network", "dialog", "jq", DRACUT_COMPRESS, "syslinux"];
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
  const { limit } = o;
  const plain = { guards: losslessOf(o.guards), ...limit };
  const prepared = o.steps.length === 0 ? o.from : layered("pxe", o.from, undefined, o.steps, plain);
  // What a checkout is asked for is all that its mknet.sh installs.
  const asked = o.packages.some((one) => typeof one === "object" && "probe" in one);
  const want = asked ? o.packages : [o.kernel ?? "linux", ...PACKAGES, ...o.packages];
  const installed = layered("pxe", prepared, want, [], plain);
  const { tree, initrd } = dracutOfVoid(installed, lineage, FORCED, limit);
  return declareOne({
    rule: "pxe",
    command: packRecipe("netboot-xbps.sh", ["lib.sh", "netboot-xbps.sh"]),
    env: { ARCH: lineage.arch, CMDLINE: o.cmdline, KEYMAP: o.keymap, FORMAT: o.format },
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

// The initial RAM file system of a tree of Void, as void-mklive makes it: by the tree's own dracut in a layer, and
// then settled.

/** Kernel and initrd, the tree that holds them, and the settled initrd as a file. */
interface DracutMade {
  readonly tree: Handle;
  readonly initrd: Handle;
}

/** Runs dracut of `installed`. `force`: modules that nothing else asks for, by what they are called in modules.d. */
export function dracutOfVoid(installed: Handle, lineage: Lineage, force: string, limit: Limits): DracutMade {
  const tree = declareOne(
    {
      rule: "dracut",
      command: recipe("dracut.sh", [...INSIDE, "xbps.sh", "dracut.sh"]),
      env: { ARCH: lineage.arch, COMPRESS: DRACUT_COMPRESS, DRIVERS: "ahci", FORCE: force },
      inputs: { BASE: installed },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      tools: distributionOf(lineage.driver).install(lineage).tools,
      root: true,
      arch: lineage.arch,
      guards: { has: ["boot/initrd"] },
      resources: { cpu: 2, memory: 512 * 1024 ** 2 },
      ...limit,
    },
    lineage,
  );
  // Not every dracut heeds --reproducible, and xz's blocks would depend on the number of cores.
  const initrd = declareOne(
    {
      rule: "initrd",
      command: recipe("initrd-settle.mjs", ["initrd-settle.mjs"], ["cpio.mjs"]),
      inputs: { FROM: tree },
      outputs: [{ name: "OUT", kind: "file", pattern: "initrd" }],
      inner: true,
      tools: packTools("tar.xz"),
      root: true,
      resources: { cpu: 2, memory: 1024 ** 3 },
      ...limit,
    },
    lineage,
  );
  return { tree, initrd };
}
