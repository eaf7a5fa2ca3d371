// Scans the configurations of package managers: sections in brackets, and options in them. What the options mean is said
// elsewhere. It fills no variable and reads no file that another names.
import { Exit, fail, ok, type Result } from "../../engine/problem.js";

/** How configurations of one package manager are written. */
export interface Dialect {
  /** How a line begins that says nothing. */
  readonly comment: RegExp;
  /** The section that is no repository. */
  readonly general: string;
  /** What a repository can be called, and names that are somebody else's. */
  readonly name: RegExp;
  readonly reserved: readonly string[];
  /** An option's name and its value. */
  readonly option: RegExp;
  /** Whether a line that begins with a blank goes on with the value before it. */
  readonly continues: boolean;
}

/** An option as it is written, and its line. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/** A section that is a repository. */
interface Repository {
  readonly name: string;
  readonly entries: readonly Entry[];
}

/** What a configuration says. */
export interface Scanned {
  readonly general: readonly Entry[];
  /** In order. */
  readonly repositories: readonly Repository[];
}

/** A problem of a line. */
export const wrongLine = (line: number, what: string): Result<never> =>
  fail(Exit.usage, `line ${line}: ${what}`);

/** Scans the text; a problem says the line. */
export function scan(text: string, dialect: Dialect): Result<Scanned> {
  const general: Entry[] = [];
  const repositories: { readonly name: string; readonly entries: Entry[] }[] = [];
  let entries: Entry[] | null = null;
  /** The option that a line may go on with. */
  let open = false;
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const number = i + 1;
    const goesOn = dialect.continues && open && /^\s/.test(raw);
    // A comment at a line's beginning is one; further in only where a value goes on.
    if (line === "" || dialect.comment.test(dialect.continues && !goesOn ? raw.trimEnd() : line)) continue;
    const before = goesOn ? entries?.pop() : undefined;
    if (before !== undefined) {
      entries?.push({ ...before, value: `${before.value} ${line}`.trim() });
      continue;
    }
    const head = /^\[(.*)\]$/.exec(line)?.[1];
    if (head !== undefined) {
      open = false;
      if (head === dialect.general) {
        entries = general;
        continue;
      }
      if (!dialect.name.test(head) || dialect.reserved.includes(head)) {
        return wrongLine(number, `[${head}] cannot be the name of a repository`);
      }
      if (repositories.some(({ name }) => name === head)) {
        return wrongLine(number, `the repository [${head}] twice`);
      }
      repositories.push({ name: head, entries: (entries = []) });
      continue;
    }
    const [, key, value = ""] = dialect.option.exec(line) ?? [];
    if (key === undefined) return wrongLine(number, `${JSON.stringify(line)} is not an option`);
    if (entries === null) return wrongLine(number, "before the first [section]");
    entries.push({ key, value, line: number });
    open = true;
  }
  return ok({ general, repositories });
}
