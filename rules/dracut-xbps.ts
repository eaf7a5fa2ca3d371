// The initial RAM file system of a tree of Void, as void-mklive makes it: by the tree's own dracut in a layer, and
// then settled.
import { declareOne, type Handle, type Lineage } from "../engine/declare.js";
import { packTools } from "./pack.js";
import { INSIDE, recipe } from "./recipes.js";
import type { Limits } from "./schema.js";
import { distributionOf } from "./distributions.js";

/** Kernel and initrd, the tree that holds them, and the settled initrd as a file. */
export interface DracutMade {
  readonly tree: Handle;
  readonly initrd: Handle;
}

/** Compression of the initrd, and the package that dracut needs for it. */
export const DRACUT_COMPRESS = "xz";

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
