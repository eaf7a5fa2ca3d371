// What determines an action's output, as named components, and their digest: the key. The same rows are
// kept with each build and compared by `why`, so what is hashed and what is explained cannot drift apart.
// It knows nothing of circumstance: no id, path, date, machine or time may come in here undeclared.
import { createHash } from "node:crypto";
import type { Component } from "../cache/index.js";
import type { Action, Json } from "./model.js";
import { hasDate } from "./names.js";
import type { Change } from "./reason.js";

/** Changes whenever the meaning of a component does. */
const KEY_SCHEMA = "3";

/** Components longer than this many characters are kept as their digest. */
const LITERAL = 2000;

/** An input's content: where it lies in the stage and what it is. */
export interface KeyInput {
  readonly input: string;
  /** Path in the stage; empty for the value of an environment variable. */
  readonly path: string;
  /**
   * `f:<sha256>`, `x:<sha256>`, `t:<sha256>`, `l:<target>`, `d:` for an empty directory, or `e:<sha256>` for the
   * value of a variable, which may be a secret.
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

/** The components of an action's key, sorted by name. */
export function componentsOf(action: Action, facts: KeyFacts): Component[] {
  const components: Component[] = [];
  const add = (name: string, value: string): void =>
    void components.push({ name, value: value.length > LITERAL ? `sha256:${sha256(value)}` : value });
  const { command } = action;
  add("schema", KEY_SCHEMA);
  add("rule", action.rule);
  add(command.kind === "recipe" ? `recipe ${command.name}` : "command", canonical(toJson(command)));
  // These rows are kept, exported and told of, and a value may be a secret that an argument brought.
  for (const [name, value] of Object.entries(action.env)) add(`env ${name}`, `e:${sha256(value)}`);
  for (const { input, path, content } of facts.inputs) add(`input ${input} ${path}`.trimEnd(), content);
  for (const output of action.outputs) add(`output ${output.name}`, canonical(toJson(output)));
  if (Object.keys(action.guards).length > 0) add("guards", canonical(toJson(action.guards)));
  // They decide what `lossless` forbids.
  if (action.holds.length > 0) add("holds", canonical(action.holds.map(toJson)));
  if (action.within !== null) add("within", action.within);
  if (action.packages !== null) {
    const { driver, options, on } = action.packages;
    add("packages", facts.closure ?? "not resolved");
    add("package options", canonical(toJson({ driver, options, on: on !== null })));
  }
  for (const [name, version] of Object.entries(facts.tools)) add(`tool ${name}`, version);
  if (action.arch !== null) add("arch", action.arch);
  if (action.collect !== null) add("collect", action.collect);
  if (facts.epoch !== null) add("epoch", String(facts.epoch));
  if (usesDate(action)) add("date", facts.datecode);
  for (const flag of ["date", "network", "interactive", "root"] as const)
    if (action[flag]) add(flag === "date" ? "sees date" : flag, "yes");
  return sorted(components);
}

const sorted = (components: Component[]): Component[] =>
  components.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** The components where an action runs without isolation: nobody who isolates finds what it made. */
export const unisolated = (components: readonly Component[]): Component[] =>
  sorted([...components, { name: "isolation", value: "none" }]);

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
