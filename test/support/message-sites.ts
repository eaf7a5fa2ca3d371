// Every message that the source can say, found by walking its syntax: calls of what makes problems and notices, objects with a
// `message`, and functions of ours that hand words on to one of these. What is only known at run time is `{}`.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** One message as the source has it. */
export interface Site {
  readonly file: string;
  readonly line: number;
  /** The function that is called with it; `message` for an object that has it. */
  readonly by: string;
  /** Its words, with `{}` for each part that is known at run time alone. */
  readonly text: string;
  /** What is said to do about it; empty where nothing is, or where somebody else says it. */
  readonly hint: string;
}

/** Which arguments of a function are words of a message, and which is its hint. */
interface Sink {
  readonly words: readonly number[];
  readonly hint: number | null;
}

/** What makes messages; all else that hands words on to these is found. */
const MAKERS: Readonly<Record<string, Sink>> = {
  fail: { words: [1], hint: 2 },
  stop: { words: [1], hint: 2 },
  wrongOption: { words: [1], hint: 2 },
  complaint: { words: [0], hint: null },
  ioProblem: { words: [0], hint: null },
  noticeOf: { words: [0], hint: null },
  tellLine: { words: [1], hint: null },
  warn: { words: [0], hint: null },
};

/** Fewer words are a part of a message that is said elsewhere. */
const LEAST = 2;
const UNKNOWN = "{}";
/** So deep are names followed to what they stand for. */
const DEPTH = 4;
/** So many messages may come of one place: a sentence with two alternatives has two. */
const MOST = 8;

/** All messages of the files beneath these folders, in order of place. */
export function messageSites(root: string, folders: readonly string[]): readonly Site[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name))
      .sort(),
  );
  const parsed = files.map((file) =>
    ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.Latest, true),
  );
  return parsed.flatMap((file) => sitesOf(file, sinksOf(file)));
}

/** The makers, and functions of this file that hand a parameter on to one. */
function sinksOf(file: ts.SourceFile): ReadonlyMap<string, Sink> {
  const sinks = new Map(Object.entries(MAKERS));
  // A function may hand on to one that hands on.
  for (let round = 0; round < 3; round += 1) {
    walk(file, (node) => {
      const named = functionOf(node);
      if (named === null || Object.hasOwn(MAKERS, named.name)) return;
      const parameters = named.body.parameters.map(({ name }) => name.getText(file));
      const [words, hints] = [new Set<number>(), new Set<number>()];
      walk(named.body, (inner) => {
        for (const { expression, role } of spoken(inner, sinks)) {
          for (const name of namesIn(expression)) {
            const at = parameters.indexOf(name);
            if (at >= 0) (role === "hint" ? hints : words).add(at);
          }
        }
      });
      if (words.size > 0 || hints.size > 0)
        sinks.set(named.name, { words: [...words], hint: [...hints].find((at) => !words.has(at)) ?? null });
    });
  }
  return sinks;
}

function sitesOf(file: ts.SourceFile, sinks: ReadonlyMap<string, Sink>): Site[] {
  const sites: Site[] = [];
  walk(file, (node) => {
    const parts = spoken(node, sinks);
    const by = ts.isCallExpression(node) ? calledName(node) : "message";
    const hints = parts
      .filter(({ role }) => role === "hint")
      .flatMap(({ expression }) => textsOf(expression));
    for (const { expression, role } of parts) {
      if (role === "hint") continue;
      const { line } = file.getLineAndCharacterOfPosition(expression.getStart(file));
      for (const text of textsOf(expression))
        if (wordsIn(text) >= LEAST)
          sites.push({ file: file.fileName, line: line + 1, by, text, hint: hints.join(" / ") });
    }
  });
  return sites;
}

interface Spoken {
  readonly expression: ts.Expression;
  readonly role: "words" | "hint";
}

/** What a node says, if it says anything. */
function spoken(node: ts.Node, sinks: ReadonlyMap<string, Sink>): readonly Spoken[] {
  if (ts.isCallExpression(node)) {
    const sink = sinks.get(calledName(node)) ?? (isStderr(node) ? { words: [0], hint: null } : undefined);
    if (sink === undefined) return [];
    const words = sink.words.flatMap((at): Spoken[] => {
      const expression = node.arguments[at];
      return expression === undefined ? [] : [{ expression, role: "words" }];
    });
    const hint = sink.hint === null ? undefined : node.arguments[sink.hint];
    return hint === undefined ? words : [...words, { expression: hint, role: "hint" }];
  }
  if (ts.isObjectLiteralExpression(node))
    return node.properties.flatMap((property): Spoken[] => {
      if (!ts.isPropertyAssignment(property)) return [];
      const name = property.name.getText();
      const role = name === "message" ? "words" : name === "hint" ? "hint" : null;
      return role === null ? [] : [{ expression: property.initializer, role }];
    });
  return [];
}

const isStderr = (node: ts.CallExpression): boolean =>
  node.expression.getText().endsWith("stderr.write") && !node.getText().includes("JSON.stringify");

/** `fail` of `fail(…)`, `warn` of `this.warn(…)`. */
const calledName = ({ expression }: ts.CallExpression): string =>
  ts.isIdentifier(expression)
    ? expression.text
    : ts.isPropertyAccessExpression(expression)
      ? expression.name.text.replace(/^#/, "")
      : "";

function functionOf(
  node: ts.Node,
): { readonly name: string; readonly body: ts.FunctionLikeDeclaration } | null {
  if ((ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) && node.name !== undefined)
    return { name: node.name.getText().replace(/^#/, ""), body: node };
  if (
    ts.isVariableDeclaration(node) &&
    node.initializer !== undefined &&
    ts.isArrowFunction(node.initializer)
  )
    return { name: node.name.getText(), body: node.initializer };
  return null;
}

/** The texts that an expression may be: one, or several where it chooses. */
function textsOf(expression: ts.Expression, depth = DEPTH): readonly string[] {
  if (ts.isStringLiteralLike(expression)) return [expression.text];
  if (ts.isParenthesizedExpression(expression)) return textsOf(expression.expression, depth);
  if (ts.isConditionalExpression(expression))
    return [...textsOf(expression.whenTrue, depth), ...textsOf(expression.whenFalse, depth)];
  if (ts.isTemplateExpression(expression))
    return expression.templateSpans.reduce<readonly string[]>(
      (texts, { expression: inner, literal }) => joined(texts, textsOf(inner, depth), literal.text),
      [expression.head.text],
    );
  if (ts.isBinaryExpression(expression)) {
    if (expression.operatorToken.kind === ts.SyntaxKind.PlusToken)
      return joined(textsOf(expression.left, depth), textsOf(expression.right, depth), "");
    return [UNKNOWN];
  }
  if (ts.isArrowFunction(expression) && !ts.isBlock(expression.body)) return textsOf(expression.body, depth);
  if (ts.isIdentifier(expression) && depth > 0) {
    const meant = constant(expression);
    if (meant !== null) return textsOf(meant, depth - 1);
  }
  return [UNKNOWN];
}

function joined(before: readonly string[], middle: readonly string[], after: string): readonly string[] {
  const all = before.flatMap((start) => middle.map((inner) => `${start}${inner}${after}`));
  return all.length <= MOST ? all : before.map((start) => `${start}${UNKNOWN}${after}`);
}

/** What a constant of the same function or file is set to, where that is text. */
function constant(name: ts.Identifier): ts.Expression | null {
  for (let scope: ts.Node = name.parent; ; scope = scope.parent) {
    if (ts.isBlock(scope) || ts.isSourceFile(scope))
      for (const statement of scope.statements)
        if (ts.isVariableStatement(statement))
          for (const { name: declared, initializer } of statement.declarationList.declarations)
            if (initializer !== undefined && ts.isIdentifier(declared) && declared.text === name.text)
              return initializer;
    if (ts.isSourceFile(scope)) return null;
  }
}

function namesIn(expression: ts.Expression): ReadonlySet<string> {
  const names = new Set<string>();
  const look = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.add(node.text);
    else if (ts.isTemplateExpression(node) || ts.isTemplateSpan(node) || ts.isBinaryExpression(node))
      ts.forEachChild(node, look);
    else if (ts.isConditionalExpression(node)) [node.whenTrue, node.whenFalse].forEach(look);
  };
  look(expression);
  return names;
}

const wordsIn = (text: string): number => text.replaceAll(UNKNOWN, " ").match(/[A-Za-z]{2,}/g)?.length ?? 0;

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}
