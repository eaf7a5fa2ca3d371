// extract: files copied out of a tree, such as its kernel and initrd, each a target of its own.
import { z } from "zod";
import { declare, wrongOption } from "../engine/declare.js";
import { callable, declaration, type Given } from "./declaration.js";
import { option } from "./options.js";
import { recipe } from "./recipes.js";
import { asTreeHandle, REFUSED, treeLike } from "./schema.js";
import { asFile, type FileTarget, type Outs } from "./types.js";

const NAME = /^[A-Za-z][A-Za-z0-9_.-]*$/;

const declared = declaration(
  "rule.extract",
  "The files of `from` that `paths` names, each as a file target under the same key.",
  {
    from: option(treeLike, "a tree", "The tree they are in."),
    paths: option(
      z.record(
        z.string().superRefine((name, context) => {
          if (!NAME.test(name))
            context.addIssue("a name is letters, digits, . _ and -, and begins with a letter");
        }),
        z.string().regex(/^[^\n]*[^\n/]$/),
      ),
      `{ name: "a path in the tree" }`,
      "What each file is called afterwards, and its path in the tree. `*`, `?` and `[…]` stand for parts of names; " +
        "exactly one file has to match. Symbolic links are followed inside the tree.",
    ),
  },
  ["from", "paths"],
);

export const extract = callable(
  declared,
  <const K extends string>(
    from: Given<typeof declared>["from"],
    paths: Readonly<Record<K, string>>,
  ): Outs<K> => {
    const o = declared.check({ from, paths });
    const files = Object.entries(o.paths).map(([name, path]) => ({ name, path, variable: variableOf(name) }));
    if (files.length === 0) wrongOption("extract", "paths: expected at least one, found none");
    const names = new Map<string, string>();
    for (const { name, variable } of files) {
      const other = names.get(variable);
      if (other !== undefined) wrongOption("extract", `paths: ${other} and ${name} differ too little`);
      names.set(variable, name);
    }
    const tree = asTreeHandle(o.from);
    const handles = declare(
      {
        rule: "extract",
        command: recipe("extract.sh", ["lib.sh", "extract.sh"]),
        env: { PATHS: files.map(({ path, variable }) => `${variable} ${path}`).join("\n") },
        inputs: { TREE: tree },
        outputs: files.map(({ name, variable }) => ({ name: variable, kind: "file", pattern: name })),
        inner: true,
        root: true,
      },
      tree.lineage,
    );
    const outs: Record<string, FileTarget> = {};
    for (const { name, variable } of files) {
      const handle = handles[variable];
      if (handle !== undefined) outs[name] = asFile(handle);
    }
    // One file a key of `paths`, which is what Outs says.
    return Object.freeze(outs) as Outs<K>;
  },
);

/** `kernel` is `$KERNEL` in the recipe; what the engine has for itself gets a mark. */
const variableOf = (name: string): string => {
  const variable = name.toUpperCase().replace(/[.-]/g, "_");
  return variable === "TREE" || variable === "PATHS" || REFUSED.includes(variable)
    ? `${variable}_`
    : variable;
};
