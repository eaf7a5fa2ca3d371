// step.remove: paths that are deleted from a tree.
import { z } from "zod";
import { check, option } from "../options.js";
import { recipe } from "../recipes.js";
import { listInputs } from "../request.js";
import { pathNames } from "../schema.js";
import type { ListSource, Step } from "../types.js";
import { makeStep } from "./step.js";

export const removeSchema = z.strictObject({
  paths: option(
    pathNames,
    `paths in an array, or list("file")`,
    "What is deleted, with all below it; `*` stands for part of a name. A path that is not there is no error.",
  ),
});

/** Deletes paths. */
export function remove(paths: readonly (string | ListSource)[] | ListSource): Step {
  const given = check("step.remove", removeSchema, { paths });
  return makeStep(() => ({
    rule: "step.remove",
    command: recipe("remove.sh", ["lib.sh", "remove.sh"]),
    env: { PATHS: given.paths.flatMap((path) => (typeof path === "string" ? [path] : [])).join("\n") },
    inputs: listInputs(given.paths),
  }));
}
