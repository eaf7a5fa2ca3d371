// The options of every rule and step as data, from the very schemas that check them: documentation is made from
// this, so it cannot drift. It does not know how a page looks.
import { z } from "zod";
import { aptSchema } from "./apt.js";
import { bootSchema } from "./boot.js";
import { diskSchema } from "./disk.js";
import { dnfSchema } from "./dnf.js";
import { extractSchema } from "./extract.js";
import { initramfsSchema } from "./initramfs.js";
import { installerIsoSchema } from "./installer-iso.js";
import { isoSchema } from "./iso.js";
import { kernelSchema } from "./kernel.js";
import { mirrorSchema } from "./mirror.js";
import { squashfsSchema } from "./squashfs.js";
import { nixSchema } from "./nix.js";
import { callForm, typeOf } from "./options.js";
import { pacmanSchema } from "./pacman.js";
import { platformfsSchema } from "./platformfs.js";
import { projectSchema } from "./project.js";
import { pxeSchema } from "./pxe.js";
import { signerSchema } from "./signers.js";
import { rootfsSchema } from "./rootfs.js";
import { checkSchema, runSchema } from "./run.js";
import { layersSchema } from "./search-path.js";
import { stepSchemas } from "./steps.js";
import { uniqueSchema } from "./unique.js";
import { unpackSchema } from "./unpack.js";
import { xbpsSchema } from "./xbps.js";

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
  /** How it is called. */
  readonly form: string;
  readonly options: readonly OptionText[];
}

const SCHEMAS: Readonly<Record<string, z.ZodObject>> = {
  "rule.run": runSchema,
  "rule.check": checkSchema,
  "rule.rootfs": rootfsSchema,
  "rule.platformfs": platformfsSchema,
  "rule.unpack": unpackSchema,
  "rule.kernel": kernelSchema,
  "rule.initramfs": initramfsSchema,
  "rule.extract": extractSchema,
  "rule.squashfs": squashfsSchema,
  "rule.iso": isoSchema,
  "rule.disk": diskSchema,
  "rule.pxe": pxeSchema,
  "rule.nix": nixSchema,
  "rule.mirror": mirrorSchema,
  "rule.installerIso": installerIsoSchema,
  "rule.boot": bootSchema,
  "rule.unique": uniqueSchema,
  ...Object.fromEntries(Object.entries(stepSchemas).map(([name, schema]) => [`step.${name}`, schema])),
  apt: aptSchema,
  xbps: xbpsSchema,
  pacman: pacmanSchema,
  dnf: dnfSchema,
  layers: layersSchema,
  project: projectSchema,
  "signify, minisign": signerSchema,
};

/** Everything that takes options; `more` is what is built on the rules. */
export function describeRules(more: Readonly<Record<string, z.ZodObject>> = {}): readonly RuleText[] {
  return Object.entries({ ...SCHEMAS, ...more }).map(([name, schema]) => ({
    name,
    // Several may be alike.
    form: name
      .split(", ")
      .map((one) => callForm(one, schema))
      .join(", "),
    options: optionsOf(schema),
  }));
}

function optionsOf(schema: z.ZodObject): readonly OptionText[] {
  const fields = Object.entries<z.ZodType>(schema.shape);
  return fields.map(([name, field]) => {
    const inner = unwrap(field);
    return {
      name,
      required: !field.safeParse(undefined).success,
      type: typeOf(field) ?? "",
      description: descriptionOf(field),
      options: optionsIn(inner),
    };
  });
}

/** Of an object, and of what a record has under each name. */
function optionsIn(schema: z.core.$ZodType): readonly OptionText[] {
  if (schema instanceof z.ZodObject) return optionsOf(schema);
  if (!(schema instanceof z.ZodRecord)) return [];
  const below = unwrap(schema.valueType);
  return below instanceof z.ZodObject
    ? optionsOf(below).map((one) => ({ ...one, name: `NAME.${one.name}` }))
    : [];
}

const unwrap = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;

function descriptionOf(schema: z.core.$ZodType): string {
  const own = z.globalRegistry.get(schema)?.description;
  return own ?? (schema instanceof z.ZodOptional ? descriptionOf(schema.unwrap()) : "");
}
