// step.remove: paths that are deleted from a tree.
import { z } from "zod";
import { wrongOption } from "../../engine/declare.js";
import { emulation } from "../distributions.js";
import { toolOf } from "../drivers/tools.js";
import { option } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { INSIDE, recipe } from "../recipes.js";
import { listInputs } from "../distribution.js";
import { arrayOf, pathNames } from "../schema.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

const declared = declaration(
  "step.remove",
  "Deletes paths, and packages of RPM.",
  {
    paths: option(
      pathNames,
      `paths in an array, or list("file")`,
      "What is deleted, with all below it; `*` stands for part of a name, and `**` for any directories, at the end for all " +
        "that is there. A path that is not there is no error.",
    ),
    packages: option(
      arrayOf(z.string().regex(/^[^\s-]\S*$/)).optional(),
      "package names in an array",
      "Packages of RPM that are removed first, whatever depends on them; one that is not there is no error.",
    ),
  },
  ["paths"],
);

export const remove = callable(
  declared,
  (paths: Given<typeof declared>["paths"], o: Others<typeof declared, "paths"> = {}): Step => {
    const given = declared.check({ paths, ...o });
    const packages = given.packages ?? [];
    return makeStep(({ lineage }, rule) => {
      if (packages.length > 0 && lineage?.driver !== "dnf") {
        wrongOption(rule, "step.remove: packages: the tree beneath is not made of packages of RPM");
      }
      const part = {
        rule: "step.remove",
        env: { PATHS: given.paths.flatMap((path) => (typeof path === "string" ? [path] : [])).join("\n") },
        inputs: listInputs(given.paths),
      };
      if (packages.length === 0) return { ...part, command: recipe("remove.sh", ["lib.sh", "remove.sh"]) };
      const { arch, driver } = lineage ?? { arch: "", driver: "" };
      return {
        ...part,
        command: recipe("remove-rpm.sh", [...INSIDE, "tell.sh", "rpm.sh", "remove-rpm.sh", "remove.sh"]),
        env: { ...part.env, PACKAGES: packages.join("\n"), ARCH: arch, DOCS: "" },
        tools: [toolOf("rpm"), ...emulation(driver, arch)],
      };
    });
  },
);
