// What of sources does not come along into a tree, which gets contents, x bits and links, as git keeps them: here it is
// found, so that nobody takes it for granted.
import { lstatSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Source } from "../model.js";
import { ok, type Result } from "../problem.js";
import { attributesOf } from "../tree/attributes.js";
import { lossesOfNames, someOf, type Loss } from "../tree/losses.js";
import { isWithin, type Matched } from "./globs.js";
import type { SourceFile } from "./resolve.js";

/** Where sources go into a tree. */
type Into = NonNullable<Extract<Source, { kind: "files" }>["tree"]>;

/** Sticky, set-user-ID and set-group-ID. */
const SPECIAL = 0o7000;
/** What others need to read a file, and to look into a directory. */
const [READ, ENTER] = [0o004, 0o005];

/**
 * Those of the files and directories whose mode says more than whether they can be executed, and that `tree.modes` does not name: each
 * as it is called, with its mode. `place` says where a path lies in the stage; `dir` is the Imagefile's.
 */
export function unsaidModes(
  { files, directories }: Pick<Matched, "files" | "directories">,
  tree: Into,
  place: (path: string) => string,
  dir: string,
): readonly string[] {
  const said = new Set(tree.modes);
  return [...new Set([...files, ...directories])].sort().flatMap((path) => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isSymbolicLink()) return [];
    const needed = stats.isDirectory() ? ENTER : READ;
    if ((stats.mode & SPECIAL) === 0 && (stats.mode & needed) === needed) return [];
    const stage = join(place(path), ".");
    if (
      stage === join(tree.base, ".") ||
      !isWithin(join("/", tree.base), join("/", stage)) ||
      said.has(stage)
    )
      return [];
    const name = isWithin(dir, path) ? relative(dir, path) : path;
    return [`${name} ${(stats.mode & 0o7777).toString(8)}`];
  });
}

/** One sentence of such modes. */
export const unsaidText = (unsaid: readonly string[]): string =>
  `modes do not come along into the tree (${someOf(unsaid)}): say them in modes: { … }`;

/** A label of the machine's own policy is none of a file's. */
const LABEL = "security.selinux";

/**
 * Access lists, capabilities and other attributes of the files and of the directories that lead to them from
 * `tree.base` on. It calls getfattr, so it is for a tree that is being made.
 */
export async function droppedAttributes(
  files: readonly SourceFile[],
  tree: Into,
): Promise<Result<readonly Loss[]>> {
  const paths = new Map<string, string>();
  for (const file of files) {
    if (file.kind === "text" || file.kind === "link") continue;
    let { path, stage } = file;
    for (
      ;
      stage !== tree.base && stage !== "." && !paths.has(path);
      [path, stage] = [dirname(path), dirname(stage)]
    )
      paths.set(path, relative(tree.base, stage));
  }
  const found = await attributesOf([...paths.keys()]);
  if (!found.ok) return found;
  return ok(
    lossesOfNames(
      [...found.value].map(([path, attributes]) => ({
        path: paths.get(Buffer.from(path, "latin1").toString()) ?? path,
        names: [...attributes.keys()].filter((name) => name !== LABEL),
      })),
    ),
  );
}
