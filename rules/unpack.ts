// unpack: the tree inside a tarball, so that rules for trees work on what a command packed.
import { declareOne } from "../engine/declare.js";
import { option } from "./options.js";
import { callable, declaration, type Given } from "./declaration.js";
import { recipe } from "./recipes.js";
import { fileTarget } from "./schema.js";
import { asTree, type TreeTarget } from "./types.js";

const declared = declaration(
  "rule.unpack",
  "The tree in `from`, a tarball that GNU tar can read: owners, modes, attributes and links as they are in it.",
  {
    from: option(
      fileTarget,
      "a file target",
      "A tarball that GNU tar can read, which a command made. No repository comes with its tree, so no packages can be " +
        "installed on it.",
    ),
  },
  ["from"],
);

export const unpack = callable(declared, (from: Given<typeof declared>["from"]): TreeTarget => {
  const given = declared.check({ from });
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
});
