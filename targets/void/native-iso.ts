// Void's live images for x86 by the typed rules: the flavour's packages and services as mkiso.sh of the checkout has
// them. It has no list of its own.
import { declareOne } from "../../engine/declare.js";
import { bootstrap } from "../../rules/rootfs.js";
import type { MenuEntry } from "../../rules/menu.js";
import { INSIDE, recipe } from "../../rules/recipes.js";
import { distributionOf } from "../../rules/distributions.js";
import type { FileTarget, Repo } from "../../rules/types.js";
import { staticFiles } from "./checkout.js";
import { livePackages } from "./live.js";
import { liveCmdline, liveImage } from "./live-image.js";
import * as matrix from "./matrix.js";
import type { Scripts } from "./scripts.js";

/** The volume's label, by which the initrd finds its medium. */
const VOLUME = "VOID_LIVE";

/** The entries of mklive.sh's menu that start a system. */
const menuOf = (arch: string): readonly MenuEntry[] => {
  const title = (what: string): string => `Void Linux (${arch})${what}`;
  return [
    { title: title("") },
    { title: title(" (RAM)"), cmdline: "rd.live.ram" },
    { title: title(" (graphics disabled)"), cmdline: "nomodeset" },
    { title: title(" with speech"), cmdline: "live.accessibility live.autologin" },
    { title: title(" with speech (RAM)"), cmdline: "live.accessibility live.autologin rd.live.ram" },
    {
      title: title(" with speech (graphics disabled)"),
      cmdline: "live.accessibility live.autologin nomodeset",
    },
  ];
};

/** The live image of a flavour. */
export function nativeIso(
  repo: Repo<"xbps">,
  mklive: string,
  scripts: Scripts,
  live: matrix.LiveArch,
  flavor: matrix.Flavor,
): FileTarget {
  const arch = matrix.LIVE[live];
  const system = distributionOf("xbps");
  const lineage = system.lineage(repo, arch, undefined);
  const limit = { guards: {} };
  const base = bootstrap(system, repo, [livePackages(mklive, live, flavor, [], "image")], lineage, limit);
  const tree = declareOne(
    {
      rule: "void-live",
      command: recipe("void-native-live.sh", [...INSIDE, "xbps.sh", "void-native-live.sh"]),
      env: { ARCH: arch, LOCALE: "en_US.UTF-8" },
      inputs: {
        BASE: base,
        PLAN: scripts.plan(live, flavor, []),
        DATA: staticFiles(mklive),
      },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      tools: system.install(lineage).tools,
      root: true,
      arch,
    },
    lineage,
  );
  return liveImage(tree, lineage, mklive, {
    label: VOLUME,
    cmdline: liveCmdline(VOLUME),
    menu: menuOf(arch),
    wait: 10,
    // The packages of a test are small; a real one has hundreds of MiB.
    minSize: 64 * 1024,
    out: `void-live-${live}-{date}-${flavor}.iso`,
  });
}
