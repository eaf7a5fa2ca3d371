// Lists in actions: a package request for a layer, and list files as inputs.
import type { Handle, Lineage, PackageSpec } from "../engine/declare.js";
import type { Json, Source as EngineSource, Wanted } from "../engine/model.js";

/** Packages for a layer on `tree`, from the repository the tree was made with. */
export function request(lineage: Lineage, tree: Handle, want: readonly Wanted[], options: Json): PackageSpec {
  const { driver, repo, arch } = lineage;
  return { driver, repo, arch, want, options, on: tree };
}

/** List files among paths, as inputs LIST0, LIST1, … */
export function listInputs(want: readonly Wanted[]): Readonly<Record<string, EngineSource>> {
  const files = want.flatMap((one) => (typeof one !== "string" && "list" in one ? [one.list] : []));
  return Object.fromEntries(files.map((file, i) => [`LIST${i}`, { kind: "list", file }]));
}
