// Reads a pacman.conf as far as it says something about repositories. The rest of it is about a running system, and
// about directories that are none of a build's. It reads no file, so what `Include` names is not known.
import { ok, type Result } from "../../../engine/problem.js";
import { scan, wrongLine, type Dialect, type Entry } from "../ini.js";

/** A section that is a repository. */
export interface Section {
  readonly name: string;
  /** As they are written: with `$repo` and `$arch`. */
  readonly servers: readonly string[];
  /** Words of `SigLevel`, on top of the general ones. */
  readonly sigLevel: string;
  /** Words of `Usage`; empty for everything. */
  readonly usage: string;
  /** Line of the first `Include`; null without one. */
  readonly include: number | null;
}

/** What a configuration says. */
export interface Conf {
  /** In order: the first that has a package gives it. */
  readonly repositories: readonly Section[];
  /** Words of the general `SigLevel`; pacman's own default where there are none. */
  readonly sigLevel: string;
  /** Patterns of files that are not unpacked. */
  readonly noExtract: readonly string[];
  /** What `IgnorePkg` and `IgnoreGroup` name. */
  readonly ignore: { readonly packages: readonly string[]; readonly groups: readonly string[] };
}

/** pacman's own for a configuration that says nothing. */
const DEFAULT_LEVEL = "Optional TrustedOnly";
const LEVEL = /^(?:Package|Database)?(?:Never|Optional|Required|TrustedOnly|TrustAll)$/;
/** How a pacman.conf is written. */
const DIALECT: Dialect = {
  comment: /^#/,
  general: "options",
  name: /^[A-Za-z0-9@_][A-Za-z0-9@._+-]*$/,
  // pacman's: the installed packages are the repository `local`.
  reserved: ["local"],
  option: /^([^=]*?)\s*(?:=\s*(.*))?$/,
  continues: false,
};

/** Reads the text; a problem says the line. */
export function readConf(text: string): Result<Conf> {
  const scanned = scan(text, DIALECT);
  if (!scanned.ok) return scanned;
  const { general, repositories } = scanned.value;
  for (const { key, value, line } of [general, ...repositories.map(({ entries }) => entries)].flat()) {
    const odd = key === "SigLevel" ? wordsOf(value).find((word) => !LEVEL.test(word)) : undefined;
    if (odd !== undefined) return wrongLine(line, `SigLevel has no word ${JSON.stringify(odd)}`);
  }
  const all = (entries: readonly Entry[], name: string): readonly string[] =>
    entries.filter(({ key }) => key === name).map(({ value }) => value);
  const words = (entries: readonly Entry[], name: string): readonly string[] =>
    all(entries, name).flatMap(wordsOf);
  const level = all(general, "SigLevel").join(" ").trim();
  return ok({
    repositories: repositories.map(({ name, entries }) => ({
      name,
      servers: all(entries, "Server"),
      sigLevel: all(entries, "SigLevel").join(" ").trim(),
      usage: all(entries, "Usage").join(" ").trim(),
      include: entries.find(({ key }) => key === "Include")?.line ?? null,
    })),
    sigLevel: level === "" ? DEFAULT_LEVEL : level,
    noExtract: words(general, "NoExtract"),
    ignore: { packages: words(general, "IgnorePkg"), groups: words(general, "IgnoreGroup") },
  });
}

const wordsOf = (value: string): readonly string[] => value.split(/\s+/).filter((word) => word !== "");

/** Whether signatures of packages are looked at where there are any. */
export function looksAt(levels: readonly string[]): boolean {
  const words = levels.join(" ").split(/\s+/);
  const last = words.filter((word) => /^(?:Package)?(?:Never|Optional|Required)$/.test(word)).at(-1);
  return last === undefined || !last.endsWith("Never");
}

/** What must be signed, by the words of a general level and then a section's. */
export function demands(levels: readonly string[]): {
  readonly packages: boolean;
  readonly database: boolean;
} {
  let [packages, database] = [false, false];
  for (const word of levels.join(" ").split(/\s+/)) {
    const what = /^(Package|Database)?(Never|Optional|Required)$/.exec(word);
    if (what === null) continue;
    if (what[1] !== "Database") packages = what[2] === "Required";
    if (what[1] !== "Package") database = what[2] === "Required";
  }
  return { packages, database };
}
