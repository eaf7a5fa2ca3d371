// Void's live images for x86 by the typed rules: the flavour's packages and services as mkiso.sh of the checkout has them, the
// initrd by the tree's dracut, a squashfs, and the image. It has no list of its own.
import { declareOne, type Handle } from "../../engine/declare.js";
import { bootstrap } from "../../rules/rootfs.js";
import { dracutOfVoid } from "../../rules/dracut-xbps.js";
import { extract } from "../../rules/extract.js";
import { iso } from "../../rules/iso.js";
import { layered } from "../../rules/layers.js";
import type { MenuEntry } from "../../rules/menu.js";
import { recipe } from "../../rules/recipes.js";
import { squashfs } from "../../rules/squashfs.js";
import { step } from "../../rules/steps.js";
import { systemOf } from "../../rules/systems.js";
import { asFile, asTree, type FileTarget, type Repo } from "../../rules/types.js";
import { filesIn, staticFiles } from "./checkout.js";
import { livePackages } from "./live.js";
import * as matrix from "./matrix.js";
import type { Scripts } from "./scripts.js";

const DRACUT = "usr/lib/dracut/modules.d";

/** The volume's label, by which the initrd finds its medium. */
export const VOLUME = "VOID_LIVE";

/** What mklive.sh tells every kernel. */
export const CMDLINE =
  `root=live:CDLABEL=${VOLUME} ro init=/sbin/init rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 gpt add_efi_memmap ` +
  "vconsole.unicode=1 vconsole.keymap=us locale.LANG=en_US.UTF-8 rd.live.overlay.overlayfs=1";

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
  const system = systemOf("xbps");
  const lineage = system.lineage(repo, arch, undefined);
  const limit = { guards: {} };
  const base = bootstrap(system, repo, [livePackages(mklive, live, flavor, [], "image")], lineage, limit);
  const tree = declareOne(
    {
      rule: "void-live",
      command: recipe("void-native-live.sh", [
        ...["lib.sh", "emulate.sh", "inside.sh", "xbps.sh", "void-native-live.sh"],
      ]),
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
  const dracut = withDracut(tree, mklive, live, flavor);
  const { initrd } = dracutOfVoid(dracut, lineage, "vmklive autoinstaller", {});
  return iso({
    kernel: extract(asTree(tree), { kernel: "boot/vmlinuz-*" }).kernel,
    initrd: asFile(initrd),
    contents: {
      "LiveOS/squashfs.img": squashfs({
        from: asTree(tree),
        compress: "xz",
        out: "squashfs.img",
        // The packages of a test are small; a real one has hundreds of MiB.
        guards: { minSize: 64 * 1024 },
      }),
    },
    label: VOLUME,
    cmdline: CMDLINE,
    menu: menuOf(arch),
    wait: 10,
    out: `void-live-${live}-{date}-${flavor}.iso`,
  });
}

/** A layer with what is there only while the initrd is made. */
function withDracut(tree: Handle, mklive: string, live: string, flavor: string): Handle {
  const steps = [
    step.overlay(filesIn(mklive, "dracut/vmklive", "*"), { to: `${DRACUT}/01vmklive` }),
    step.overlay(filesIn(mklive, "dracut/autoinstaller", "*"), { to: `${DRACUT}/01autoinstaller` }),
  ];
  return layered("iso", tree, [livePackages(mklive, live, flavor, [], "initramfs")], steps, { guards: {} });
}
