// Checks of data that others may have written (JSON of other machines, files that people merge), as values: each says
// which field is wrong. It loads no library, as it stands in the way of every start.

/** What is wrong with a value, as the path of the field that is; null where nothing is. */
export type Check = (value: unknown) => string | null;

/** What a test says. */
export const is =
  (test: (value: unknown) => boolean): Check =>
  (value) =>
    test(value) ? null : "";
/** A text of this form. */
export const matching = (pattern: RegExp): Check =>
  is((value) => typeof value === "string" && pattern.test(value));
/** One of these names: the keys of a record that TypeScript makes whole. */
export const oneOf = (names: Readonly<Record<string, true>>): Check =>
  is((value) => typeof value === "string" && Object.hasOwn(names, value));
/** May be left out. */
export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? null : check(value);
/** May be null. */
export const orNull =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value);

const inside = (key: string, found: string | null): string | null =>
  found === null ? null : found === "" ? key : `${key}.${found}`;

/** An object that is no array. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An object with these fields. Others are left alone: a newer imagemake may have more. */
export const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value)
      ? first(Object.keys(checks), (key) => inside(key, checks[key]?.(value[key]) ?? null))
      : "";
/** An object whose fields are all so. */
export const each =
  (check: Check): Check =>
  (value) =>
    isObject(value) ? first(Object.keys(value), (key) => inside(key, check(value[key]))) : "";
/** An array whose members are all so. */
export const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) ? first(value.keys(), (at) => inside(`${at}`, check(value[at]))) : "";

/** JSON of that form; null for anything else, and for no JSON. */
export function jsonOf(text: string | undefined, check: Check): unknown {
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    return check(value) === null ? value : null;
  } catch {
    return null;
  }
}

function first<K>(keys: Iterable<K>, wrong: (key: K) => string | null): string | null {
  for (const key of keys) {
    const found = wrong(key);
    if (found !== null) return found;
  }
  return null;
}

/** Any text. */
export const text = is((value) => typeof value === "string");
/** A moment, ISO 8601. */
export const time = is((value) => typeof value === "string" && !Number.isNaN(Date.parse(value)));
/** A boolean. */
export const yesOrNo = is((value) => typeof value === "boolean");
/** A whole number from 0 up. */
export const size = is((value) => Number.isSafeInteger(value) && Number(value) >= 0);
/** The last moment that there is a date for, in milliseconds since 1970. */
export const LAST_MOMENT = 8.64e15;
/** A moment, or a time that passed, in milliseconds. */
export const milliseconds = is((value) => size(value) === null && Number(value) <= LAST_MOMENT);
/** A moment in seconds since 1970. */
export const seconds = is((value) => size(value) === null && Number(value) <= LAST_MOMENT / 1000);
/** SHA-256 in lower-case hexadecimal. */
export const sha256 = matching(/^[0-9a-f]{64}$/);
