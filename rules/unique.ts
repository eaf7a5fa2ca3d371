// unique: a check that a tree has nothing that must differ from machine to machine, because an image of it is for many. What
// that is, and what is taken out while building, is one table in recipes/unique.sh.
import { z } from "zod";
import { declareOne } from "../engine/declare.js";
import { check, option } from "./options.js";
import { recipe } from "./recipes.js";
import { asTreeHandle, imagePath, limits, timeout, treeLike } from "./schema.js";
import { asCheck, type AnyTree, type CheckTarget } from "./types.js";

export const uniqueSchema = z.strictObject({
  from: option(treeLike, "a tree", "The tree that an image is made of."),
  allow: option(
    z.array(imagePath).optional(),
    "paths in an array",
    "What may be in it all the same, because all machines of the image are to have it.",
  ),
  timeout,
});

/** Fails where `from` has host keys, a machine-id, a seed or the like, or an SSH server that would never have keys. */
export function unique(given: { from: AnyTree; allow?: readonly string[]; timeout?: number }): CheckTarget {
  const o = check("unique", uniqueSchema, given);
  return asCheck(
    declareOne({
      rule: "unique",
      command: recipe("unique-check.sh", ["lib.sh", "unique.sh", "unique-check.sh"]),
      env: { ALLOW: (o.allow ?? []).map((path) => path.replace(/^\/+/, "")).join("\n") },
      inputs: { TREE: asTreeHandle(o.from) },
      outputs: [{ name: "OUT", kind: "verdict" }],
      root: true,
      ...limits(o),
    }),
  );
}
