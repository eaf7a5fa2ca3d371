// Which tests expect the words of a message: those that have several of them in a row, in a text or a pattern of their own,
// which no other message has.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { alg, Graph } from "@dagrejs/graphlib";
import ts from "typescript";

/** So many words in a row tell a message from others. */
const ENOUGH = 3;
/** Fewer that are all of a message's longest part. */
const WHOLE = 2;

/** Parts of a text between what is known at run time alone, as words. */
const parts = (text: string): readonly (readonly string[])[] =>
  text
    .split(/\{\}|\n/)
    .map((part) => part.match(/[\p{L}\p{N}$@%_.:/*=-]*[\p{L}\p{N}]/gu) ?? [])
    .map((words) => words.map((word) => word.replace(/^[:./]+(?=[a-z])|[:.]+$/g, "")));

function* runs(words: readonly string[], length: number): Generator<string> {
  for (let at = 0; at + length <= words.length; at += 1) yield words.slice(at, at + length).join(" ");
}

/**
 * For each text, the tests that expect words of it, or of another in its group. Words that another group has as well prove
 * nothing. A group is what one place may say, and what other places say in the same words.
 */
export function proofs(
  groups: readonly (readonly string[])[],
  tests: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const first = firstOfGroups(groups);
  const owners = new Map<string, Set<string>>();
  for (const [text, owner] of first)
    for (const run of telling(text)) {
      const already = owners.get(run);
      if (already === undefined) owners.set(run, new Set([owner]));
      else already.add(owner);
    }
  const found = new Map<string, Set<string>>([...first.values()].map((owner) => [owner, new Set()]));
  for (const [file, literals] of tests)
    for (const run of new Set(literals.flatMap((literal) => parts(literal).flatMap(allRuns)))) {
      const [owner, ...others] = owners.get(run) ?? [];
      if (owner !== undefined && others.length === 0) found.get(owner)?.add(file);
    }
  return new Map([...first].map(([text, owner]) => [text, found.get(owner) ?? new Set()]));
}

/** The first text of each text's group, where groups that share a text are one. */
function firstOfGroups(groups: readonly (readonly string[])[]): ReadonlyMap<string, string> {
  const graph = new Graph({ directed: false });
  for (const group of groups)
    for (const text of group) {
      graph.setNode(text);
      graph.setEdge(group[0] ?? text, text);
    }
  return new Map(
    alg.components(graph).flatMap((texts) => texts.map((text) => [text, texts[0] ?? text] as const)),
  );
}

const allRuns = (words: readonly string[]): readonly string[] =>
  [WHOLE, ENOUGH].flatMap((length) => [...runs(words, length)]);

/** The runs of words that tell a message from others. */
function telling(text: string): readonly string[] {
  const own = parts(text);
  const length = Math.min(ENOUGH, Math.max(...own.map((part) => part.length)));
  return length < WHOLE ? [] : own.flatMap((part) => [...runs(part, length)]);
}

/** The texts and patterns in the tests beneath a folder, by file; what is known at run time alone, and what a pattern leaves open, is `{}`. */
export function textsInTests(
  root: string,
  folder: string,
  leftOut: RegExp,
): ReadonlyMap<string, readonly string[]> {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !leftOut.test(name))
    .map((name) => join(folder, name))
    .sort();
  return new Map(files.map((file) => [file, literalsIn(file, readFileSync(join(root, file), "utf8"))]));
}

function literalsIn(name: string, text: string): readonly string[] {
  const found: string[] = [];
  const look = (node: ts.Node): void => {
    if (isTitle(node)) return;
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    else if (ts.isRegularExpressionLiteral(node)) found.push(open(node.text));
    else if (ts.isTemplateExpression(node))
      found.push([node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join("{}"));
    ts.forEachChild(node, look);
  };
  ts.forEachChild(ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true), look);
  return found;
}

/** What a test is called says nothing of what it expects. */
const isTitle = (node: ts.Node): boolean =>
  ts.isCallExpression(node.parent) &&
  node.parent.arguments[0] === node &&
  /^(?:test|describe|it)\b(?!.*\.each$)/s.test(node.parent.expression.getText());

/** A pattern as text: what is not fixed in it is `{}`. */
const open = (pattern: string): string =>
  pattern
    .replace(/^\/|\/[a-z]*$/g, "")
    .replace(/\\n/g, "\n")
    .replace(
      /\(\?:|\(\?[<=!]+|\\[dswbDSWB][+*?]?|\[(?:\\.|[^\]])*\][+*?]?|\{\d+(?:,\d*)?\}|(?<!\\)[.()|^$][+*?]*/g,
      "{}",
    )
    .replace(/\\(.)/g, "$1");
