// Two hands on one release: what this process makes of it, and what somebody else wrote into its file meanwhile (a pull
// from version control, an editor), which no lock keeps out. Each change goes where the other made none. It reads and
// writes no file.
import { isObject } from "../../cache/shape.js";

/** What a release's object knows of its file; those that are made from it share it. */
export interface Found {
  /** Its path; null while it was neither read nor written. */
  file: string | null;
  /** The fields as we had them then. */
  fields: Fields;
  /** The project's directory then, as the file system numbers it; null while nobody asked. */
  home: string | null;
}

/** Where it is kept: beside what is written down. */
export const FOUND = Symbol("found");

/** A release's fields, or part of them. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a release's file has of it. */
export const fieldsOf = (release: object): Fields =>
  Object.fromEntries(Object.entries(release).filter(([name]) => name !== "foreign"));

/** The fields as they are to be, or the path of one that both changed. */
export type Joined = { readonly fields: Fields } | { readonly both: string };

/** When it was built in last: the later counts. */
const LAST = "lastBuild";

/** What we made of `before`, and they did. */
export function joined(before: Fields, ours: Fields, theirs: Fields): Joined {
  const fields: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const [was, mine, other] = [before[name], ours[name], theirs[name]];
    if (isSame(was, mine) || isSame(mine, other)) fields[name] = other;
    else if (isSame(was, other)) fields[name] = mine;
    else if (name === LAST) fields[name] = String(mine) > String(other) ? mine : other;
    else if (isObject(mine) && isObject(other)) {
      const inner = joined(isObject(was) ? was : {}, mine, other);
      if ("both" in inner) return { both: `${name}.${inner.both}` };
      fields[name] = inner.fields;
    } else return { both: name };
  }
  return { fields };
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
