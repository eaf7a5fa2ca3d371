// Recipes: the shell beside this directory that rules run. Their whole text goes into the action, and so into its key.
import { readFileSync } from "node:fs";
import { PACKAGE } from "../cache/installed.js";
import type { Command } from "../engine/model.js";

const texts = new Map<string, string>();

/**
 * The recipe `rules/recipes/<name>` as a command. `parts` are the files it is made of, in order, where it is
 * more than one; `beside` are those that it finds in its own directory. Recipes are not compiled, so they lie in the
 * package and not in dist/.
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

/** The address of `rules/recipes/<name>`, for what imports it outside of an action. */
export const recipeUrl = (name: string): URL => new URL(`rules/recipes/${name}`, PACKAGE);

/** The text of `rules/recipes/<name>`, for what is run before there is an action. */
export const recipeText = (name: string): string => read(name);

function read(name: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    text = readFileSync(recipeUrl(name), "utf8");
    texts.set(name, text);
  }
  return text;
}
