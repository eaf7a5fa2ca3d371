// Finds what an action left: the file at $OUT, or the one in the working directory that a tool stamped with a date of
// its own; and what its recipe told. It judges names and kinds only; contents are the guards' matter.
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { grouped } from "../../../cache/grouped.js";
import { codeOf, readPlain } from "../../../cache/io.js";
import type { Action } from "../../model.js";
import { datedExpression, hasDate, withDate } from "../../names.js";
import { type Notice, noticeOf } from "../../notice.js";
import type { Failure } from "../../reason.js";
import type { StagedAction } from "../executor.js";
import type { Placed, PlacedOutput } from "./place.js";

/** An output that is a file. */
export type PlacedFile = PlacedOutput & { readonly output: { readonly kind: "file" } };

/** Where the output's file is, or why it does not count. */
export type Found =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "failure"; readonly failure: Failure };

const failure = (value: Failure): Found => ({ kind: "failure", failure: value });

/**
 * The first output that is not looked for, because the action put something else in the place of a directory on the way:
 * through a link it would be somebody else's file. `at` is relative to the stage; null where nothing of the kind is.
 */
export function displacedBy({
  dir,
  outputs,
}: Pick<Placed, "dir" | "outputs">): { readonly output: string; readonly at: string } | null {
  for (const { output, path } of outputs) {
    const parts = relative(dir, output.kind === "tree" ? path : dirname(path)).split("/");
    for (const count of parts.keys()) {
      const at = parts.slice(0, count + 1).join("/");
      if (lstatSync(join(dir, at), { throwIfNoEntry: false })?.isDirectory() === false)
        return { output: output.name, at };
    }
  }
  return null;
}

/** Looks for one file output of a finished action. */
export function findFile(staged: StagedAction, work: string, { output, path }: PlacedFile): Found {
  const expected = withDate(output.pattern, staged.datecode);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return findDated(staged, work, output, expected);
  const wrong = stats.isSymbolicLink()
    ? "is a symbolic link; the command must write the file itself"
    : stats.isDirectory()
      ? "is a directory; only `tree: true` makes a tree of it"
      : stats.isFile()
        ? null
        : "is neither a file nor a directory";
  return wrong === null
    ? { kind: "file", path }
    : failure({ kind: "guard", output: output.name, message: `${expected} ${wrong}` });
}

function findDated(
  { action, sources }: StagedAction,
  work: string,
  { name, pattern }: PlacedFile["output"],
  expected: string,
): Found {
  // What was put there for the action to read is nothing that it made.
  const inputs = new Set(sources.map(({ path }) => join(work, path)));
  const there = [...filesIn(work), ...filesIn(join(work, ".out"))].filter((path) => !inputs.has(path));
  if (action.collect !== null) {
    const expression = datedExpression(action.collect);
    const matching = there.filter((path) => expression.test(basename(path)));
    const [only, ...others] = matching;
    if (only !== undefined && others.length === 0)
      return lstatSync(only, { throwIfNoEntry: false }) === undefined
        ? failure({ kind: "guard", output: name, message: `${basename(only)}: its name is not UTF-8` })
        : { kind: "file", path: only };
    const found = matching.map((path) => basename(path)).join(", ");
    const message =
      found === ""
        ? `no file matches ${action.collect}`
        : `more than one file matches ${action.collect}: ${found}`;
    return failure({ kind: "guard", output: name, message });
  }
  if (hasDate(pattern)) {
    const expression = datedExpression(pattern);
    const other = there
      .map((path) => basename(path))
      .find((file) => file !== expected && expression.test(file));
    if (other !== undefined) return failure({ kind: "wrong-date", expected, found: other });
  }
  const made = filesIn(work)
    .filter((path) => !inputs.has(path))
    .map((path) => basename(path));
  return failure({
    kind: "output-missing",
    output: name,
    expected,
    ...(made.length === 0 ? {} : { made: made.slice(0, NAMED) }),
  });
}

/** So many of the files that it made elsewhere are named. */
const NAMED = 3;

/** Nothing in a directory that the action removed. */
const filesIn = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(dir, entry.name))
        .sort()
    : [];

// What the recipe of a finished action has to say although it succeeded: sentences for people.

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
