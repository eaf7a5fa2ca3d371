// rootfs: a root filesystem from a package list. It makes the tree, and with `out` the file that holds it. What
// differs from one package manager to another is in distributions/.
import { z } from "zod";
import { declareOne, wrongOption, type Handle, type Lineage } from "../engine/declare.js";
import type { Wanted } from "../engine/model.js";
import { layered } from "./layers.js";
import { debconf, debconfOf, NO_ANSWERS, type Answers } from "./debconf.js";
import { callable, declaration, type Given } from "./declaration.js";
import { option, render } from "./options.js";
import { packing, splitGuards, treeOrFile } from "./pack.js";
import { common, guardsOf, losslessOf, packageNames, limits, takes } from "./schema.js";
import { stepsOption } from "./steps/step.js";
import type { Distribution } from "./distribution.js";
import { distributionOf, drivers, isRepo, type Arch, type Driver } from "./distributions.js";
import type { Built, Out, Repo, StepsFor } from "./types.js";

const VARIANTS = ["busybox", "essential", "apt", "minbase", "buildd", "important", "standard"] as const;
/** Package managers that know recommended packages. */
const RECOMMENDING: readonly Driver[] = ["apt", "dnf"];

const declared = declaration("rule.rootfs", "A root filesystem. With `out` it is packed too.", {
  repo: option(
    takes<Repo<Driver>>()(z.custom<{ readonly driver: Driver }>(isRepo)),
    "a repository: apt(…), xbps(…), pacman(…) or dnf(…)",
    "Where packages come from.",
  ),
  arch: option(
    z.string(),
    `the name of an architecture`,
    drivers.map((driver) => `With ${driver} one of ${distributionOf(driver).archs.join(", ")}.`).join(" "),
  ),
  packages: option(packageNames, `package names in an array, or list("file")`, "What is installed."),
  variant: option(
    z.enum(VARIANTS).optional(),
    `one of ${VARIANTS.join(", ")}`,
    "With apt, what is there beside `packages`: `busybox` nothing (and busybox's commands; base-files, base-passwd, busybox-static, debianutils, dpkg and libc-bin have to be among them), `essential` Debian's " +
      "essential packages, `apt` these and apt (the default), `minbase` all of priority required and apt, `buildd` these and build-essential, " +
      "`important` all of priority required and important (debootstrap's own choice), `standard` these and all of priority standard: what mmdebstrap has under these names. Of several sources the first says what is of a priority.",
  ),
  recommends: option(
    z.boolean().optional(),
    "true or false",
    "With apt and dnf, whether recommended packages come too, as tasks (`task-ssh-server`) want it; otherwise they do not.",
  ),
  debconf,
  steps: stepsOption,
  ...packing,
  ...common,
});

/** What the driver of `repo` decides: names of architectures, and variants. */
interface OfDriver<D extends Driver> {
  repo: Repo<D>;
  arch: Arch[D];
  steps?: StepsFor<D, Driver> | undefined;
  variant?: D extends "apt" ? (typeof VARIANTS)[number] | undefined : never;
  recommends?: D extends "apt" | "dnf" ? boolean | undefined : never;
  debconf?: D extends "apt" ? Given<typeof declared>["debconf"] : never;
}

export const rootfs = callable(
  declared,
  <D extends Driver, O extends string | undefined = undefined>(
    given: Given<typeof declared> & OfDriver<D> & Out<O>,
  ): Built<O> => {
    const o = declared.check(given);
    const distribution = distributionOf(o.repo.driver);
    // Which names there are depends on the repository, so the schema cannot say.
    if (!distribution.archs.includes(o.arch)) {
      wrongOption(
        "rootfs",
        `arch: expected one of ${distribution.archs.join(", ")}, found ${render(o.arch)}`,
      );
    }
    if (o.variant !== undefined && o.repo.driver !== "apt") {
      wrongOption(
        "rootfs",
        `variant: expected nothing, because only apt has variants, found ${render(o.variant)}`,
      );
    }
    if (o.recommends !== undefined && !RECOMMENDING.includes(o.repo.driver)) {
      wrongOption(
        "rootfs",
        `recommends: expected nothing, because only ${RECOMMENDING.join(" and ")} know recommended packages, found ${render(o.recommends)}`,
      );
    }
    const answers = debconfOf("rootfs", o.repo.driver, o.debconf);
    const guards = splitGuards(guardsOf(o.guards));
    const suffix = o.out === undefined ? undefined : "tree";
    const more = o.steps ?? [];
    const lineage = distribution.lineage(o.repo, o.arch, o);
    const last = {
      guards: o.out === undefined ? guardsOf(o.guards) : guards.tree,
      ...limits(o),
      ...(suffix && { suffix }),
    };
    const plain = { guards: losslessOf(o.guards), ...limits(o) };
    const first = bootstrap(
      distribution,
      o.repo,
      o.packages,
      lineage,
      more.length === 0 ? last : plain,
      answers,
    );
    const tree = more.length === 0 ? first : layered("rootfs", first, undefined, more, last);
    return treeOrFile<O>("rootfs", tree, o, guards.file);
  },
);

/** The first tree: what `want` names, on nothing. For rules whose packages are not a user's list. */
export function bootstrap(
  distribution: Distribution,
  repo: unknown,
  want: readonly Wanted[],
  lineage: Lineage,
  last: Parameters<typeof layered>[4],
  answers: Answers = NO_ANSWERS,
): Handle {
  const { command, env, inputs, tools, guards = {} } = distribution.bootstrap(repo, lineage);
  return declareOne(
    {
      rule: "rootfs",
      command,
      env: { ...env, ...answers.env },
      inputs: { ...inputs, ...answers.inputs },
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      packages: { ...lineage, want, on: null },
      tools: [...tools, ...answers.tools],
      root: true,
      arch: lineage.arch,
      resources: { memory: 512 * 1024 ** 2 },
      guards: { ...last.guards, has: [...(guards.has ?? []), ...(last.guards.has ?? [])] },
      ...limits(last),
      ...(last.suffix === undefined ? {} : { suffix: last.suffix }),
    },
    lineage,
  );
}
