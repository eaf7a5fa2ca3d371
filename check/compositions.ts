// Shell recipes as actions run them: several parts make one text, and only in it every name has a meaning. They are found by
// evaluating Imagefiles that use every rule.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { evaluate } from "../engine/evaluate/load.js";
import { unwrap } from "../engine/problem.js";
import { PACKAGE } from "../cache/installed.js";
import { LINES, textOf, type Line } from "../test/support/imagefiles.js";

/** One of the files that a recipe is made of, and where it begins in its text: the number of lines before it. */
export interface Part {
  readonly file: string;
  readonly before: number;
}

/** The text of a recipe, and the files that it is made of. */
export interface Composition {
  readonly name: string;
  readonly text: string;
  readonly parts: readonly Part[];
}

/** Every part there is: its text, by its name. */
export function shellParts(): ReadonlyMap<string, string> {
  const recipes = new URL("rules/recipes/", PACKAGE);
  const names = readdirSync(recipes, { encoding: "utf8" }).filter((name) => name.endsWith(".sh"));
  return new Map(names.map((name) => [name, readFileSync(new URL(name, recipes), "utf8")]));
}

/** Which parts a recipe's text is made of; rules/recipes.ts joins them with a line break. */
export function partsOf(text: string, parts: ReadonlyMap<string, string>): readonly Part[] {
  const found: Part[] = [];
  for (let at = 0; at < text.length;) {
    const [next] = [...parts]
      .filter(([, part]) => text.startsWith(part, at) && [undefined, "\n"].includes(text[at + part.length]))
      .sort(([, a], [, b]) => b.length - a.length);
    if (next === undefined)
      throw new Error(`a recipe is made of no known parts: ${text.slice(at, at + 100)}…`);
    found.push({ file: next[0], before: text.slice(0, at).split("\n").length - 1 });
    at += next[1].length + 1;
  }
  return found;
}

/** Each distinct shell recipe of all actions of these Imagefiles. */
export async function compositions(): Promise<readonly Composition[]> {
  const parts = shellParts();
  const texts = new Map<string, string>();
  for (const line of LINES) for (const [text, name] of await recipesOf(line)) texts.set(text, name);
  return [...texts].map(([text, name]) => ({ name, text, parts: partsOf(text, parts) }));
}

/** The shell recipes of one Imagefile and those that lie beside them: names by texts. */
async function recipesOf({ file, reads, args }: Line): Promise<ReadonlyMap<string, string>> {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-check-"));
  const before = process.cwd();
  try {
    for (const [name, text] of Object.entries({ ...reads, "Imagefile.ts": textOf(file) })) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), text);
    }
    process.chdir(dir);
    const { graph } = unwrap(await evaluate({ file: join(dir, "Imagefile.ts"), args: args ?? {} }));
    return new Map(
      graph.actions
        .flatMap(({ command }) =>
          command.kind === "recipe"
            ? Object.entries({ ...command.beside, [command.name]: command.text })
            : [],
        )
        .flatMap(([name, text]) => (name.endsWith(".sh") ? [[text, name] as const] : [])),
    );
  } finally {
    process.chdir(before);
    rmSync(dir, { recursive: true, force: true });
  }
}
