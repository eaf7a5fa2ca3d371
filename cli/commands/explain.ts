// `imagemake explain [NAME]`: what a rule, a step or a function of an Imagefile is and what it takes, as it was declared.
import { nearestHint } from "../../engine/evaluate/nearest.js";
import { Exit, ProblemError } from "../../engine/problem.js";
import type { Declaration } from "../../rules/declaration.js";
import type { OptionText } from "../../rules/describe.js";
import { output } from "../output.js";
import { columnsOf } from "../render/renderer.js";
import type { Call } from "../call.js";

type Describe = typeof import("../../rules/describe.js");

/** Prints one declaration, one option, or the names of all. */
export async function command({ names: [word], options }: Call<"explain">): Promise<number> {
  const rules = await import("../../rules/describe.js");
  const all = rules.declarationsIn(await import("../../targets/index.js"));
  const asJson = options.json === true;
  const text = word === undefined ? listed(rules, all, asJson) : told(rules, all, word, asJson);
  output.write(`${text}\n`);
  return Exit.done;
}

/** What a word means: declarations, and in each of them the names that lead to an option. */
interface Meaning {
  readonly declared: Declaration;
  readonly path: readonly string[];
}

function told(rules: Describe, all: readonly Declaration[], word: string, asJson: boolean): string {
  const found = meanings(rules, all, word);
  if (asJson) {
    const schemas = found.map(({ declared, path }) => [
      [declared.name, ...path].join("."),
      path.length === 0 ? wholeSchema(rules, declared) : schemaAt(rules, declared, path),
    ]);
    return JSON.stringify(found.length === 1 ? schemas[0]?.[1] : Object.fromEntries(schemas), null, 2);
  }
  return found
    .map(({ declared, path }) => {
      const { form, text, options } = rules.describe(declared);
      const option = optionAt(options, path);
      const lines =
        option === undefined
          ? [form, ...wrapped(text, "  "), "", ...options.flatMap((one) => optionLines(one, ""))]
          : optionLines(option, `${[declared.name, ...path.slice(0, -1)].join(".")}.`);
      return lines.join("\n");
    })
    .join("\n\n");
}

/** Names are given whole or without what stands before the dot; an option alone is that of all that have it. */
function meanings(rules: Describe, all: readonly Declaration[], word: string): readonly Meaning[] {
  const called = (name: string): readonly Declaration[] =>
    all.filter((one) => one.name === name || one.name.endsWith(`.${name}`));
  const parts = word.split(".");
  for (let at = parts.length; at > 0; at -= 1) {
    const [declared] = called(parts.slice(0, at).join("."));
    if (declared === undefined) continue;
    // What an option has under names of the user's is documented as NAME.
    const path = parts.slice(at).filter((one) => one !== "NAME");
    if (optionAt(rules.describe(declared).options, path) === undefined && path.length > 0) {
      const known = namesIn(rules.describe(declared).options, "");
      refuse(`${declared.name} has no option ${path.join(".")}`, path.join("."), known);
    }
    return [{ declared, path }];
  }
  const having = all
    .filter(({ schema }) => word in schema.shape)
    .map((declared) => ({ declared, path: [word] }));
  if (having.length > 0) return having;
  const names = all.flatMap(({ name, schema }) => [
    name,
    name.replace(/^.*\./, ""),
    ...Object.keys(schema.shape),
  ]);
  return refuse(`there is no rule, step or option ${word}`, word, names);
}

function refuse(message: string, word: string, known: readonly string[]): never {
  const hint = nearestHint(word, known) ?? "imagemake explain names all there are";
  throw new ProblemError({ exit: Exit.usage, message, hint });
}

function optionAt(
  options: readonly OptionText[],
  [name, ...below]: readonly string[],
): OptionText | undefined {
  const option = options.find((one) => one.name === name || one.name === `NAME.${name ?? ""}`);
  return option === undefined || below.length === 0 ? option : optionAt(option.options, below);
}

const namesIn = (options: readonly OptionText[], before: string): readonly string[] =>
  options.flatMap(({ name, options: below }) => [`${before}${name}`, ...namesIn(below, `${before}${name}.`)]);

function optionLines({ name, required, type, description, options }: OptionText, before: string): string[] {
  return [
    `  ${before}${name}${required ? "" : " (optional)"}: ${type}`,
    ...wrapped(description, "      "),
    ...options.flatMap((one) => optionLines(one, `${before}${name}.`)),
  ];
}

/** A text in lines of the terminal's width, no longer than is easily read. */
function wrapped(text: string, indent: string): string[] {
  const width = Math.min(columnsOf(output), 100) - indent.length;
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map((line) => indent + line);
}

function listed(rules: Describe, all: readonly Declaration[], asJson: boolean): string {
  if (asJson) {
    const schemas = all.map((one) => [one.name, wholeSchema(rules, one)]);
    return JSON.stringify(Object.fromEntries(schemas), null, 2);
  }
  return all.flatMap((one) => [rules.describe(one).form, ...wrapped(one.text, "    ")]).join("\n");
}

const wholeSchema = (rules: Describe, { name, text, schema }: Declaration): object => ({
  title: name,
  description: text,
  ...rules.jsonSchemaOf(schema),
});

function schemaAt(rules: Describe, { schema }: Declaration, path: readonly string[]): object {
  const field = rules.fieldAt(schema, path);
  return field === undefined ? {} : rules.jsonSchemaOf(field);
}
