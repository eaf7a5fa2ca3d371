// step.graft: the contents of another tree at a directory of this one, as they are in it.
import { z } from "zod";
import { option } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { recipe } from "../recipes.js";
import { asTreeHandle, imagePath, treeLike } from "../schema.js";
import type { Step } from "../types.js";
import { overlayTree } from "./overlay.js";
import { placing } from "./placing.js";
import { makeStep } from "./step.js";

const declared = declaration(
  "step.graft",
  "Puts another tree's contents at a directory of this one.",
  {
    tree: option(
      treeLike,
      "a tree",
      "The tree whose contents are put there, with owners, modes, attributes and links.",
    ),
    at: option(
      imagePath,
      "a path inside the tree",
      "The directory for them: it must be empty, or not be there, unless `merge` says otherwise. It gets the owner and the mode of " +
        "the other tree's root.",
    ),
    merge: option(
      z.boolean().optional(),
      "true or false",
      "Whether the directory may hold something: what both have is then the other tree's, but for directories, which keep " +
        "their owners and modes.",
    ),
  },
  ["tree", "at"],
);

export const graft = callable(
  declared,
  (
    tree: Given<typeof declared>["tree"],
    at: Given<typeof declared>["at"],
    o: Others<typeof declared, "tree" | "at"> = {},
  ): Step => {
    const given = declared.check({ tree, at, ...o });
    const other = asTreeHandle(given.tree);
    if (given.merge === true)
      return makeStep(() => ({
        ...overlayTree(other, given.at, placing({ modes: "keep" }, null)),
        rule: "step.graft",
      }));
    return makeStep(() => ({
      rule: "step.graft",
      command: recipe("graft.sh", ["lib.sh", "graft.sh"]),
      env: { AT: given.at },
      inputs: { GRAFT: other },
    }));
  },
);
