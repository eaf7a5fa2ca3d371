// Void's release by the typed rules: trees as layers, packed only for the user. Disk images and live images are in
// files of their own.
import { source } from "../../engine/declare.js";
import type { Wanted } from "../../engine/model.js";
import { platformfs } from "../../rules/platformfs.js";
import { pxe } from "../../rules/pxe.js";
import { rootfs } from "../../rules/rootfs.js";
import type { VoidArch } from "./matrix.js";
import * as step from "../../rules/steps.js";
import type { Password } from "../../rules/steps/users.js";
import { asList, type FileTarget, type ListSource, type PackedTree, type Repo } from "../../rules/types.js";
import { filesIn } from "./checkout.js";
import * as matrix from "./matrix.js";
import { hasLayout, nativeImage } from "./native-image.js";
import { nativeIso } from "./native-iso.js";
import { followed, type Scripts, type ScriptsConfig } from "./scripts.js";

/** Where dracut finds its modules. */
const DRACUT = "usr/lib/dracut/modules.d";

/** Rules on `repo`; root's password is `password`, `scripts` are for what only those of the checkout can make. */
export function native(
  repo: Repo<"xbps">,
  config: ScriptsConfig,
  scripts: Scripts,
  password: Password,
): matrix.Makers {
  const { mklive, more, release } = config;
  const { name, packages, steps } = more;
  const tree = (kind: "rootfs" | "wsl", arch: string, of: string, suffix: string, usual: readonly string[]) =>
    ({
      repo,
      // Looked up in the distribution's table when the release was read.
      arch: arch as VoidArch,
      packages: given([
        ...scripts.wants(kind, arch, followed(kind, scripts.call(of, suffix)), usual),
        ...(packages[kind] ?? []),
      ]),
      steps: [step.users({ root: { password } }), ...(steps[kind] ?? [])],
      out: `${name}-${of}-{date}.${suffix}`,
    }) as const;
  return {
    rootfs: (arch) => rootfs(tree("rootfs", arch, `${arch}-ROOTFS`, "tar.xz", matrix.ROOTFS_PACKAGES)),
    wsl: (arch) => rootfs({ ...tree("wsl", arch, arch, "wsl", matrix.WSL_PACKAGES), pack: "tar.xz" }),
    platformfs: (platform, from) =>
      platformfs({
        from: packed(from),
        packages: given([
          ...scripts.wants(
            "platformfs",
            platform,
            followed("platformfs", scripts.call(`${platform}-PLATFORMFS`, "tar.xz")),
            matrix.platformPackages(platform),
          ),
          ...(packages.platformfs ?? []),
        ]),
        steps: steps.platformfs ?? [],
        out: `${name}-${platform}-PLATFORMFS-{date}.tar.xz`,
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
          ...(steps.pxe ?? []),
        ],
        ...(more.kernel === null ? {} : { kernel: more.kernel }),
        packages: given([...scripts.pxeWants(arch), ...(packages.pxe ?? [])]),
        ...(more.keyboard === null ? {} : { keymap: more.keyboard }),
        out: `${name}-${arch}-NETBOOT-{date}.tar.gz`,
      }),
    image: (platform, suffix, from) =>
      hasLayout(platform, suffix)
        ? nativeImage(platform, suffix, packed(from), name, scripts.imageWants(platform, suffix))
        : scripts.image(platform, suffix, from),
    // ARM's need a GRUB that no machine of another kind has a package of, and boards' device trees and entries of the
    // menu, which only mklive.sh knows.
    iso: (live, flavor) =>
      matrix.isX86(release.live.get(live) ?? "")
        ? nativeIso(repo, config, scripts, live, flavor)
        : scripts.iso(live, flavor),
  };
}

/** Packages as an Imagefile has them. */
const given = (wanted: readonly Wanted[]): readonly (string | ListSource)[] =>
  wanted.map((one) => {
    if (typeof one === "string") return one;
    return asList(source("list" in one ? { kind: "list", file: one.list } : one.probe));
  });

/** What `rootfs` made above, so a tree is in it. */
const packed = (target: FileTarget): PackedTree => target as PackedTree;
