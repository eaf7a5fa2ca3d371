// Copies a whole tree, for state directories that cannot carry an overlay's upper directory (themselves on an overlay,
// as in most containers).
import { runBeside } from "../../cache/program.js";
import { inUserNamespace } from "../execute/local/ids.js";
import type { Isolation } from "../execute/local/sandbox.js";
import { layerPath } from "../../cache/layers.js";
import { complaint } from "../../cache/limits.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { flatten } from "./run-seal.js";
import { formOf, insideOf } from "./seal.js";

/**
 * Copies what is in `from` into the directory `to`: owners, modes, times, links, attributes. Exit 3 on failure, also where an
 * attribute could not be copied, which `cp -a` alone keeps to itself.
 */
export async function copyTree(from: string, to: string, isolation: Isolation): Promise<Result<void>> {
  const namespace = isolation.kind === "namespaces" && isolation.root === "user-namespace";
  const inside = namespace ? inUserNamespace(isolation.ids) : [];
  const [program, ...words] = [
    ...inside,
    "cp",
    "-a",
    "--preserve=xattr",
    "--reflink=auto",
    "--",
    `${from}/.`,
    to,
  ];
  const { status, said } = await runBeside(program, words);
  return status === 0
    ? ok(undefined)
    : fail(Exit.environment, ...complaint("the tree could not be copied", said, to));
}

/** Where the layers of a tree lie, topmost first, and where it is copied to. `scratch` is made, to show it all at once. */
export interface LayersToCopy {
  readonly layersDir: string;
  readonly layers: readonly string[];
  readonly to: string;
  readonly scratch: string;
}

/**
 * Copies a tree of one layer or several into the directory `to`. Of several the kernel shows the whole: that works also where
 * no upper directory can lie, on another overlay.
 */
export function copyLayers(
  { layersDir, layers, to, scratch }: LayersToCopy,
  isolation: Isolation,
): Promise<Result<void>> {
  const [only] = layers;
  if (only !== undefined && layers.length === 1) return copyTree(layerPath(layersDir, only), to, isolation);
  const userxattr = formOf(isolation) === "user";
  return flatten({ layersDir, layers, userxattr, mountPoint: scratch, into: to }, insideOf(isolation));
}
