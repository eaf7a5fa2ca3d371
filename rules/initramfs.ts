// initramfs: the initial RAM file system of a tree, made by the tree's own generator, or of its busybox with a first
// program that finds a live medium.
import { z } from "zod";
import { declareOne, sourceOf, wrongOption, type Handle } from "../engine/declare.js";
import type { Source as EngineSource, Tool } from "../engine/model.js";
import { cpuOf, emulation } from "./distributions.js";
import { BUSYBOX_MODULES } from "./kernel.js";
import { option } from "./options.js";
import { rule } from "./declaration.js";
import { packTools } from "./pack.js";
import { contentsOf, staged } from "./patterns.js";
import { INSIDE, recipe } from "./recipes.js";
import {
  arrayOf,
  asTreeHandle,
  common,
  filesSource,
  guardsOf,
  limits,
  type Limits,
  out,
  treeLike,
} from "./schema.js";
import { asFile, type FileTarget } from "./types.js";

const GENERATORS = ["initramfs-tools", "dracut", "mkinitcpio", "busybox"] as const;
/** What makes an initial RAM file system. */
export type Generator = (typeof GENERATORS)[number];

const file = filesSource.optional();

export const initramfs = rule(
  "rule.initramfs",
  "The initial RAM file system of `from`. A kernel has to be in it.",
  {
    from: option(treeLike, "a tree", "The tree whose generator makes it, and whose kernel it is for."),
    with: option(
      z.enum(GENERATORS),
      GENERATORS.join(", "),
      "What makes it: the tree's mkinitramfs, dracut or mkinitcpio; or `busybox`, a small one out of the tree's " +
        "static busybox that mounts `live/filesystem.squashfs` of a CD or disk, with a layer in memory over it.",
    ),
    kernel: option(
      treeLike.optional(),
      "a tree",
      "With busybox, the tree whose kernel it is for; `from` unless said.",
    ),
    modules: option(
      arrayOf(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/)).optional(),
      "names of modules in an array",
      "What goes with it beside what the generator finds: kernel modules, with dracut dracut's own modules. One that is not there " +
        `is an error. With busybox all there are; unless said ${BUSYBOX_MODULES.join(", ")}.`,
    ),
    conf: option(
      file,
      `files("a file")`,
      "The generator's configuration: initramfs.conf, dracut.conf or mkinitcpio.conf; the tree's own unless said.",
    ),
    out: out.optional(),
    ...common,
  },
  (o): FileTarget => {
    const tree = asTreeHandle(o.from);
    const output = { name: "OUT", kind: "file", pattern: o.out ?? "initrd.img" } as const;
    const more = {
      // The kernel's modules alone are larger.
      guards: guardsOf(o.guards, { minSize: 4096 }),
      inner: o.out === undefined,
      ...limits(o),
    };
    if (o.with === "busybox") {
      if (o.conf !== undefined) wrongOption("initramfs", "conf: busybox has none; leave it out");
      const { command, env, tools } = busybox(o.modules ?? BUSYBOX_MODULES);
      const inputs = { TREE: tree, KERNEL: o.kernel === undefined ? tree : asTreeHandle(o.kernel) };
      return asFile(
        declareOne(
          { rule: "initramfs", command, env, inputs, outputs: [output], tools, root: true, ...more },
          tree.lineage,
        ),
      );
    }
    if (o.kernel !== undefined)
      wrongOption("initramfs", `kernel: ${o.with} takes the tree's own; leave it out`);
    if (o.with === "mkinitcpio" && o.modules !== undefined) {
      wrongOption("initramfs", "modules: mkinitcpio has them in its configuration; give conf");
    }
    const conf = o.conf === undefined ? {} : { CONF: confOf(sourceOf(o.conf)) };
    const made = generated(tree, o.with, o.modules ?? [], conf, limits(o));
    // Not every generator heeds its own switch for it, and xz's blocks would depend on the number of cores.
    return asFile(
      declareOne(
        {
          rule: "initrd",
          command: recipe("initrd-settle.mjs", ["initrd-settle.mjs"], ["cpio.mjs"]),
          inputs: { FROM: made },
          outputs: [output],
          tools: packTools("tar.xz"),
          root: true,
          resources: { cpu: 2, memory: 1024 ** 3 },
          ...more,
        },
        tree.lineage,
      ),
    );
  },
);

/** A layer on `tree` with /boot/initrd. */
function generated(
  tree: Handle,
  generator: Exclude<Generator, "busybox">,
  modules: readonly string[],
  conf: Readonly<Record<string, EngineSource>>,
  limit: Limits,
): Handle {
  const { lineage } = tree;
  const arch = lineage?.arch;
  const cpu = lineage === undefined ? null : cpuOf(lineage.driver, lineage.arch);
  return declareOne(
    {
      rule: "initramfs",
      command: recipe("initramfs.sh", [...INSIDE, "generators.sh", "initramfs.sh"]),
      env: { GENERATOR: generator, ARCH: arch ?? "", CPU: cpu ?? "", MODULES: modules.join(" ") },
      inputs: { BASE: tree, ...conf },
      outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
      tools: lineage === undefined ? [] : emulation(lineage.driver, lineage.arch),
      root: true,
      ...(arch === undefined ? {} : { arch }),
      guards: { has: ["boot/initrd"] },
      resources: { cpu: 2, memory: 512 * 1024 ** 2 },
      ...limit,
    },
    lineage,
  );
}

function busybox(modules: readonly string[]) {
  const tools: readonly Tool[] = [
    { name: "cpio", package: "cpio" },
    { name: "zstd", package: "zstd" },
    { name: "modprobe", package: "kmod" },
  ];
  return {
    command: recipe("initramfs-busybox.sh", ["lib.sh", "initramfs-busybox.sh"]),
    env: { MODULES: modules.join(" ") },
    tools,
  };
}

/** One file; from outside the project it has a place of its own in the stage. */
function confOf(source: EngineSource): EngineSource {
  if (source.kind !== "files" || source.patterns.length !== 1) {
    wrongOption("initramfs", `conf: expected files("a file"), one file`);
  }
  return contentsOf(source.stage === undefined ? staged(source, "conf") : source);
}
