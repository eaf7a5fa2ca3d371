// Void's release by the typed rules: trees as layers, packed only for the user. Disk images and live images are in
// files of their own.
import { platformfs } from "../../rules/platformfs.js";
import { pxe } from "../../rules/pxe.js";
import { rootfs } from "../../rules/rootfs.js";
import * as step from "../../rules/steps.js";
import type { Password } from "../../rules/steps/users.js";
import type { FileTarget, PackedTree, Repo } from "../../rules/types.js";
import { filesIn } from "./checkout.js";
import * as matrix from "./matrix.js";
import { nativeImage } from "./native-image.js";
import { nativeIso } from "./native-iso.js";
import type { Scripts } from "./scripts.js";

/** Where dracut finds its modules. */
const DRACUT = "usr/lib/dracut/modules.d";

/** Rules on `repo`; root's password is `password`, `scripts` are for live images of ARM. */
export const native = (
  repo: Repo<"xbps">,
  mklive: string,
  scripts: Scripts,
  password: Password,
): matrix.Makers => ({
  rootfs: (arch) =>
    rootfs({
      ...{ repo, arch, packages: matrix.ROOTFS_PACKAGES, out: `void-${arch}-ROOTFS-{date}.tar.xz` },
      steps: [step.users({ root: { password } })],
    }),
  wsl: (arch) =>
    rootfs({
      ...{ repo, arch, packages: matrix.WSL_PACKAGES, pack: "tar.xz", out: `void-${arch}-{date}.wsl` },
      steps: [step.users({ root: { password } })],
    }),
  platformfs: (platform, from) =>
    platformfs({
      from: packed(from),
      packages: matrix.platformPackages(platform),
      out: `void-${platform}-PLATFORMFS-{date}.tar.xz`,
    }),
  pxe: (arch, from) =>
    pxe({
      from: packed(from),
      menu: filesIn(mklive, "pxelinux.cfg", "pxelinux.cfg.in"),
      splash: filesIn(mklive, "data", "splash.png"),
      steps: [
        step.overlay(filesIn(mklive, "dracut/netmenu", "*"), { to: `${DRACUT}/05netmenu` }),
        step.overlay(filesIn(mklive, ".", "installer.sh"), { to: `${DRACUT}/05netmenu` }),
        step.overlay(filesIn(mklive, "dracut/autoinstaller", "*"), { to: `${DRACUT}/01autoinstaller` }),
      ],
      out: `void-${arch}-NETBOOT-{date}.tar.gz`,
    }),
  image: (platform, from) => nativeImage(platform, packed(from)),
  // ARM's need a GRUB that no machine of another kind has a package of, and boards' device trees and entries of the
  // menu, which only mklive.sh knows.
  iso: (live, flavor) =>
    matrix.isX86(matrix.LIVE[live])
      ? nativeIso(repo, mklive, scripts, live, flavor)
      : scripts.iso(live, flavor),
});

/** What `rootfs` made above, so a tree is in it. */
const packed = (target: FileTarget): PackedTree => target as PackedTree;
