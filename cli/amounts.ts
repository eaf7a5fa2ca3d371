// Sizes and ages as a person types them, on the command line and in settings.
import { Exit, fail, ok, type Result } from "../engine/problem.js";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  ...{ K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 },
  ...{ KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};

/** Bytes: a number of them, or `50GiB` and `50G` in powers of 1024. */
export function bytesIn(value: unknown): Result<number> {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([KMGT](?:iB)?)?$/.exec(String(value)) ?? [];
  const bytes = Math.round(Number(number) * (UNITS[unit] ?? Number.NaN));
  return (typeof value === "string" || typeof value === "number") && Number.isSafeInteger(bytes)
    ? ok(bytes)
    : fail(Exit.usage, `expected a size such as 50GiB, found ${shown(value)}`);
}

const AGES: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds: `12h`, `30d`, `8w`. */
export function ageIn(text: string): Result<number> {
  const [, number, unit = ""] = /^(\d+)([hdw])$/.exec(text) ?? [];
  const age = Number(number) * (AGES[unit] ?? Number.NaN);
  return Number.isSafeInteger(age)
    ? ok(age)
    : fail(Exit.usage, `expected an age such as 12h, 30d or 8w, found ${shown(text)}`);
}

/** A value that was not understood. */
export const shown = (value: unknown): string =>
  typeof value === "bigint" ? String(value) : JSON.stringify(value);
