// Package lists: one name or several a line, `#` begins a comment. Order, blank lines and comments do not
// count, so two lists with the same names are the same list.
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Stamp } from "../../cache/index.js";
import { asError, Exit, fail, ok, type Result } from "../problem.js";
import { lineNotUtf8 } from "./utf8.js";
import { dangling } from "./globs.js";
import { ownStamp, stampOf } from "./stamp.js";

/** The names of a list's text, each with the line that has it first; lines count from one. */
function linesOf(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  for (const [at, line] of text.split("\n").entries()) {
    for (const name of line.replace(/#.*/, "").split(/\s+/)) {
      if (name !== "" && !lines.has(name)) lines.set(name, at + 1);
    }
  }
  return lines;
}

/** The names of a list's text, sorted and each once. */
export const namesOf = (text: string): string[] => [...linesOf(text).keys()].sort();

/** A list as its canonical text: one name a line. */
export const normalised = (names: Iterable<string>): string =>
  [...names]
    .sort()
    .map((name) => `${name}\n`)
    .join("");

/** A list file as it was read: the line of each name. */
export interface Listed {
  readonly path: string;
  readonly lines: Result<ReadonlyMap<string, number>>;
  readonly stamp: Stamp | null;
}

/** The list files of one run, each read once. */
export class Lists {
  readonly #known = new Map<string, Listed>();

  /** `dir`: where their paths begin. */
  constructor(private readonly dir: string) {}

  read(file: string): Listed {
    const path = resolve(this.dir, file);
    let found = this.#known.get(path);
    if (found === undefined) {
      found = { path, ...read(path, file) };
      this.#known.set(path, found);
    }
    return found;
  }
}

/** `file`: as messages call it. */
function read(path: string, file: string): Omit<Listed, "path"> {
  let stamp: Stamp | null = null;
  const no = (why: string, hint: string) => ({ lines: fail(Exit.usage, `list ${file}${why}`, hint), stamp });
  try {
    stamp = stampOf(path);
    const there = stamp === null ? null : statSync(path);
    if (there?.isDirectory() === true)
      return no(" is a directory", "name a file in it that has one name a line");
    if (there?.isFile() === false) return no(" is not a regular file", "pipes and devices cannot be inputs");
    const bytes = readFileSync(path);
    const bad = lineNotUtf8(bytes);
    if (bad > 0) return no(`:${bad}: not UTF-8`, "save it as UTF-8");
    return { lines: ok(linesOf(bytes.toString("utf8"))), stamp };
  } catch (error) {
    if (stampOf(path) === null && ownStamp(path) !== null)
      return { lines: dangling(`list ${file}`, path), stamp };
    return no(" cannot be read", asError(error).message);
  }
}
