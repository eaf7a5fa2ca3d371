// The stream of events as a page of Markdown and as a JSON schema, written from its declaration.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { beginSchema, EVENTS_VERSION, eventSchema } from "../engine/events.js";

type Schema = z.core.JSONSchema.BaseSchema;

/** Where the page and the schema lie. */
export const PAGE = fileURLToPath(new URL("../../docs/events.md", import.meta.url));
export const SCHEMA = fileURLToPath(new URL("../../docs/events.json", import.meta.url));

/** What a line of the stream is, as a JSON schema. Fields that it does not name may be there: see the page. */
const lineSchema = (): Schema => ({
  ...z.toJSONSchema(z.discriminatedUnion("type", [beginSchema, ...eventSchema.options]), {
    io: "input",
    override: ({ jsonSchema }) => {
      delete jsonSchema.readOnly;
    },
  }),
  title: `A line of imagemake's stream of events, version ${EVENTS_VERSION}`,
});

/** The schema as a file. */
export const schemaText = (): string => `${JSON.stringify(lineSchema(), null, 2)}\n`;

/** The whole page. */
export function eventsPage(): string {
  const { oneOf = [], $defs = {} } = lineSchema();
  return [
    "# The stream of events",
    "",
    "Made by `npm run docs` from the declaration in `engine/events.ts`; do not edit.",
    "",
    "All that a build tells, the terminal's display too, is made from one stream of events. `--progress json` writes it to",
    "standard output, `--events FILE` appends it to a file; each event is a line of JSON. `watch` writes it without an end.",
    "[events.json](events.json) is the JSON schema of a line.",
    "",
    `The first line of each run says the version of the stream, which is ${EVENTS_VERSION}. It grows when an event or a field is taken away`,
    "or comes to mean something else. Events, fields and kinds may be added without that: skip what you do not know.",
    "",
    "```json",
    `{"type":"begin","version":${EVENTS_VERSION},"imagemake":"0.1.0","at":1795000000000}`,
    '{"type":"started","target":"sums","build":"mifk3h20-5d0c1a44","reason":{"kind":"build","reason":{"kind":"never-built"}},"expected":null,"at":1795000000004}',
    "```",
    "",
    "A build that ends with status 2 or 3 before it has a plan tells why on standard error, and its stream ends without `done`;",
    "so does one that was killed. Secrets: what `env()` gives is in no event, but a command may print it into its log, of",
    "which `failed` has the last lines.",
    "",
    ...oneOf.filter(isSchema).flatMap((schema) => section(constOf(schema.properties?.["type"]), schema)),
    "# What fields hold",
    "",
    ...Object.entries($defs)
      .filter((entry): entry is [string, Schema] => isSchema(entry[1]))
      .flatMap(([name, schema]) => section(name, schema)),
  ].join("\n");
}

const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null;

const constOf = (schema: unknown): string =>
  isSchema(schema) && typeof schema.const === "string" ? schema.const : "";

function section(name: string, schema: Schema): string[] {
  const { description = "", oneOf } = schema;
  const head = [`## ${name}`, "", description, ""];
  if (oneOf === undefined) return [...head, ...fieldTable(schema)];
  const kinds = oneOf.filter(isSchema).map((one) => {
    const fields = fieldsOf(one).map(([field, of, isOptional]) => {
      const told = of.description === undefined ? "" : ` (${of.description})`;
      return `\`${field}\`${isOptional ? "?" : ""}: ${typeOf(of)}${told}`;
    });
    return [`\`${constOf(one.properties?.["kind"])}\``, one.description ?? "", fields.join("; ")];
  });
  return [...head, "| kind | is | with |", "| --- | --- | --- |", ...kinds.map(row), ""];
}

function fieldTable(schema: Schema): string[] {
  const fields = fieldsOf(schema);
  if (fields.length === 0) return [];
  return [
    "| field | type | is |",
    "| --- | --- | --- |",
    ...fields.map(([name, of, isOptional]) =>
      row([`\`${name}\`${isOptional ? " (optional)" : ""}`, typeOf(of), of.description ?? ""]),
    ),
    "",
  ];
}

/** Fields but those that tell what it is. */
const fieldsOf = ({ properties = {}, required = [] }: Schema): (readonly [string, Schema, boolean])[] =>
  Object.entries(properties).flatMap(([name, of]) =>
    isSchema(of) && name !== "type" && name !== "kind" ? [[name, of, !required.includes(name)] as const] : [],
  );

function typeOf(schema: Schema): string {
  const { $ref, anyOf, type, items, const: only, enum: some } = schema;
  if ($ref !== undefined) {
    const name = $ref.replace(/^.*\//, "");
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (anyOf !== undefined) return anyOf.filter(isSchema).map(typeOf).join(" or ");
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (some !== undefined) return some.map((one) => `\`${JSON.stringify(one)}\``).join(", ");
  if (type === "array" && isSchema(items)) return `list of ${typeOf(items)}`;
  if (type === "object")
    return `{ ${fieldsOf(schema)
      .map(([name, of]) => `${name}: ${typeOf(of)}`)
      .join(", ")} }`;
  return [type ?? "anything"].flat().join(" or ");
}

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, eventsPage());
  writeFileSync(SCHEMA, schemaText());
}
