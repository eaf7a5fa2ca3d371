// Patterns of files as text: the directory they have in common, and whether that lies beside the Imagefile. What is
// outside gets a name of ours in the stage, so that its place is in no key. It looks at no file.
import { posix } from "node:path";
import type { Source } from "../engine/model.js";

/** Files as the engine takes them. */
export type FilesSource = Extract<Source, { kind: "files" }>;

/** Whether a path leads out of the Imagefile's directory, by how it is written. */
export const isOutside = (path: string): boolean =>
  posix.isAbsolute(path) || path === ".." || path.startsWith("../");

/** The directory that all patterns lie in, as far as it can be told from their text; empty for the Imagefile's. */
export function directoryOf(patterns: readonly string[]): string {
  const common = commonPrefix(patterns.map(literalDirectory));
  return common.length === 1 && common[0] === "" ? "/" : common.join("/");
}

/** `patterns` from their common directory on, which is `stage` in the stage; as they are, where there is none. */
export function staged(patterns: readonly string[], stage: string): FilesSource {
  const plain = patterns.map((pattern) => posix.normalize(pattern));
  const from = directoryOf(plain);
  const rest = plain.map((pattern) =>
    from === "" ? pattern : pattern.slice(from.replace(/\/$/, "").length + 1),
  );
  return rest.some(isOutside)
    ? { kind: "files", patterns }
    : { kind: "files", patterns: rest, ...(from === "" ? {} : { from }), stage };
}

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
