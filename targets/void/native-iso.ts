// Void's live images for x86 by the typed rules: the flavour's packages and services as mkiso.sh of the checkout has
// them. It has no list of its own.
import { declareOne } from "../../engine/declare.js";
import { layered } from "../../rules/layers.js";
import { bootstrap } from "../../rules/rootfs.js";
import type { MenuEntry } from "../../rules/menu.js";
import { INSIDE, recipe } from "../../rules/recipes.js";
import { distributionOf } from "../../rules/distributions.js";
import type { FileTarget, Repo } from "../../rules/types.js";
import { packagesOf } from "./live.js";
import { liveCmdline, liveImage } from "./live-image.js";
import { x11Keyboard } from "./more.js";
import { followed, type Scripts, type ScriptsConfig } from "./scripts.js";

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
  { mklive, more }: ScriptsConfig,
  scripts: Scripts,
  live: string,
  flavor: string,
): FileTarget {
  const { packages, steps } = more;
  const said = scripts.live(live, flavor, [], (call) => followed("live", call));
  const { arch, keyboard } = said;
  const system = distributionOf("xbps");
  const lineage = system.lineage(repo, arch, {});
  const limit = { guards: {} };
  const want = [packagesOf(said, "image"), ...(packages.live ?? [])];
  const base = bootstrap(system, repo, want, lineage, limit);
  const made = declareOne(
    {
      rule: "void-live",
      command: recipe("void-native-live.sh", [...INSIDE, "xbps.sh", "void-native-live.sh"]),
      env: { ARCH: arch, LOCALE: "en_US.UTF-8" },
      inputs: { BASE: base, PLAN: scripts.files(said) },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      tools: system.install(lineage).tools,
      root: true,
      arch,
    },
    lineage,
  );
  const last = [...(keyboard === null ? [] : [x11Keyboard(keyboard)]), ...(steps.live ?? [])];
  const tree = last.length === 0 ? made : layered("void-live", made, undefined, last, limit);
  return liveImage(tree, lineage, mklive, {
    label: VOLUME,
    cmdline: liveCmdline(VOLUME, keyboard ?? undefined),
    menu: menuOf(arch),
    wait: 10,
    // The packages of a test are small; a real one has hundreds of MiB.
    minSize: 64 * 1024,
    initramfs: packagesOf(said, "initramfs"),
    out: `${more.name}-live-${live}-{date}-${flavor}.iso`,
  });
}
