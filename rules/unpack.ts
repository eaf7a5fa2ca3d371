// unpack: the tree inside a tarball, so that rules for trees work on what a command packed. It knows nothing of the
// packages in it: no repository comes with the tree.
import { declareOne, isHandle, wrongOption } from "../engine/declare.js";
import { render } from "./options.js";
import { recipe } from "./recipes.js";
import { fileTarget } from "./schema.js";
import { asTree, type FileTarget, type TreeTarget } from "./types.js";

/** The tree in `from`, a tarball that GNU tar can read: owners, modes, attributes and links as they are in it. */
export function unpack(from: FileTarget): TreeTarget {
  const given = fileTarget.safeParse(from);
  if (!given.success || !isHandle(given.data)) {
    wrongOption("unpack", `expected a file target, found ${render(from)}`);
  }
  return asTree(
    declareOne({
      rule: "unpack",
      command: recipe("unpack.sh"),
      inputs: { FROM: given.data },
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
