// What the recipe of a finished action has to say although it succeeded: sentences for people.
import { join } from "node:path";
import { grouped } from "../../../cache/grouped.js";
import { codeOf, readPlain } from "../../../cache/io.js";
import type { Action } from "../../model.js";
import { noticeOf, type Notice } from "../../notice.js";

/** What a recipe told. */
interface Told {
  /** What is not in its outputs as it was to be. */
  readonly losses: readonly Notice[];
  readonly warnings: readonly Notice[];
}

/**
 * What the recipe of a finished action tells in the files `.losses` and `.warnings` of its working directory: a line for
 * each name that a sentence has, `sentence<TAB>name` (rules/recipes/tell.sh). Commands of an Imagefile have no such files.
 */
export function toldBy({ command }: Pick<Action, "command">, work: string): Told {
  if (command.kind !== "recipe") return { losses: [], warnings: [] };
  return { losses: sentences(join(work, ".losses")), warnings: sentences(join(work, ".warnings")) };
}

/** How much of such a file is read. In bytes. */
const MOST = 1024 ** 2;

/** A sentence each, with its names; where there is more to read, the last one ends with an ellipsis. */
function sentences(file: string): readonly Notice[] {
  const { text, more } = told(file);
  const lines = text
    .split("\n")
    .map(split)
    .filter(([sentence]) => sentence !== "");
  const groups = [...grouped(lines, ([sentence]) => sentence)];
  return groups.map(([sentence, of], at) => {
    const names = of.flatMap(([, name]) => name ?? []);
    const end = more && at === groups.length - 1 ? "…" : "";
    return names.length === 0
      ? { message: `${sentence}${end}` }
      : noticeOf((some) => `${sentence} (${some(names)})${end}`);
  });
}

function split(line: string): readonly [sentence: string, name: string | undefined] {
  const [sentence = "", name] = line.split("\t");
  return [sentence, name];
}

/** The lines of a file, if one is there, and whether it has more. Scripts of users ran where it lies. */
function told(file: string): { readonly text: string; readonly more: boolean } {
  let bytes: Buffer | null = null;
  try {
    bytes = readPlain(file, MOST + 1);
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "EACCES"].includes(codeOf(error))) throw error;
  }
  const text = bytes?.toString() ?? "";
  if (bytes === null || bytes.length <= MOST) return { text, more: false };
  // What is cut off is no name.
  const end = text.lastIndexOf("\n");
  return { text: end < 0 ? text : text.slice(0, end), more: true };
}
