// step.graft: the contents of another tree at a directory of this one, as they are in it. It does not know how either
// came about.
import { z } from "zod";
import { check, option } from "../options.js";
import { recipe } from "../recipes.js";
import { asTreeHandle, imagePath, treeLike } from "../schema.js";
import type { AnyTree, Step } from "../types.js";
import { makeStep } from "./step.js";

export const graftSchema = z
  .strictObject({
    tree: option(
      treeLike,
      "a tree",
      "The tree whose contents are put there, with owners, modes, attributes and links.",
    ),
    at: option(
      imagePath,
      "a path inside the tree",
      "The directory for them: it must be empty, or not be there. It gets the owner and the mode of the other tree's root.",
    ),
  })
  .meta({ positional: ["tree", "at"] });

/** Puts another tree's contents at a directory of this one. */
export function graft(tree: AnyTree, at: string): Step {
  const given = check("step.graft", graftSchema, { tree, at });
  return makeStep(() => ({
    rule: "step.graft",
    command: recipe("graft.sh", ["lib.sh", "graft.sh"]),
    env: { AT: given.at },
    inputs: { GRAFT: asTreeHandle(given.tree) },
  }));
}
