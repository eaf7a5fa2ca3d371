// rootfs: a root filesystem from a package list. It makes the tree, and with `out` the file that holds it.
import { z } from "zod";
import { declareOne, type Handle, type Lineage } from "../engine/declare.js";
import type { Wanted } from "../engine/model.js";
import { isAptRepo, requestRepo, sourceLine, type AptRepo } from "./apt.js";
import { emulation } from "./arch.js";
import { APT_TOOLS, layered } from "./layers.js";
import { check, option } from "./options.js";
import { packing, splitGuards, treeOrFile } from "./pack.js";
import { recipe } from "./recipes.js";
import { common, guardsOf, packageNames } from "./schema.js";
import { stepsOption } from "./steps.js";
import type { Arch, Built, Common, Driver, Extra, Pack, Packages, Repo, Step } from "./types.js";

const ARCHS = ["amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x"] as const;
const VARIANTS = ["busybox", "essential", "apt", "minbase"] as const;

export const rootfsSchema = z.strictObject({
  repo: option(z.custom<AptRepo>(isAptRepo), "a repository: apt(…)", "Where packages come from."),
  arch: option(z.enum(ARCHS), `one of ${ARCHS.join(", ")}`, "The architecture, in the driver's words."),
  packages: option(packageNames, `package names in an array, or list("file")`, "What is installed."),
  variant: option(
    z.enum(VARIANTS).optional(),
    `one of ${VARIANTS.join(", ")}`,
    "What is there beside `packages`: `busybox` nothing (and busybox's commands), `essential` Debian's " +
      "essential packages, `apt` these and apt (the default), `minbase` all of priority required and apt.",
  ),
  steps: stepsOption,
  ...packing,
  ...common,
});

/** A root filesystem. With `out` it is packed too. */
export function rootfs<D extends Driver, O extends string | undefined = undefined>(
  given: Common &
    Pack<O> &
    Extra[D] & { repo: Repo<D>; arch: Arch[D]; packages: Packages; steps?: readonly Step[] },
): Built<O> {
  const o = check("rootfs", rootfsSchema, given);
  const variant = o.variant ?? "apt";
  const guards = splitGuards(guardsOf(o.guards));
  const suffix = o.out === undefined ? undefined : "tree";
  const more = o.steps ?? [];
  const lineage: Lineage = {
    driver: "apt",
    repo: requestRepo(o.repo),
    arch: o.arch,
    options: { variant },
  };
  const last = {
    guards: o.out === undefined ? guardsOf(o.guards) : guards.tree,
    timeout: o.timeout,
    ...(suffix && { suffix }),
  };
  const first = bootstrap(
    o.repo,
    variant,
    o.packages,
    lineage,
    more.length === 0 ? last : { guards: {}, timeout: o.timeout },
  );
  const tree = more.length === 0 ? first : layered("rootfs", first, undefined, more, last);
  return treeOrFile<O>("rootfs", tree, o, guards.file);
}

function bootstrap(
  repo: AptRepo,
  variant: (typeof VARIANTS)[number],
  want: readonly Wanted[],
  lineage: Lineage,
  last: Parameters<typeof layered>[4],
): Handle {
  return declareOne(
    {
      rule: "rootfs",
      command: recipe("rootfs-apt.sh", ["lib.sh", "tree.sh", "rootfs-apt.sh"]),
      env: {
        ARCH: lineage.arch,
        VARIANT: variant,
        IN_IMAGE: sourceLine(repo),
      },
      inputs: {},
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      packages: { ...lineage, want, options: lineage.options, on: null },
      tools: [{ name: "mmdebstrap", package: "mmdebstrap" }, ...APT_TOOLS, ...emulation(lineage.arch)],
      root: true,
      arch: lineage.arch,
      resources: { memory: 512 * 1024 ** 2 },
      guards: { ...last.guards, has: ["var/lib/dpkg/status", ...(last.guards.has ?? [])] },
      ...(last.timeout === undefined ? {} : { timeout: last.timeout }),
      ...(last.suffix === undefined ? {} : { suffix: last.suffix }),
    },
    lineage,
  );
}
