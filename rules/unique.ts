// unique: a check that a tree, or a file that one was packed into, has nothing that must differ from machine to machine, because
// an image of it is for many. What that is, and what is taken out while building, is one table in recipes/unique.sh.
import { z } from "zod";
import { declareOne, inside, type Handle } from "../engine/declare.js";
import type { Tool } from "../engine/model.js";
import { option } from "./options.js";
import { rule } from "./declaration.js";
import { recipe } from "./recipes.js";
import { arrayOf, asTreeHandle, fileTarget, imagePath, limits, timeout, treeLike } from "./schema.js";
import { asCheck, type CheckTarget } from "./types.js";

export const unique = rule(
  "rule.unique",
  "Fails where `from` has host keys, a machine-id, a seed or the like, or an SSH server that would never have keys.",
  {
    from: option(
      z.union([treeLike, fileTarget]),
      "a tree, or a file target",
      "The tree that an image is made of, or the image: a tarball, a squashfs, an ISO, whose squashfs is looked into too, or a " +
        "disk image, packed or not.",
    ),
    allow: option(
      arrayOf(imagePath).optional(),
      "paths in an array",
      "What may be in it all the same, because all machines of the image are to have it.",
    ),
    timeout,
  },
  (o): CheckTarget => {
    const from = asTreeHandle(o.from);
    const file = inside(from).kind === "file";
    return asCheck(
      declareOne({
        rule: "unique",
        command: recipe(
          "unique-check.sh",
          file
            ? ["lib.sh", "space.sh", "unique.sh", "unique-image.sh", "unique-check.sh"]
            : ["lib.sh", "unique.sh", "unique-check.sh"],
        ),
        env: { ALLOW: (o.allow ?? []).map((path) => path.replace(/^\/+/, "")).join("\n") },
        inputs: file ? { IMAGE: from } : { TREE: from },
        outputs: [{ name: "OUT", kind: "verdict" }],
        tools: file ? toolsFor(patternOf(from)) : [],
        root: true,
        ...limits(o),
      }),
    );
  },
);

/** What reads the file. What only some of its kind need is looked for when the file says so. */
function toolsFor(name: string): readonly Tool[] {
  if (/\.iso$/i.test(name)) return [XORRISO, UNSQUASHFS];
  if (/\.(squashfs|sfs)$/.test(name)) return [UNSQUASHFS];
  if (/\.(img|raw)(\.\w+)?$/.test(name)) return [SFDISK, DEBUGFS];
  return [];
}
const XORRISO: Tool = { name: "xorriso", package: "xorriso" };
const UNSQUASHFS: Tool = { name: "unsquashfs", package: "squashfs-tools" };
const SFDISK: Tool = { name: "sfdisk", package: "fdisk" };
const DEBUGFS: Tool = { name: "debugfs", package: "e2fsprogs" };

/** The name that the file has, as far as it was given one. */
function patternOf(handle: Handle): string {
  const { draft, output } = inside(handle);
  const found = draft.spec.outputs.find(({ name }) => name === output);
  return found?.kind === "file" ? found.pattern : "";
}
