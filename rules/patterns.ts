// Patterns of files as text: the directory they have in common, and whether that lies beside the Imagefile. What is
// outside gets a name of ours in the stage, so that its place is in no key. It looks at no file.
import { posix } from "node:path";
import type { Source } from "../engine/model.js";

/** Files as the engine takes them. */
export type FilesSource = Extract<Source, { kind: "files" }>;

/** Whether a path leads out of the Imagefile's directory, by how it is written. */
export const isOutside = (path: string): boolean =>
  posix.isAbsolute(path) || path === ".." || path.startsWith("../");

/** A directory as it is written, without what says nothing; empty for the Imagefile's own. */
export const directoryName = (given: string): string => {
  const plain = posix.normalize(given).replace(/(?<=.)\/+$/, "");
  return plain === "." ? "" : plain;
};

/** The directory that all patterns lie in, as far as it can be told from their text; empty for the Imagefile's. */
export function directoryOf(patterns: readonly string[]): string {
  const common = commonPrefix(patterns.filter((one) => !one.startsWith("!")).map(literalDirectory));
  return common.length === 1 && common[0] === "" ? "/" : common.join("/");
}

/** Files from their common directory on, which is `stage` in the stage; as they are, where there is none. */
export function staged(given: Omit<FilesSource, "kind" | "stage">, stage: string): FilesSource {
  const { from: base = "", patterns, ...options } = given;
  const plain = patterns.map((pattern) => {
    const [, not = "", glob = ""] = /^(!?)(.*)$/s.exec(pattern) ?? [];
    return not + (posix.isAbsolute(glob) ? posix.normalize(glob) : posix.join(base, glob));
  });
  const from = directoryOf(plain);
  const cut = from === "" ? 0 : from.replace(/\/$/, "").length + 1;
  const rest = plain.map((one) => (one.startsWith("!") ? `!${one.slice(cut + 1)}` : one.slice(cut)));
  return rest.some(isOutside)
    ? { kind: "files", ...given }
    : { kind: "files", ...options, patterns: rest, ...(from === "" ? {} : { from }), stage };
}

/** The same, where what counts is what the files hold: a link among them is looked through, in the stage. */
export const contentsOf = (source: Source): Source =>
  source.kind === "files" ? { ...source, links: "contents" } : source;

/** The same, where what reads the files may read through links, and sees this machine's files too. */
export const watched = (source: Source): Source =>
  source.kind === "files" && source.links === undefined ? { ...source, links: "watched" } : source;

/** The directories of a glob before its first special character. */
function literalDirectory(glob: string): readonly string[] {
  const parts = glob.split("/").slice(0, -1);
  const special = parts.findIndex((part) => /[*?[\]{}()!]/.test(part));
  return special === -1 ? parts : parts.slice(0, special);
}

function commonPrefix(paths: readonly (readonly string[])[]): readonly string[] {
  const [first = [], ...rest] = paths;
  const differs = first.findIndex((part, i) => rest.some((path) => path[i] !== part));
  return differs === -1 ? first : first.slice(0, differs);
}

/**
 * What a pattern of paths in a tree matches, as the source of a regular expression: `*`, `?` and `[…]` within a name, `**`
 * over directories too. Names that begin with a dot are matched like others. Null where it is a plain path.
 */
export function treePattern(text: string): string | null {
  if (!/[*?[]/.test(text)) return null;
  const parts = text.match(/\*\*\/|\*\*|\*|\?|\[!?\]?[^\]]*\]|[^]/g) ?? [];
  return `^${parts.map(asExpression).join("")}$`;
}

function asExpression(part: string): string {
  switch (part) {
    case "**/":
      return "(?:[^/]+/)*";
    case "**":
      return ".+";
    case "*":
      return "[^/]*";
    case "?":
      return "[^/]";
    default:
      return part.length > 1
        ? `[${part
            .slice(1, -1)
            .replace(/^!/, "^")
            .replace(/[\\\][]/g, "\\$&")}]`
        : part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  }
}
