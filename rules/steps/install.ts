// step.install: packages on a tree, from the release's snapshot. What differs from one package manager to another is in
// distributions/.
import { z } from "zod";
import { wrongOption } from "../../engine/declare.js";
import type { Wanted } from "../../engine/model.js";
import { debconf, debconfOf } from "../debconf.js";
import { option } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { request } from "../distribution.js";
import { packageNames } from "../schema.js";
import { distributionOf } from "../distributions.js";
import type { Step } from "../types.js";
import { makeStep, type Layer } from "./step.js";

const declared = declaration(
  "step.install",
  "Installs packages, from the release's snapshot.",
  {
    packages: option(packageNames, `package names in an array, or list("file")`, "What is installed."),
    recommends: option(
      z.boolean().optional(),
      "true or false",
      "Whether recommended packages come too; otherwise they do not.",
    ),
    debconf,
  },
  ["packages"],
);

export const install = callable(
  declared,
  (packages: Given<typeof declared>["packages"], o: Others<typeof declared, "packages"> = {}): Step => {
    const given = declared.check({ packages, ...o });
    return makeStep(installLayer(given.packages, given.recommends ?? false, given.debconf));
  },
);

/** The layer that has these packages. */
export const installLayer =
  (want: readonly Wanted[], recommends: boolean, given?: z.output<typeof debconf>): Layer =>
  (tree, rule) => {
    const { lineage } = tree;
    if (lineage === undefined) {
      wrongOption(
        rule,
        "packages: the tree beneath was not made by rootfs, so no repository is known for it",
      );
    }
    const answers = debconfOf(rule, lineage.driver, given);
    const { command, env, inputs, tools } = distributionOf(lineage.driver).install(lineage);
    return {
      rule: "step.install",
      command,
      // The closure says what is installed. The list itself is no input: what does not change the closure
      // must not build again.
      env: { ...env, ...answers.env },
      inputs: { ...inputs, ...answers.inputs },
      packages: request(lineage, tree, want, { recommends }),
      tools: [...tools, ...answers.tools],
      resources: { memory: 512 * 1024 ** 2 },
    };
  };
