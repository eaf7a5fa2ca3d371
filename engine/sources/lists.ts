// Package lists: one name or several a line, `#` begins a comment. Order, blank lines and comments do not
// count, so two lists with the same names are the same list.

/** The names of a list's text, sorted and each once. */
export function namesOf(text: string): string[] {
  const names = new Set<string>();
  for (const line of text.split("\n")) {
    for (const name of line.replace(/#.*/, "").split(/\s+/)) {
      if (name !== "") names.add(name);
    }
  }
  return [...names].sort();
}

/** A list as its canonical text: one name a line. */
export const normalised = (text: string): string =>
  namesOf(text)
    .map((name) => `${name}\n`)
    .join("");
