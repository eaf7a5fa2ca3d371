// What an editor shows of rules and their options: the texts of the declarations, written as comments into the compiled types
// (dist/**/*.d.ts), which is where an Imagefile's editor reads them. A step of `npm run build`.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import glob from "fast-glob";
import ts from "typescript";
import { z } from "zod";
import type { Declaration } from "../rules/declaration.js";
import { declarationsIn, describe, objectsIn } from "../rules/describe.js";
import { positionalOf } from "../rules/options.js";
import * as imagemake from "./index.js";

/** Where the compiled types are. */
const DIST = fileURLToPath(new URL("../", import.meta.url));

/** Text that stands at a place of a file instead of what is between two places. */
interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** The file with the texts of all declarations that are in it, by the name that is part of a declaration's type. */
export function withTexts(file: string, all: readonly Declaration[]): string {
  const source = ts.createSourceFile("types.d.ts", file, ts.ScriptTarget.Latest, true);
  const edits: Edit[] = [];
  const comment = (node: ts.Node, text: string): void => {
    const [old] = ts.getLeadingCommentRanges(file, node.getFullStart()) ?? [];
    const at = node.getStart(source);
    const indent = /[^\n]*$/.exec(file.slice(0, at))?.[0].replace(/\S.*/, "") ?? "";
    edits.push({ from: old?.pos ?? at, to: at, text: `${commentOf(text, indent)}\n${indent}` });
  };
  const options = (literal: ts.TypeLiteralNode, schema: z.ZodObject): void => {
    for (const { name, text, field } of textsOf(schema)) {
      const member = literal.members.find((one) => nameOf(one) === name);
      if (member === undefined) continue;
      comment(member, text);
      const inner = objectsIn(field);
      for (const below of literalsIn(member)) {
        const fits = inner.find((one) => sameNames(below, one));
        if (fits !== undefined) options(below, fits);
      }
    }
  };
  const visit = (node: ts.Node): void => {
    const made = ts.isVariableStatement(node) && isExported(node) ? declaredIn(node, all) : undefined;
    if (made !== undefined) comment(node, [made.text, ...wordsOf(made)].join("\n"));
    const found = declaredBy(node, all);
    const shape = found && argumentsOf(node)[1];
    if (found !== undefined && shape !== undefined && ts.isTypeLiteralNode(shape))
      options(shape, found.schema);
    else ts.forEachChild(node, visit);
  };
  visit(source);
  return edits
    .sort((a, b) => b.from - a.from)
    .reduce((text, { from, to, text: put }) => text.slice(0, from) + put + text.slice(to), file);
}

function commentOf(text: string, indent: string): string {
  const lines = text.replaceAll("*/", "*\\/").split("\n");
  return lines.length === 1
    ? `/** ${lines.join("")} */`
    : ["/**", ...lines.map((line) => ` * ${line}`), " */"].join(`\n${indent}`);
}

/** An option's text as an editor shows it, where it has one. */
function textsOf(schema: z.ZodObject): readonly { name: string; text: string; field: z.ZodType }[] {
  const { options } = describe({ name: "", text: "", schema, check: () => ({}) });
  return Object.entries<z.ZodType>(schema.shape).flatMap(([name, field]) => {
    const text = options.find((one) => one.name === name)?.description ?? "";
    return text === "" ? [] : [{ name, text, field }];
  });
}

/** What the words of a call are, as tags. */
function wordsOf({ schema }: Declaration): readonly string[] {
  const words = positionalOf(schema);
  return textsOf(schema).flatMap(({ name, text }) =>
    words.includes(name) ? [`@param ${name} ${text}`] : [],
  );
}

/** Of `Rule<"rule.disk", { … }, …>` the declaration of that name. */
function declaredBy(node: ts.Node, all: readonly Declaration[]): Declaration | undefined {
  const [name] = argumentsOf(node);
  return name && all.find((one) => literalOf(name) === one.name);
}

const argumentsOf = (node: ts.Node): readonly ts.TypeNode[] =>
  ts.isTypeReferenceNode(node) || ts.isImportTypeNode(node) ? (node.typeArguments ?? []) : [];

const literalOf = (node: ts.TypeNode): string | undefined =>
  ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal) ? node.literal.text : undefined;

/** The first declaration in there. */
const declaredIn = (node: ts.Node, all: readonly Declaration[]): Declaration | undefined =>
  declaredBy(node, all) ?? ts.forEachChild(node, (below) => declaredIn(below, all));

const isExported = ({ modifiers }: ts.VariableStatement): boolean =>
  modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;

const nameOf = (member: ts.TypeElement): string | undefined =>
  member.name !== undefined && (ts.isIdentifier(member.name) || ts.isStringLiteral(member.name))
    ? member.name.text
    : undefined;

/** The outermost object types in a type. */
function literalsIn(node: ts.Node): readonly ts.TypeLiteralNode[] {
  const found: ts.TypeLiteralNode[] = [];
  const visit = (below: ts.Node): void => {
    if (ts.isTypeLiteralNode(below)) found.push(below);
    else ts.forEachChild(below, visit);
  };
  ts.forEachChild(node, visit);
  return found;
}

const sameNames = (literal: ts.TypeLiteralNode, schema: z.ZodObject): boolean => {
  const known = Object.keys(schema.shape);
  return (
    literal.members.length === known.length &&
    literal.members.every((one) => known.includes(nameOf(one) ?? ""))
  );
};

/** Rewrites the compiled types that have declarations. */
function main(): void {
  const all = declarationsIn(imagemake);
  for (const path of glob.sync(["rules/**/*.d.ts", "targets/**/*.d.ts"], { cwd: DIST, absolute: true })) {
    const file = readFileSync(path, "utf8");
    const now = withTexts(file, all);
    if (now !== file) writeFileSync(path, now);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
