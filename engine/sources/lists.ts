// Package lists: one name or several a line, `#` begins a comment. Order, blank lines and comments do not
// count, so two lists with the same names are the same list.

/** The names of a list's text, each with the line that has it first; lines count from one. */
export function linesOf(text: string): ReadonlyMap<string, number> {
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
