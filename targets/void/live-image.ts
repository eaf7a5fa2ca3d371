// A live image for x86 out of a finished tree of Void: the initrd by the tree's own dracut with void-mklive's modules,
// a squashfs, and the ISO.
import type { Handle, Lineage } from "../../engine/declare.js";
import type { Wanted } from "../../engine/model.js";
import { dracutOfVoid } from "../../rules/netboot-xbps.js";
import { extract } from "../../rules/extract.js";
import { iso } from "../../rules/iso.js";
import { layered } from "../../rules/layers.js";
import type { MenuEntry } from "../../rules/menu.js";
import { squashfs } from "../../rules/squashfs.js";
import * as step from "../../rules/steps.js";
import { asFile, asTree, type FileTarget, type Size } from "../../rules/types.js";
import { filesIn } from "./checkout.js";

const DRACUT = "usr/lib/dracut/modules.d";

/** What the image says of itself, and how its kernel starts. */
export interface LiveImage {
  readonly label: string;
  readonly cmdline: string;
  readonly menu: readonly MenuEntry[];
  /** Seconds. */
  readonly wait: number;
  readonly out: string;
  /** Smallest squashfs that is believed. */
  readonly minSize: Size;
  /** Packages that are there only while the initrd is made. */
  readonly initramfs: Wanted;
}

/** What every kernel of a live image is told, as mklive.sh does it; the initrd finds its medium by the label. */
export const liveCmdline = (label: string, keymap = "us"): string =>
  `root=live:CDLABEL=${label} ro init=/sbin/init rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 gpt add_efi_memmap ` +
  `vconsole.unicode=1 vconsole.keymap=${keymap} locale.LANG=en_US.UTF-8 rd.live.overlay.overlayfs=1`;

/** The image of `tree`. `mklive` is a checkout of void-mklive, which has the modules of dracut. */
export function liveImage(tree: Handle, lineage: Lineage, mklive: string, image: LiveImage): FileTarget {
  const { minSize, initramfs, ...said } = image;
  const { initrd } = dracutOfVoid(withDracut(tree, mklive, initramfs), lineage, "vmklive autoinstaller", {});
  return iso({
    ...said,
    kernel: extract(asTree(tree), { kernel: "boot/vmlinuz-*" }).kernel,
    initrd: asFile(initrd),
    contents: {
      "LiveOS/squashfs.img": squashfs({
        from: asTree(tree),
        compress: "xz",
        guards: { minSize },
      }),
    },
  });
}

/** A layer with what is there only while the initrd is made. */
function withDracut(tree: Handle, mklive: string, packages: Wanted): Handle {
  const steps = [
    step.overlay(filesIn(mklive, "dracut/vmklive", "*"), { to: `${DRACUT}/01vmklive` }),
    step.overlay(filesIn(mklive, "dracut/autoinstaller", "*"), { to: `${DRACUT}/01autoinstaller` }),
  ];
  return layered("iso", tree, [packages], steps, {
    guards: {},
  });
}
