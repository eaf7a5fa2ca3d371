// What determines an action's output, as named components, and their digest: the key. The same rows are
// kept with each build and compared by `why`, so what is hashed and what is explained cannot drift apart.
// It knows nothing of circumstance: no id, path, date, machine or time may come in here undeclared.
import { createHash } from "node:crypto";
import type { Component } from "../cache/index.js";
import type { Action, Json, PackageRequest } from "./model.js";
import { hasDate } from "./names.js";
import type { Change } from "./reason.js";

/** Changes whenever the meaning of a component does. */
const KEY_SCHEMA = "5";

/** Components longer than this many characters are kept as their digest. */
const LITERAL = 2000;

/** An input's content: where it lies in the stage and what it is. */
export interface KeyInput {
  readonly input: string;
  /** Path in the stage; empty for the value of an environment variable. */
  readonly path: string;
  /**
   * `f:<sha256>`, `x:<sha256>`, `t:<sha256>`, `l:<target>`, `d:` for an empty directory, or `e:<sha256>` for the
   * value of a variable, which may be a secret. `along ` before it: a link brought it, and the variable does not name it.
   */
  readonly content: string;
}

/** What the engine found out about an action's surroundings. */
export interface KeyFacts {
  readonly inputs: readonly KeyInput[];
  /** Digest of the resolved package closure. */
  readonly closure: string | null;
  readonly tools: Readonly<Record<string, string>>;
  readonly datecode: string;
  /**
   * What dates the action beside its packages, in seconds: the newest epoch among the artifacts that it reads, or the
   * Imagefile's where nothing else does. Null where packages alone do: they are a row of their own.
   */
  readonly epoch: number | null;
}

/** Whether the action sees the date: it says so, or a parameter holds `{date}`. */
export function usesDate(action: Action): boolean {
  return action.date || commandTexts(action).some(hasDate) || Object.values(action.env).some(hasDate);
}

function commandTexts(action: Action): readonly string[] {
  switch (action.command.kind) {
    case "shell":
      return [action.command.text];
    case "argv":
      return action.command.argv;
    case "recipe":
      return [];
  }
}

/** Rows of a key, as names and values. */
type Rows = readonly (readonly [name: string, value: string])[];

/**
 * What each field of an action has in the key: rows, or nothing, and then why. A new field does not compile until that is
 * decided.
 */
const FIELDS: Readonly<Record<keyof Action, string | ((action: Action, facts: KeyFacts) => Rows)>> = {
  id: "a name for people: a renamed export builds nothing",
  rule: ({ rule }) => [["rule", rule]],
  command: ({ command }) => [
    [command.kind === "recipe" ? `recipe ${command.name}` : "command", canonical(toJson(command))],
  ],
  // These rows are kept, exported and told of, and a value may be a secret that an argument brought.
  env: ({ env }) => Object.entries(env).map(([name, value]) => [`env ${name}`, `e:${sha256(value)}`]),
  inputs: (_, { inputs }) =>
    // A name may end in a blank.
    inputs.map(({ input, path, content }) => [
      path === "" ? `input ${input}` : `input ${input} ${path}`,
      content,
    ]),
  outputs: ({ outputs }) =>
    outputs.map((output) => [`output ${output.name}`, canonical(toJson(output))] as const),
  within: ({ within }) => optional("within", within),
  packages: ({ packages }, { closure }) => (packages === null ? [] : rowsOfPackages(packages, closure)),
  tools: (_, { tools }) => Object.entries(tools).map(([name, version]) => [`tool ${name}`, version]),
  date: ({ date }) => flag("sees date", date),
  collect: ({ collect }) => optional("collect", collect),
  network: ({ network }) => flag("network", network),
  interactive: ({ interactive }) => flag("interactive", interactive),
  root: ({ root }) => flag("root", root),
  native: "how a machine runs programs is no property of what they make",
  timeout: "it ends a run without a result, and a result does not depend on it",
  guards: ({ guards }) => (Object.keys(guards).length > 0 ? [["guards", canonical(toJson(guards))]] : []),
  // They decide what `lossless` forbids.
  holds: ({ holds }) => (holds.length > 0 ? [["holds", canonical(holds.map(toJson))]] : []),
  resources: "output bytes must not depend on cores, memory or devices",
  arch: ({ arch }) => optional("arch", arch),
  at: "where the Imagefile says it: a line added above builds nothing",
};

const flag = (name: string, is: boolean): Rows => (is ? [[name, "yes"]] : []);
const optional = (name: string, value: string | null): Rows => (value === null ? [] : [[name, value]]);

/** What each field of a package request has in the key itself; the others are in the closure that it leads to. */
const OF_REQUEST: Readonly<
  Record<keyof PackageRequest, "in the closure" | ((request: PackageRequest) => unknown)>
> = {
  driver: ({ driver }) => driver,
  options: ({ options }) => options,
  on: ({ on }) => on !== null,
  repo: "in the closure",
  beside: "in the closure",
  want: "in the closure",
  arch: "in the closure",
};

function rowsOfPackages(request: PackageRequest, closure: string | null): Rows {
  const options = Object.entries(OF_REQUEST).flatMap(([name, field]) =>
    typeof field === "string" ? [] : [[name, field(request)]],
  );
  return [
    ["packages", closure ?? "not resolved"],
    ["package options", canonical(toJson(Object.fromEntries(options) as object))],
  ];
}

const IN_KEY = Object.values(FIELDS).flatMap((field) => (typeof field === "string" ? [] : [field]));

/** The components of an action's key, sorted by name. */
export function componentsOf(action: Action, facts: KeyFacts): Component[] {
  const rows: Rows = [
    ["schema", KEY_SCHEMA],
    ...IN_KEY.flatMap((rowsOf) => rowsOf(action, facts)),
    ...optional("epoch", facts.epoch === null ? null : String(facts.epoch)),
    ...optional("date", usesDate(action) ? facts.datecode : null),
  ];
  return sorted(
    rows.map(([name, value]) => ({
      name,
      value: value.length > LITERAL ? `sha256:${sha256(value)}` : value,
    })),
  );
}

const sorted = (components: Component[]): Component[] =>
  components.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** The components where an action runs without isolation: nobody who isolates finds what it made. */
export const unisolated = (components: readonly Component[]): Component[] =>
  sorted([...components, { name: "isolation", value: "none" }]);

/**
 * Whether an action with these components may have been dated so, in seconds: its packages can only be newer than what else
 * dates it. Who made it elsewhere says when, and what is built on it takes that over.
 */
export function isDatedSo(components: readonly Component[], epoch: number): boolean {
  const row = (wanted: string): string | undefined => components.find(({ name }) => name === wanted)?.value;
  const known = Number(row("epoch") ?? 0);
  if (row("packages") !== undefined) return epoch >= known;
  return known === 0 || epoch === known;
}

/** The rows that differ, by name. */
export function compareComponents(before: readonly Component[], after: readonly Component[]): Change[] {
  const old = new Map(before.map(({ name, value }) => [name, value]));
  const now = new Map(after.map(({ name, value }) => [name, value]));
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .filter((component) => old.get(component) !== now.get(component))
    .map((component) => ({
      component,
      before: old.get(component) ?? null,
      after: now.get(component) ?? null,
    }));
}

/** SHA-256 over the length-prefixed components. */
export function keyOf(components: readonly Component[]): string {
  const hash = createHash("sha256");
  for (const { name, value } of components) {
    hash.update(`${Buffer.byteLength(name)}:${name}${Buffer.byteLength(value)}:${value}`);
  }
  return hash.digest("hex");
}

/** JSON with sorted keys: one text for one value. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonical(item)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value as Readonly<Record<string, Json>>).sort(([a], [b]) =>
      a < b ? -1 : 1,
    );
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Our own readonly records as Json; undefined fields do not exist in them. */
export const toJson = (value: object): Json => JSON.parse(JSON.stringify(value)) as Json;

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
