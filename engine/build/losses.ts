// What is lost on the way into an action's outputs, and what its recipe has to say although it succeeded: sentences for
// people, and with the guard `lossless` failures.
import { join } from "node:path";
import { grouped } from "../../cache/grouped.js";
import { codeOf, readPlain } from "../../cache/io.js";
import { digestOf } from "../../cache/store.js";
import type { Decider } from "../decide.js";
import type { Action } from "../model.js";
import { noticeOf, type Notice } from "../notice.js";
import { ok, type Result } from "../problem.js";
import type { Failure } from "../reason.js";
import { droppedAttributes } from "../sources/dropped.js";
import { lossesOf, lossText } from "../tree/losses.js";
import { readManifest } from "../tree/manifest.js";

/** What makes a loss a failure. */
export const refused = (action: Action, lost: readonly Notice[]): Failure | null =>
  action.guards.lossless === true && lost.length > 0
    ? {
        kind: "guard",
        output: action.outputs[0]?.name ?? "",
        message: lost.map(({ message }) => message).join("; "),
      }
    : null;

/**
 * What the formats of its outputs do not hold of the trees that it reads, and a tree not of the sources that go into it,
 * a sentence each.
 */
export async function lossesIn(decider: Decider, action: Action): Promise<Result<readonly Notice[]>> {
  const said: Notice[] = [];
  for (const input of action.inputs) {
    if (input.kind !== "source" || input.source.kind !== "files" || input.source.tree?.kind !== "tree")
      continue;
    const resolved = await decider.context.sources.resolve(input.source, input.name);
    if (!resolved.ok) return resolved;
    if (resolved.value.kind !== "files") continue;
    const losses = await droppedAttributes(resolved.value.files, input.source.tree);
    if (!losses.ok) return losses;
    if (losses.value.length > 0) said.push(lossText("an overlay", losses.value));
  }
  for (const holding of action.holds) {
    const input = action.inputs.find(({ name }) => name === holding.input);
    const id = input?.kind === "artifact" ? decider.artifactOf(input.target) : undefined;
    if (id === undefined || !id.startsWith("t:")) continue;
    const manifest = readManifest(decider.context.project.manifests, digestOf(id));
    if (!manifest.ok) return manifest;
    const losses = lossesOf(manifest.value, holding);
    if (losses.length > 0) said.push(lossText(holding.format, losses));
  }
  return ok(said);
}

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
