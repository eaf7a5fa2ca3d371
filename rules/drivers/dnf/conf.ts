// Reads a yum.conf or a .repo file as far as it says something about repositories. The rest of it is about a running
// system, and about directories that are none of a build's. It reads no file and fills no variable.
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";

/** The options of a section by their names, as they are written; a value over several lines is joined by blanks. */
export type Options = Readonly<Record<string, string>>;

/** A section that is a repository. */
interface Section {
  readonly id: string;
  readonly options: Options;
}

/** What a configuration says. */
export interface Conf {
  /** Of `[main]`. */
  readonly main: Options;
  readonly sections: readonly Section[];
}

/** dnf's own: the installed packages, and packages from the command line. */
const RESERVED = ["@System", "@commandline"];

/** Reads the text; a problem says the line. */
export function readConf(text: string): Result<Conf> {
  const main: Record<string, string> = {};
  const sections: { readonly id: string; readonly options: Record<string, string> }[] = [];
  let options: Record<string, string> | null = null;
  let last: string | null = null;
  for (const [i, raw] of text.split("\n").entries()) {
    const wrong = (what: string): Result<never> => fail(Exit.usage, `line ${i + 1}: ${what}`);
    const line = raw.trimEnd();
    if (line === "" || /^[#;]/.test(line)) continue;
    const more = /^\s+(\S.*)$/.exec(line)?.[1];
    if (more !== undefined && options !== null && last !== null) {
      if (!/^[#;]/.test(more)) options[last] = `${options[last] ?? ""} ${more}`.trim();
      continue;
    }
    const head = /^\[(.*)\]$/.exec(line.trim())?.[1];
    if (head !== undefined) {
      last = null;
      if (head === "main") {
        options = main;
        continue;
      }
      if (!/^[A-Za-z0-9_.:+-]+$/.test(head) || RESERVED.includes(head)) {
        return wrong(`[${head}] is no name for a repository`);
      }
      if (sections.some(({ id }) => id === head)) return wrong(`the repository [${head}] twice`);
      sections.push({ id: head, options: (options = {}) });
      continue;
    }
    const [, key, value = ""] = /^([A-Za-z0-9_]+)\s*[=:]\s*(.*)$/.exec(line.trim()) ?? [];
    if (key === undefined) return wrong(`${JSON.stringify(line.trim())} is no option`);
    if (options === null) return wrong("before the first [section]");
    options[(last = key)] = value;
  }
  return ok({ main, sections });
}

/** The words of an option: blanks and commas divide them. */
export const words = (value: string | undefined): readonly string[] =>
  (value ?? "").split(/[\s,]+/).filter((word) => word !== "");

/** Whether an option is set, as dnf reads it. */
export const isOn = (value: string | undefined, otherwise: boolean): boolean =>
  value === undefined ? otherwise : /^(?:1|yes|true|on|always)$/i.test(value);
