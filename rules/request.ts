// A package request for a layer. It does not know what the packages are for.
import type { Handle, Lineage, PackageSpec } from "../engine/declare.js";
import type { Json, Wanted } from "../engine/model.js";

/** Packages for a layer on `tree`, from the repository the tree was made with. */
export function request(lineage: Lineage, tree: Handle, want: readonly Wanted[], options: Json): PackageSpec {
  const { driver, repo, arch } = lineage;
  return { driver, repo, arch, want, options, on: tree };
}
