// Reads a pacman.conf as far as it says something about repositories. The rest of it is about a running system, and
// about directories that are none of a build's. It reads no file, so what `Include` names is not known.
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";

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
/** pacman's: the installed packages are the repository `local`. */
const RESERVED = ["local"];

/** A section while it is read. */
type Draft = { -readonly [K in keyof Section]: Section[K] };

/** Reads the text; a problem says the line. */
export function readConf(text: string): Result<Conf> {
  const repositories: Draft[] = [];
  let section: Draft | "options" | null = null;
  let general = "";
  const noExtract: string[] = [];
  const ignore = { packages: [] as string[], groups: [] as string[] };
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const wrong = (what: string, hint?: string): Result<never> =>
      fail(Exit.usage, `line ${i + 1}: ${what}`, hint);
    if (line === "" || line.startsWith("#")) continue;
    const head = /^\[(.*)\]$/.exec(line)?.[1];
    if (head === "options") {
      section = head;
      continue;
    }
    if (head !== undefined) {
      if (!/^[A-Za-z0-9@_][A-Za-z0-9@._+-]*$/.test(head) || RESERVED.includes(head)) {
        return wrong(`[${head}] is no name for a repository`);
      }
      if (repositories.some((one) => one.name === head)) return wrong(`the repository [${head}] twice`);
      section = { name: head, servers: [], sigLevel: "", usage: "", include: null };
      repositories.push(section);
      continue;
    }
    if (section === null) return wrong("before the first [section]");
    const [key = "", value = ""] = (/^([^=]*?)\s*=\s*(.*)$/.exec(line) ?? [line, line]).slice(1);
    if (key === "SigLevel") {
      const odd = value.split(/\s+/).find((word) => !LEVEL.test(word));
      if (odd !== undefined) return wrong(`SigLevel has no word ${JSON.stringify(odd)}`);
    }
    if (section === "options") {
      if (key === "SigLevel") general = `${general} ${value}`.trim();
      const words = value.split(/\s+/).filter((word) => word !== "");
      if (key === "NoExtract") noExtract.push(...words);
      if (key === "IgnorePkg") ignore.packages.push(...words);
      if (key === "IgnoreGroup") ignore.groups.push(...words);
      continue;
    }
    if (key === "Server") section.servers = [...section.servers, value];
    else if (key === "SigLevel") section.sigLevel = `${section.sigLevel} ${value}`.trim();
    else if (key === "Usage") section.usage = `${section.usage} ${value}`.trim();
    else if (key === "Include") section.include ??= i + 1;
  }
  return ok({ repositories, sigLevel: general === "" ? DEFAULT_LEVEL : general, noExtract, ignore });
}

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
