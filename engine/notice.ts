// What a person should know although nothing failed: a sentence that names a few of many, and for -v one that names all.
import type { BuildEvent, Emit } from "./events.js";

/** A sentence; `all` is the one that leaves no name out, where the first does. */
export interface Notice {
  readonly message: string;
  readonly all?: string;
}

/** How many names a sentence has. */
const NAMED = 3;

/** The sentence that `words` makes of lists of names, each of them cut by `some`. */
export function noticeOf(words: (some: (names: readonly string[]) => string) => string): Notice {
  const message = words((names) => someOf(names));
  const all = words((names) => names.join(", "));
  return all === message ? { message } : { message, all };
}

/** The first few of some names. */
export function someOf(names: readonly string[], most = NAMED): string {
  const named = names.slice(0, most).join(", ");
  return names.length > most ? `${named} and ${names.length - most} more` : named;
}

/** The same, but a warning that was given is not given again: more than one pass of a run looks at the same things. */
export function warningOnce(emit: Emit): Emit {
  const told = new Set<string>();
  return (event: BuildEvent) => {
    if (event.type === "notice" && event.level === "warning") {
      const text = event.all ?? event.message;
      if (told.has(text)) return;
      told.add(text);
    }
    emit(event);
  };
}

/** It says first what it is about. */
export const noticeAbout = (what: string, { message, all }: Notice): Notice => ({
  message: `${what}: ${message}`,
  ...(all === undefined ? {} : { all: `${what}: ${all}` }),
});

/** The text of a notice; `verbose` with every name. */
export const noticeText = ({ message, all }: Notice, verbose: boolean): string =>
  verbose ? (all ?? message) : message;
