// What was declared as data: of everything in the module "imagemake" that takes options, its name, text, call and options.
// docs/rules.md, `imagemake explain` and the texts that editors show are made of this.
import { z } from "zod";
import { declarationOf, type Declaration } from "./declaration.js";
import { callForm, typeOf } from "./options.js";

/** One option. `type` is in words, `description` a sentence or two of Markdown. */
export interface OptionText {
  readonly name: string;
  readonly required: boolean;
  readonly type: string;
  readonly description: string;
  /** Where the option is an object of its own: its options. */
  readonly options: readonly OptionText[];
}

/** A rule, a step or a function of the module, and its options in the order in which they are declared. */
export interface RuleText {
  readonly name: string;
  /** What it is, a sentence or two of Markdown. */
  readonly text: string;
  /** How it is called. */
  readonly form: string;
  readonly options: readonly OptionText[];
}

/** In which order they are read. */
const KINDS = ["rule.", "step.", "", "preset."];
const rank = (name: string): number =>
  KINDS.findIndex((kind) => (kind === "" ? !name.includes(".") : name.startsWith(kind)));

/** All declarations of a module, by kind and name. */
export function declarationsIn(module: object): readonly Declaration[] {
  const all = new Map(found(module).map((one) => [one.name, one]));
  return [...all.values()].sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

/** In `rule`, `step` and `preset` too. */
const found = (module: object): readonly Declaration[] =>
  Object.values(module).flatMap((value: unknown) =>
    typeof value === "object" && value !== null ? found(value) : (declarationOf(value) ?? []),
  );

/** A declaration in words. */
export const describe = ({ name, text, schema }: Declaration): RuleText => ({
  name,
  text,
  form: callForm(name, schema),
  options: optionsOf(schema),
});

function optionsOf(schema: z.ZodObject): readonly OptionText[] {
  const fields = Object.entries<z.ZodType>(schema.shape);
  return fields.map(([name, field]) => ({
    name,
    required: !field.safeParse(undefined).success,
    type: typeOf(field) ?? "",
    description: descriptionOf(field),
    options: optionsIn(field),
  }));
}

/** Of objects in it: itself, each of an array, one of several forms, or what a record has under each name. */
const optionsIn = (schema: z.core.$ZodType): readonly OptionText[] =>
  objectsIn(schema).flatMap((one) =>
    optionsOf(one).map((option) => (isRecord(schema) ? { ...option, name: `NAME.${option.name}` } : option)),
  );

/** The objects that an option takes. */
export function objectsIn(schema: z.core.$ZodType): readonly z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema];
  if (schema instanceof z.ZodOptional) return objectsIn(schema.unwrap());
  if (schema instanceof z.ZodArray) return objectsIn(schema.element);
  if (schema instanceof z.ZodRecord) return objectsIn(schema.valueType);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(objectsIn);
  return [];
}

/** The schema of an option by the names that lead to it. */
export const fieldAt = (schema: z.core.$ZodType, path: readonly string[]): z.core.$ZodType | undefined =>
  path.reduce<z.core.$ZodType | undefined>(
    (here, name) =>
      here && objectsIn(here).flatMap(({ shape }) => (name in shape ? [shape[name] as z.ZodType] : []))[0],
    schema,
  );

/** As JSON schema (draft 2020-12): `words` say what a value is where only code can tell, such as a target. */
export const jsonSchemaOf = (schema: z.core.$ZodType): object =>
  z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });

const isRecord = (schema: z.core.$ZodType): boolean =>
  schema instanceof z.ZodOptional ? isRecord(schema.unwrap()) : schema instanceof z.ZodRecord;

function descriptionOf(schema: z.core.$ZodType): string {
  const own = z.globalRegistry.get(schema)?.description;
  return own ?? (schema instanceof z.ZodOptional ? descriptionOf(schema.unwrap()) : "");
}
