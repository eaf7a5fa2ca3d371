// Recipes: the programs in rules/recipes/ that rules run. Their whole text goes into the action, and so into its key.
// bundle.js puts them together in one file, which is what is read, so an edit counts after `npm run build`.
import { readFileSync } from "node:fs";
import { RECIPES, RUN } from "../cache/installed.js";
import type { Command } from "../engine/model.js";

/**
 * The recipe `rules/recipes/<name>` as a command. `parts` are the files it is made of, in order, where it is
 * more than one; `beside` are those that it finds in its own directory.
 */
export const recipe = (
  name: string,
  parts: readonly string[] = [name],
  beside: readonly string[] = [],
): Command => ({
  kind: "recipe",
  name,
  text: parts.map(read).join("\n"),
  ...(beside.length === 0
    ? {}
    : { beside: Object.fromEntries(beside.map((one) => [one, read(one)] as const)) }),
});

/** Parts of every recipe that changes a tree with a package manager of this machine and runs the tree's own programs. */
export const INSIDE = ["lib.sh", "emulate.sh", "unique.sh", "inside.sh"] as const;

/** Those that are started, or imported, outside of an action, and so are files as well. */
export type RecipeProgram = `dnf-${"fetch" | "resolve" | "snapshot"}.py` | "qemu.mjs";

/** Where a program lies. */
export const recipeUrl = (name: RecipeProgram): URL => new URL(name, RUN);

/** The text of `rules/recipes/<name>`, for what is run before there is an action. */
export const recipeText = (name: string): string => read(name);

let texts: ReadonlyMap<string, string> | undefined;

function read(name: string): string {
  texts ??= new Map(Object.entries(JSON.parse(readFileSync(RECIPES, "utf8")) as Record<string, string>));
  const text = texts.get(name);
  if (text === undefined) throw new Error(`there is no recipe ${name}; npm run build puts them together`);
  return text;
}
