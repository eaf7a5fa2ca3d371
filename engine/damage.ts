// What follows from damage in the store: what is damaged goes, with the rows that promise it, and so does whatever was
// built since from it. It finds no damage itself. The caller holds the lock while anything is removed.
import { grouped } from "../cache/grouped.js";
import type { ArtifactId, ArtifactRow, BuildRow, Index } from "../cache/index.js";
import { deleteLayer, layerPath } from "../cache/layers.js";
import { openStore } from "../cache/store.js";
import { removeManifest } from "../cache/manifests.js";
import { removeTree } from "./execute/local/remove.js";
import type { Problem } from "./problem.js";
import type { Project } from "./project.js";
import { ownStamp } from "./sources/stamp.js";
import { stampLayer } from "./tree/run-seal.js";

/** A build that no longer counts, and the first of what it read that is not to be trusted. */
export interface Voided {
  readonly build: BuildRow;
  readonly read: string;
}

/** What is damaged. */
export interface Damage {
  readonly artifacts: readonly ArtifactId[];
  /** By their SHA-256. */
  readonly packages: readonly string[];
  /** Builds that ended before did not see it; milliseconds since 1970. */
  readonly after: number;
}

/**
 * The builds that read what is damaged, or what such builds made, and came after it was made: they may have read the
 * damage. A tree shows what the trees beneath it hold.
 */
export function builtSince(index: Index, { artifacts, packages, after }: Damage): Voided[] {
  const outputs = grouped(index.outputs(), ({ build }) => build);
  const builds = index.builds();
  const above = grouped(index.artifacts(), ({ parent }) => parent);
  /** Artifact → the place among the builds after which it may have been read damaged. */
  const doubted = new Map<ArtifactId, number>();
  const doubt = (id: ArtifactId, since: number): void => {
    if ((doubted.get(id) ?? Infinity) <= since) return;
    doubted.set(id, since);
    for (const tree of above.get(id) ?? []) doubt(tree.id, since);
  };
  const made = (build: BuildRow): ArtifactId[] =>
    (outputs.get(build.id) ?? []).map(({ artifact }) => artifact);
  for (const id of artifacts)
    doubt(
      id,
      builds.findIndex((build) => made(build).includes(id)),
    );
  const voided: Voided[] = [];
  for (const [at, build] of builds.entries()) {
    if (build.status !== "built" || build.started + build.duration < after) continue;
    const read = index.componentsOf(build.id).flatMap(({ name, value }) => {
      if (name === "packages") return packages.filter((sha256) => index.closure(value)?.includes(sha256));
      return name.startsWith("input ") && (doubted.get(value) ?? Infinity) < at ? [value] : [];
    });
    const [first] = read;
    if (first === undefined) continue;
    voided.push({ build, read: first });
    for (const id of made(build)) if (id.slice(0, 2) !== "v:") doubt(id, at);
  }
  return voided;
}

/** A file or a tree of the store. */
type Stored = Pick<ArtifactRow, "id" | "layer">;

/** Voids what was built from something damaged after it last changed, and removes it. */
export async function discardDamaged(
  place: { readonly project: Project; readonly index: Index },
  row: Stored,
): Promise<{ readonly voided: readonly Voided[]; readonly problem: Problem | null }> {
  const after = await lastChange(place.project, row);
  const voided = builtSince(place.index, { artifacts: [row.id], packages: [], after });
  place.index.drop({ builds: voided.map(({ build }) => build.id) });
  return { voided, problem: await discard(place, row) };
}

/** Removes something from the store. The rows go first: a promise without a thing is worse than a thing without one. */
export async function discard(
  { project, index }: { readonly project: Project; readonly index: Index },
  { id, layer }: Stored,
): Promise<Problem | null> {
  index.forgetArtifact(id);
  if (!id.startsWith("t:")) {
    openStore(project.store, null).remove(id);
    return null;
  }
  const removed = layer === null ? null : await deleteLayer(project.layers, layer, removeTree);
  removeManifest(project.manifests, id);
  return removed?.ok === false ? removed.problem : null;
}

/** When something last happened to what is stored, in milliseconds since 1970; 0 where that cannot be told. */
async function lastChange(project: Project, { id, layer }: Stored): Promise<number> {
  if (!id.startsWith("t:")) return ownStamp(openStore(project.store, null).path(id))?.ctime ?? 0;
  const looks = layer === null ? null : await stampLayer(layerPath(project.layers, layer), []);
  return looks?.ok === true ? looks.value.changed : 0;
}
