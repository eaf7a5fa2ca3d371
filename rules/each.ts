// Groups: one member a key, in the order of the keys. None is ever left out.
import { isHandle, isSource, ordered, orderOf, wrongOption } from "../engine/declare.js";
import { readSelection } from "../engine/evaluate/args.js";
import { render } from "./options.js";
import { located } from "./sources.js";
import type { Group } from "./types.js";

/** `only`: the VAR= that selects keys on the command line. */
export interface Only {
  only?: string;
}

/** A target for each key. */
export function each<const K extends string, T extends Group>(
  keys: readonly K[],
  make: (key: K) => T,
  options?: Only,
): { readonly [P in K]: T };
/** A target for each row of a table, or each member of a group. */
export function each<const R extends object, T extends Group>(
  table: R,
  make: (key: keyof R & string, value: R[keyof R]) => T,
  options?: Only,
): { readonly [P in keyof R & string]: T };
export function each(
  over: object,
  make: (key: string, value: unknown) => Group,
  options: Only = {},
): Readonly<Record<string, Group>> {
  const [keys, values] = rows(over);
  const seen = new Set<string>();
  for (const key of keys) {
    checkKey(key, seen.has(key));
    seen.add(key);
  }
  const { only } = options;
  const unknown = Object.keys(options).find((name) => name !== "only");
  if (unknown !== undefined) wrongOption("each", `unknown option ${unknown}; known is only`);
  if (only !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(only)) {
    wrongOption("each", `only: expected a name for VAR=, found ${render(only)}`);
  }
  const selected = only === undefined ? null : located(() => readSelection(only, keys));
  const members: Record<string, Group> = {};
  for (const key of keys) {
    const member = make(key, values?.[key]);
    if (!isMember(member)) {
      wrongOption("each", `${key}: expected a target or a group, found ${render(member)}`);
    }
    members[key] = member;
  }
  return ordered(members, keys, selected);
}

/** Void's naming: each architecture with glibc, then with musl. */
export function both<const A extends string>(...archs: A[]): (A | `${A}-musl`)[] {
  return archs.flatMap((arch) => [arch, `${arch}-musl` as const]);
}

function rows(over: unknown): [readonly string[], Readonly<Record<string, unknown>> | null] {
  if (Array.isArray(over)) return [over as readonly string[], null];
  if (typeof over !== "object" || over === null || isHandle(over) || isSource(over)) {
    wrongOption("each", `expected keys in an array, a table or a group, found ${render(over)}`);
  }
  return [orderOf(over)?.keys ?? Object.keys(over), over as Readonly<Record<string, unknown>>];
}

function checkKey(key: unknown, again: boolean): void {
  if (typeof key !== "string" || !/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/.test(key)) {
    wrongOption("each", `expected a key of letters, digits and _ . + -, found ${render(key)}`);
  }
  if (key === "all" || key.startsWith("all-")) {
    wrongOption("each", `key "${key}": names with "all" mean whole groups; take another`);
  }
  if (again) wrongOption("each", `key "${key}" occurs twice`);
}

/** A target or an object of targets; what lies deeper is checked when the exports are collected. */
const isMember = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !isSource(value) && !Array.isArray(value);
