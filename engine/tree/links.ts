// Gives a tree files of its own where an action left hard links to files outside of it (`cp -al` does): whatever is set on
// them while the tree is sealed would be set on the others' as well.
import { linkSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { runProgram } from "../../cache/program.js";
import { addTo } from "../../cache/grouped.js";
import { bytePath } from "../../cache/hash.js";
import { complaint } from "../../cache/limits.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { dirOf } from "./entry.js";
import { isWhiteoutNode, pathIn, type Node } from "./scan.js";
import { setTime } from "./settle.js";

/** Files that have more names than the tree has of them, all their names in the tree together. */
export function sharedWithOthers(nodes: readonly Node[]): readonly (readonly Node[])[] {
  const names = new Map<string, Node[]>();
  for (const node of nodes) {
    // Overlayfs links its marks for what was deleted to one of its own.
    if (node.inode === null || isWhiteoutNode(node)) continue;
    addTo(names, node.inode, node);
  }
  return [...names.values()].filter((group) => group.length < (group[0]?.links ?? 0));
}

/** Puts copies in the place of such files, with all that cp -a keeps. Throws system errors. */
export function breakOff(
  root: string,
  shared: readonly (readonly Node[])[],
  nodes: readonly Node[],
): Result<void> {
  const at = (path: string): string | Buffer => bytePath(pathIn(root, path));
  // By numbers: no program takes names that are not text.
  const [theirs, ours] = [".imagemake-theirs", ".imagemake-ours"];
  for (const dir of [theirs, ours]) mkdirSync(at(dir));
  for (const [number, [first]] of shared.entries())
    if (first !== undefined) renameSync(at(first.path), at(`${theirs}/${number}`));
  const argv = ["-a", "--preserve=xattr", "--reflink=auto", "--", `${root}/${theirs}/.`, `${root}/${ours}`];
  const { status, said } = runProgram("cp", argv);
  if (status !== 0) {
    const what = `the tree in ${root} has hard links to files outside of it, which could not be copied`;
    return fail(Exit.environment, ...complaint(what, said, root));
  }
  for (const [number, [first, ...others]] of shared.entries()) {
    if (first === undefined) continue;
    renameSync(at(`${ours}/${number}`), at(first.path));
    for (const { path } of others) {
      rmSync(at(path));
      linkSync(at(first.path), at(path));
    }
  }
  for (const dir of [theirs, ours]) rmSync(at(dir), { recursive: true });
  const touched = new Set(["", ...shared.flat().map(({ path }) => dirOf(path))]);
  for (const node of nodes) if (touched.has(node.path)) setTime(root, node);
  return ok(undefined);
}
