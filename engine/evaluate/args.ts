// VAR=value: what the command line (then the environment) says for a name, and which names were asked for.
import { nearestHint } from "./nearest.js";
import { Exit, stop } from "../problem.js";

/** A name the Imagefile asked for: its value, and the choices where there are any. */
export interface Asked {
  readonly value: string;
  readonly of: readonly string[] | null;
}

let given: Readonly<Record<string, string>> = {};
const asked = new Map<string, Asked>();

/** VAR=value words of the command line; they go before the environment. */
export function setArgs(vars: Readonly<Record<string, string>>): void {
  given = { ...vars };
}

/** Forgets values and records, for another evaluation. */
export function resetArgs(): void {
  given = {};
  asked.clear();
}

/** Every name asked for so far, sorted. An unset selection has the value "". */
export function askedFor(): Readonly<Record<string, Asked>> {
  return Object.fromEntries([...asked].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The value of `name`: VAR=, then the environment, then `fallback`. An empty value is a value, except among
 * choices that do not have it: there it reads as not set. Throws (exit 2) for a value that is no choice.
 */
export function readArg(name: string, fallback: string, of: readonly string[] | null): string {
  const set = lookUp(name);
  const value = set === undefined || (set === "" && of !== null && !of.includes("")) ? fallback : set;
  record(name, value, of);
  if (of !== null && !of.includes(value)) refuse(name, value, of);
  return value;
}

/**
 * The keys that VAR= selects, as words between blanks; null where the variable is unset or blank, which
 * means all of them. Throws (exit 2) for a word that is no key.
 */
export function readSelection(name: string, keys: readonly string[]): ReadonlySet<string> | null {
  const value = lookUp(name) ?? "";
  record(name, value, keys);
  const words = value.split(/\s+/).filter((word) => word !== "");
  for (const word of words) {
    if (!allowed(name).includes(word)) refuse(name, word, allowed(name));
  }
  return words.length === 0 ? null : new Set(words);
}

const lookUp = (name: string): string | undefined =>
  Object.hasOwn(given, name) ? given[name] : process.env[name];

const allowed = (name: string): readonly string[] => asked.get(name)?.of ?? [];

/** Several groups may be narrowed by one variable: their choices add up. */
function record(name: string, value: string, of: readonly string[] | null): void {
  const before = asked.get(name)?.of ?? [];
  asked.set(name, { value, of: of === null ? null : [...new Set([...before, ...of])] });
}

function refuse(name: string, value: string, of: readonly string[]): never {
  stop(Exit.usage, `${name}=${value}: not one of ${of.join(" ")}`, nearestHint(value, of));
}
