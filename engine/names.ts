// File names with `{date}` in them. A datecode is `YYYYMMDD`, or `YYYYMMDD.N` for a respin of that day.

/** What a datecode looks like, for building larger expressions. */
export const DATECODE = String.raw`\d{8}(?:\.\d+)?`;

/** Whether text is a datecode of a day that exists. */
export function isDatecode(text: string): boolean {
  const match = /^(\d{4})(\d\d)(\d\d)(?:\.[1-9]\d*)?$/.exec(text);
  if (match === null) return false;
  const [, year, month, day] = match;
  const date = new Date(`${year ?? ""}-${month ?? ""}-${day ?? ""}T00:00:00Z`);
  // A day that does not exist (20260231) is not a date, or rolls over to another one.
  return (
    !Number.isNaN(date.getTime()) &&
    date.toISOString().startsWith(`${year ?? ""}-${month ?? ""}-${day ?? ""}`)
  );
}

/** Orders datecodes: by day, then by respin (`.10` after `.9`). */
export function compareDatecodes(a: string, b: string): number {
  const [day, other] = [a.slice(0, 8), b.slice(0, 8)];
  return day === other ? respinOf(a) - respinOf(b) : day < other ? -1 : 1;
}

/** Which respin of its day a datecode is: 0 for the first. */
export const respinOf = (datecode: string): number => Number(datecode.slice(9));

/** The output's name in a release. */
export const withDate = (pattern: string, datecode: string): string => pattern.replaceAll("{date}", datecode);

/** Whether the text uses the date. */
export const hasDate = (text: string): boolean => text.includes("{date}");

/** The pattern without `{date}` and one adjoining `-`, `_` or `.`: a name that no date leaks into. */
export function undated(pattern: string): string {
  const bare = pattern.replace(/[-_.]\{date\}|\{date\}[-_.]|\{date\}/g, "");
  return bare === "" ? "out" : bare;
}

/** Matches the names a pattern gives under any date; `*` stands for anything, the date is captured. */
export function datedExpression(pattern: string): RegExp {
  const escaped = pattern.split("{date}").map((part) => part.split("*").map(escapeRegExp).join("[^/]*"));
  return new RegExp(`^${escaped.join(`(${DATECODE})`)}$`);
}

/** Text as a regular expression that matches just it. */
export const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** People boot these writable: they are never links to what the store holds. */
export const isDiskImage = (path: string): boolean => /\.(img|raw|qcow2)$/.test(path);
