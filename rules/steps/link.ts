// step.link: one symbolic link of a tree.
import { z } from "zod";
import { option } from "../options.js";
import { callable, declaration, type Given } from "../declaration.js";
import { recipe } from "../recipes.js";
import { imagePath } from "../schema.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

const declared = declaration(
  "step.link",
  "Makes a symbolic link.",
  {
    path: option(imagePath, "a path inside the tree", "The symbolic link."),
    to: option(z.string().min(1), "a path", "What it points to, as it stands in the link."),
  },
  ["path", "to"],
);

export const link = callable(
  declared,
  (path: Given<typeof declared>["path"], to: Given<typeof declared>["to"]): Step => {
    const given = declared.check({ path, to });
    return makeStep(() => ({
      rule: "step.link",
      command: recipe("link.sh", ["lib.sh", "link.sh"]),
      env: { LINK: given.path, TO: to },
      inputs: {},
    }));
  },
);
