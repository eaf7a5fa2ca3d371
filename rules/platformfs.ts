// platformfs: packages and steps on a root filesystem, each a layer over it. It makes the tree, and with `out`
// the file that holds it; the tree beneath is never packed on the way.
import { layered } from "./layers.js";
import { callable, declaration, type Given } from "./declaration.js";
import { option } from "./options.js";
import { packing, splitGuards, treeOrFile } from "./pack.js";
import { stepsOption } from "./steps/step.js";
import { asTreeHandle, common, guardsOf, packageNames, treeLike, limits } from "./schema.js";
import type { Built, Out } from "./types.js";

const declared = declaration(
  "rule.platformfs",
  "A platform filesystem: packages, then steps, on `from`. With `out` it is packed too.",
  {
    from: option(treeLike, "a tree", "The tree beneath."),
    packages: option(
      packageNames.optional(),
      `package names in an array, or list("file")`,
      "What is installed on it, without recommended packages, before the steps.",
    ),
    steps: stepsOption,
    ...packing,
    ...common,
  },
);

export const platformfs = callable(
  declared,
  <O extends string | undefined = undefined>(given: Given<typeof declared> & Out<O>): Built<O> => {
    const o = declared.check(given);
    const guards = splitGuards(guardsOf(o.guards));
    const tree = layered("platformfs", asTreeHandle(o.from), o.packages, o.steps ?? [], {
      ...limits(o),
      guards: o.out === undefined ? guardsOf(o.guards) : guards.tree,
      ...(o.out === undefined ? {} : { suffix: "tree" }),
    });
    return treeOrFile<O>("platformfs", tree, o, guards.file);
  },
);
