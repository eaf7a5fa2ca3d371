// The options of rules: zod's schemas with the words for documentation and messages on them, and the one line that a
// wrong option gives.
import { z } from "zod";
import { isHandle, inside, isSource, sourceOf, wrongOption } from "../engine/declare.js";
import { nearest } from "../engine/evaluate/nearest.js";

/** An option: its type in words (what a wrong value is told), and what it does. */
export function option<T extends z.ZodType>(schema: T, type: string, description: string): T {
  return schema.meta({ words: type, description });
}

/** Words for the innermost parts of an option, where they have no description of their own. */
export const typed = <T extends z.ZodType>(schema: T, type: string): T => schema.meta({ words: type });

/** The type words of a schema, through `optional()`. */
export function typeOf(schema: z.core.$ZodType): string | undefined {
  const words = z.globalRegistry.get(schema)?.["words"];
  if (typeof words === "string") return words;
  return schema instanceof z.ZodOptional ? typeOf(schema.unwrap()) : undefined;
}

/** How it is called: `xbps(url, { … })`. The schema's `positional` are the options that are words of their own. */
export function callForm(name: string, schema: z.ZodObject): string {
  const words = positionalOf(schema);
  const more = Object.keys(schema.shape).length > words.length;
  return `${name}(${[...words, ...(more ? ["{ … }"] : [])].join(", ")})`;
}

/** Options that are words of their own in a call, in that order. */
export function positionalOf(schema: z.ZodObject): readonly string[] {
  const said = z.globalRegistry.get(schema)?.["positional"];
  return Array.isArray(said) ? said.map(String) : [];
}

/** How it is called, where an object or nothing stands for one of the words. */
function formHint(
  rule: string,
  schema: z.ZodObject,
  { path }: z.core.$ZodIssue,
  given: unknown,
): string | undefined {
  const [name, ...below] = path;
  if (typeof name !== "string" || below.length > 0 || !positionalOf(schema).includes(name)) return undefined;
  const found = valueAt(given, [name]);
  const isOther = found === undefined || (typeof found === "object" && !isHandle(found) && !isSource(found));
  return isOther && !Array.isArray(found) ? `it is called ${callForm(rule, schema)}` : undefined;
}

/** Checks the options of `rule`; a wrong one ends the evaluation with one line (exit status 2). */
export function check<T extends z.ZodObject>(rule: string, schema: T, given: unknown): z.output<T> {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues.map(deepest).sort((a, b) => rank(a) - rank(b))[0];
  if (issue === undefined) throw new Error(`${rule}: zod failed without an issue`);
  wrongOption(rule, describe(issue, schema, given), formHint(rule, schema, issue, given));
}

/** Misspelt names first: what they cause elsewhere (a missing option) is no second mistake. */
const rank = (issue: z.core.$ZodIssue): number => (issue.code === "unrecognized_keys" ? 0 : 1);

/** Of a union, the alternative that got furthest says the most. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  let best: z.core.$ZodIssue = issue;
  for (const inner of issue.errors.flat()) {
    const found = deepest(inner);
    const path = [...issue.path, ...found.path];
    const deeper = { ...found, path };
    if (depth(deeper) > depth(best)) best = deeper;
  }
  return best;
}

/** A misspelt name goes before what it causes beside it. */
const depth = ({ code, path }: z.core.$ZodIssue): number =>
  path.length + (code === "unrecognized_keys" ? 1.5 : 0);

function describe(issue: z.core.$ZodIssue, schema: z.ZodType, given: unknown): string {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const known = keysAt(schema, path);
    const near = nearest(key, known);
    const help = near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
    return `unknown option ${show([...path, key])}; ${help}`;
  }
  const at = path.length === 0 ? "" : `${show(path)}: `;
  if (issue.code === "custom" && issue.message !== "Invalid input") return at + issue.message;
  if (issue.code === "invalid_key") {
    const words = keyWords(schema, path.slice(0, -1));
    return at + (words === undefined ? (issue.issues[0]?.message ?? issue.message) : `expected ${words}`);
  }
  const expected = expectation(schema, path) ?? "an object with options";
  return `${at}expected ${expected}, found ${render(valueAt(given, path))}`;
}

/** The words of the innermost described schema on the way to `path`. */
function expectation(schema: z.core.$ZodType, path: readonly (string | number)[]): string | undefined {
  let here = schema;
  let words = typeOf(here);
  for (const part of path) {
    const below = child(here, part);
    // A part without words of its own is spoken for by what holds it.
    if (below === undefined) break;
    here = below;
    words = typeOf(here) ?? words;
  }
  return words;
}

function child(schema: z.core.$ZodType, part: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodOptional) return child(schema.unwrap(), part);
  if (schema instanceof z.ZodObject) return (schema.shape as Record<string, z.ZodType>)[part];
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  if (schema instanceof z.ZodUnion) {
    return schema.options.map((one) => child(one, part)).find((one) => one !== undefined);
  }
  return undefined;
}

/** The words for the names in the record at `path`. */
function keyWords(schema: z.core.$ZodType, path: readonly (string | number)[]): string | undefined {
  let here: z.core.$ZodType | undefined = schema;
  for (const part of path) here = here && child(here, part);
  while (here instanceof z.ZodOptional) here = here.unwrap();
  return here instanceof z.ZodRecord ? typeOf(here.keyType) : undefined;
}

function keysAt(schema: z.core.$ZodType, path: readonly (string | number)[]): readonly string[] {
  let here: z.core.$ZodType | undefined = schema;
  for (const part of path) here = here && child(here, part);
  return here === undefined ? [] : keysOf(here);
}

function keysOf(schema: z.core.$ZodType): readonly string[] {
  if (schema instanceof z.ZodOptional) return keysOf(schema.unwrap());
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(keysOf);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let here = value;
  for (const part of path) {
    if (typeof here !== "object" || here === null) return undefined;
    here = (here as Record<string | number, unknown>)[part];
  }
  return here;
}

/** `guards.has[2]` */
const show = (path: readonly (string | number)[]): string =>
  path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`)).join("");

/** A value as a message shows it: short, and never a handle's inside. */
export function render(value: unknown): string {
  if (value === undefined) return "nothing";
  if (isHandle(value)) return `a ${inside(value).kind} target`;
  if (isSource(value)) return `a source (${sourceOf(value).kind})`;
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  const text = JSON.stringify(value, (_, inner: unknown) =>
    isHandle(inner) || isSource(inner) ? render(inner) : inner,
  );
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
