// Reads a yum.conf or a .repo file as far as it says something about repositories. The rest of it is about a running
// system, and about directories that are none of a build's. It reads no file and fills no variable.
import { ok, type Result } from "../../../engine/problem.js";
import { scan, type Dialect, type Entry } from "../ini.js";

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

/** How a yum.conf and a .repo file are written. */
const DIALECT: Dialect = {
  comment: /^[#;]/,
  general: "main",
  name: /^[A-Za-z0-9_.:+-]+$/,
  // dnf's own: the installed packages, and packages from the command line.
  reserved: ["@System", "@commandline"],
  option: /^([A-Za-z0-9_]+)\s*[=:]\s*(.*)$/,
  continues: true,
};

/** Reads the text; a problem says the line. */
export function readConf(text: string): Result<Conf> {
  const scanned = scan(text, DIALECT);
  if (!scanned.ok) return scanned;
  const { general, repositories } = scanned.value;
  const optionsOf = (entries: readonly Entry[]): Options =>
    Object.fromEntries(entries.map(({ key, value }) => [key, value]));
  return ok({
    main: optionsOf(general),
    sections: repositories.map(({ name, entries }) => ({ id: name, options: optionsOf(entries) })),
  });
}

/** The words of an option: blanks and commas divide them. */
export const words = (value: string | undefined): readonly string[] =>
  (value ?? "").split(/[\s,]+/).filter((word) => word !== "");

/** Whether an option is set, as dnf reads it. */
export const isOn = (value: string | undefined, otherwise: boolean): boolean =>
  value === undefined ? otherwise : /^(?:1|yes|true|on|always)$/i.test(value);
