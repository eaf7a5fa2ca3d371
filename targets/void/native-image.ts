// Void's disk images by the typed rules: what mkimage.sh does to a platform's tree in a layer, and the disk that its
// board or cloud wants, as data. No loop device, no mount, no vfat in the kernel.
import { declareOne, isHandle, type Handle } from "../../engine/declare.js";
import type { Wanted } from "../../engine/model.js";
import { disk } from "../../rules/disk.js";
import { layered } from "../../rules/layers.js";
import { INSIDE, recipe } from "../../rules/recipes.js";
import { distributionOf } from "../../rules/distributions.js";
import { asTree, type FileTarget, type PackedTree } from "../../rules/types.js";
import type { ImageSuffix } from "./more.js";

type Layout = Omit<Parameters<typeof disk>[0], "from" | "out">;

/** What mkimage.sh makes unless it is told otherwise. Flash memory lasts longer without a journal. */
const USUAL: Layout = { fs: "ext4", size: "900MiB", journal: false };

/** Where Rockchip's RK33xx looks for its boot loader: sectors 64 and 16384 (void-mklive, rk33xx_flash_uboot). */
const ROCKCHIP = (dir: string): NonNullable<Layout["raw"]> => [
  { file: `usr/lib/${dir}/idbloader.img`, at: 64 * 512 },
  { file: `usr/lib/${dir}/u-boot.itb`, at: 16384 * 512 },
];

/** Boards of Rockchip's RK33xx; two kernels and their initrds have to fit. */
const RK33XX: Readonly<Record<string, Layout>> = {
  pinebookpro: { ...USUAL, boot: "uboot", bootSize: "512MiB", raw: ROCKCHIP("pinebookpro-uboot") },
};

function layoutOf(platform: string, suffix: ImageSuffix): Layout | undefined {
  if (suffix === "tar.gz")
    return platform.startsWith("GCP")
      ? { ...USUAL, boot: "grub-bios", cmdline: "loglevel=4 console=ttyS0,38400n8d" }
      : undefined;
  if (platform.startsWith("rpi")) return { ...USUAL, boot: "rpi", bootSize: "256MiB" };
  return RK33XX[platform.replace(/-musl$/, "")];
}

/** Whether the typed rules know how a board or cloud starts; else only mkimage.sh of the checkout does. */
export const hasLayout = (platform: string, suffix: ImageSuffix): boolean =>
  layoutOf(platform, suffix) !== undefined;

/** The image of a platform. */
export function nativeImage(
  platform: string,
  suffix: ImageSuffix,
  from: PackedTree,
  name: string,
  want: readonly Wanted[],
): FileTarget {
  const layout = layoutOf(platform, suffix);
  if (layout === undefined) throw new Error(`no layout for ${platform}`);
  return disk({
    ...layout,
    from: asTree(prepared(platform, treeOf(from), want)),
    out: `${name}-${platform}-{date}.${suffix}`,
  });
}

function prepared(platform: string, from: Handle, want: readonly Wanted[]): Handle {
  const { lineage } = from;
  if (lineage === undefined) throw new Error("a platform's tree without a repository");
  const grown = layered("image", from, want, [], { guards: {} });
  return declareOne(
    {
      rule: "void-image",
      command: recipe("void-native-image.sh", [...INSIDE, "xbps.sh", "void-native-image.sh"]),
      env: { ARCH: lineage.arch, PLATFORM: platform },
      inputs: { BASE: grown },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      tools: distributionOf(lineage.driver).install(lineage).tools,
      root: true,
      arch: lineage.arch,
    },
    lineage,
  );
}

function treeOf(target: PackedTree): Handle {
  if (!isHandle(target.tree)) throw new Error("a target that is no handle");
  return target.tree;
}
