// kernel: a kernel's package unpacked and not installed, for trees that have none: `vmlinuz`, `lib/modules`, and
// `load`, the modules to insert in order. For Debian, where a kernel's package asks for tools to make an initrd.
import { z } from "zod";
import { declareOne, wrongOption, type Handle, type Lineage } from "../engine/declare.js";
import type { Guards } from "../engine/model.js";
import { request } from "./distribution.js";
import { option } from "./options.js";
import { rule } from "./declaration.js";
import { recipe } from "./recipes.js";
import { arrayOf, asTreeHandle, common, guardsOf, treeLike, limits, type Limits } from "./schema.js";
import { asTree, type TreeTarget } from "./types.js";

/** The kernel for virtual machines: 14 MB, modules 90 MB. */
export const KERNEL = "linux-image-cloud-amd64";
/** Where nothing loads modules by itself: what virtual machines have, and file systems of live images. */
export const BUSYBOX_MODULES = [
  ...["virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi"],
  ...["sr_mod", "ata_piix", "isofs", "squashfs", "loop", "overlay"],
];

const word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._-]*$/);
/** The name of a kernel's package. */
export const packageName = word.optional();
/** Names of kernel modules, or all there are. */
export const moduleNames = z.union([z.literal("all"), arrayOf(word)]).optional();

export const kernel = rule(
  "rule.kernel",
  "A tree with `vmlinuz` and `lib/modules`, out of a kernel's package that is not installed.",
  {
    from: option(treeLike, "a tree", "The tree it is for, from whose repository its package comes."),
    package: option(
      packageName,
      "the name of a package",
      `The kernel's package, unpacked and not installed; ${KERNEL} unless said.`,
    ),
    modules: option(
      moduleNames,
      `names of kernel modules in an array, or "all"`,
      "Kernel modules that go with it, and what they depend on. Unless said, all for a tree with udev; for one " +
        `on busybox, which loads them in this order: ${BUSYBOX_MODULES.join(", ")}.`,
    ),
    ...common,
  },
  (o): TreeTarget => {
    const from = asTreeHandle(o.from);
    const { lineage } = from;
    if (lineage?.driver !== "apt") {
      const found = lineage === undefined ? "one without a repository" : `one of ${lineage.driver}`;
      wrongOption("kernel", `from: expected a tree that rootfs made with apt, found ${found}`);
    }
    return asTree(
      kernelTree(lineage, from, o.package, o.modules, {
        guards: guardsOf(o.guards),
        ...limits(o),
      }),
    );
  },
);

/** Whether the tree is Debian's on busybox, where nothing loads modules. */
const isBusybox = (lineage: Lineage): boolean =>
  JSON.stringify(lineage.options) === JSON.stringify({ variant: "busybox" });

/** The action of `kernel`, for other rules. */
export function kernelTree(
  lineage: Lineage,
  on: Handle,
  name = KERNEL,
  modules: readonly string[] | "all" = isBusybox(lineage) ? BUSYBOX_MODULES : "all",
  more: Limits & { readonly guards?: Guards } = {},
): Handle {
  const { guards = {}, ...limit } = more;
  return declareOne(
    {
      rule: "kernel",
      command: recipe("kernel-apt.sh", ["lib.sh", "kernel-apt.sh"]),
      env: { MODULES: modules === "all" ? "all" : modules.join(" ") },
      inputs: {},
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      packages: request(lineage, on, [name], {}),
      tools: [
        { name: "dpkg-deb", package: "dpkg" },
        { name: "depmod", package: "kmod" },
      ],
      root: true,
      arch: lineage.arch,
      guards: { ...guards, has: ["vmlinuz", "lib/modules", ...(guards.has ?? [])] },
      ...limit,
    },
    lineage,
  );
}
