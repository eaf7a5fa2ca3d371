// The one declaration of everything that an Imagefile calls with options: its name, what it is, its options with their texts.
// The compiler's types of what is given, messages, docs/rules.md, `imagemake explain` and what an editor shows follow from it.
import { z } from "zod";
import { check } from "./options.js";

/** Options by name. */
export type Shape = z.core.$ZodShape;

/** A declaration. Its name is a type too: targets/editor-texts.ts finds by it where a text goes. */
export interface Declaration<N extends string = string, S extends Shape = Shape> {
  /** `rule.disk`, as an Imagefile calls it. */
  readonly name: N;
  /** What it is, in a sentence or two of Markdown. */
  readonly text: string;
  readonly schema: z.ZodObject<S, z.core.$strict>;
  /** The options with all that a schema makes of them; a wrong one ends the evaluation with one line (exit status 2). */
  check(given: z.input<z.ZodObject<S>>): z.output<z.ZodObject<S>>;
}

/** What an Imagefile may write. */
export type Given<D extends Declaration> = z.input<D["schema"]>;
/** What the rule gets of it. */
export type Checked<D extends Declaration> = z.output<D["schema"]>;
/** The options that are no words of their own. */
export type Others<D extends Declaration, Words extends keyof Given<D>> = Omit<Given<D>, Words>;

const DECLARATION = Symbol("declaration");

/** What a function has that was declared. */
export interface Declares<N extends string = string, S extends Shape = Shape> {
  readonly [DECLARATION]: Declaration<N, S>;
}

/** What an Imagefile may write as options of that function. */
export type GivenTo<D extends Declares> = z.input<D[typeof DECLARATION]["schema"]>;
/** What is made of them. */
export type CheckedBy<D extends Declares> = z.output<D[typeof DECLARATION]["schema"]>;

/** A rule that takes nothing but options. */
export interface Rule<N extends string, S extends Shape, R> extends Declares<N, S> {
  (given: z.input<z.ZodObject<S>>): R;
}

/** A rule: its name, what it is, its options, and what it makes of them. */
export function rule<const N extends string, S extends Shape, R>(
  name: N,
  text: string,
  options: S,
  make: (checked: z.output<z.ZodObject<S>>, given: z.input<z.ZodObject<S>>) => R,
): Rule<N, S, R> {
  const declared = declaration(name, text, options);
  const made = (given: z.input<z.ZodObject<S>>): R => make(declared.check(given), given);
  return Object.assign(made, { [DECLARATION]: declared });
}

/** A declaration for `callable`; `words` are the options that are given as words of their own, in that order. */
export function declaration<const N extends string, S extends Shape>(
  name: N,
  text: string,
  options: S,
  words: readonly (keyof S & string)[] = [],
): Declaration<N, S> {
  // What zod makes writable was never frozen.
  const schema = z.strictObject(options) as unknown as z.ZodObject<S, z.core.$strict>;
  if (words.length > 0) z.globalRegistry.add(schema, { positional: words });
  return {
    name,
    text,
    schema,
    check: (given) => check(name.replace(/^rule\./, ""), schema, given),
  };
}

/** A function with its declaration, where more than the options says what it may be given: words of their own, generic types. */
export const callable = <N extends string, F extends (...given: never[]) => unknown>(
  declared: Declaration<N>,
  make: F,
): F & Declares<N> => Object.assign(make, { [DECLARATION]: declared });

/** The declaration of a function; undefined where it has none. */
export const declarationOf = (value: unknown): Declaration | undefined =>
  typeof value === "function" && DECLARATION in value
    ? (value as unknown as Declares)[DECLARATION]
    : undefined;
