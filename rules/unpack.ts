// unpack: the tree inside a tarball, so that rules for trees work on what a command packed. It knows nothing of the
// packages in it: no repository comes with the tree.
import { z } from "zod";
import { declareOne } from "../engine/declare.js";
import { check, option } from "./options.js";
import { recipe } from "./recipes.js";
import { fileTarget } from "./schema.js";
import { asTree, type FileTarget, type TreeTarget } from "./types.js";

export const unpackSchema = z
  .strictObject({
    from: option(
      fileTarget,
      "a file target",
      "A tarball that GNU tar can read, which a command made. No repository comes with its tree, so no packages can be " +
        "installed on it.",
    ),
  })
  .meta({ positional: ["from"] });

/** The tree in `from`, a tarball that GNU tar can read: owners, modes, attributes and links as they are in it. */
export function unpack(from: FileTarget): TreeTarget {
  const given = check("unpack", unpackSchema, { from });
  return asTree(
    declareOne({
      rule: "unpack",
      command: recipe("unpack.sh", ["lib.sh", "tell.sh", "unpack.sh"]),
      inputs: { FROM: given.from },
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      tools: [
        { name: "tar", package: "tar" },
        { name: "xz", package: "xz-utils" },
        { name: "gzip", package: "gzip" },
      ],
      root: true,
      resources: { memory: 256 * 1024 ** 2 },
    }),
  );
}
