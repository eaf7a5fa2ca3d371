// pxe for trees of Void, as mknet.sh does it: steps (dracut's modules) and then the kernel's packages on the tree, the
// tree's own dracut in a layer, and the tarball.
import { declareOne, wrongOption, type Handle, type Lineage } from "../engine/declare.js";
import type { Guards, Source, Wanted } from "../engine/model.js";
import { DRACUT_COMPRESS, dracutOfVoid } from "./dracut-xbps.js";
import { layered } from "./layers.js";
import { packRecipe, packTools, type Packing } from "./pack.js";
import { losslessOf, type Limits } from "./schema.js";
import type { Step } from "./types.js";

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
  const want = [o.kernel ?? "linux", ...PACKAGES, ...o.packages];
  const installed = layered("pxe", prepared, want, [], plain);
  const { tree, initrd } = dracutOfVoid(installed, lineage, FORCED, limit);
  return declareOne({
    rule: "pxe",
    command: packRecipe("netboot-xbps.sh", ["lib.sh", "netboot-xbps.sh"]),
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
