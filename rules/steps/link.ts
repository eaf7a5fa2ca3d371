// step.link: one symbolic link of a tree.
import { z } from "zod";
import { check, option } from "../options.js";
import { recipe } from "../recipes.js";
import { imagePath } from "../schema.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

export const linkSchema = z
  .strictObject({
    path: option(imagePath, "a path inside the tree", "The symbolic link."),
    to: option(z.string().min(1), "a path", "What it points to, as it stands in the link."),
  })
  .meta({ positional: ["path", "to"] });

/** Makes a symbolic link. */
export function link(path: string, to: string): Step {
  const given = check("step.link", linkSchema, { path, to });
  return makeStep(() => ({
    rule: "step.link",
    command: recipe("link.sh", ["lib.sh", "link.sh"]),
    env: { LINK: given.path, TO: to },
    inputs: {},
  }));
}
