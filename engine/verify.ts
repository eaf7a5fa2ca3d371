// Digests again what the store holds. What is damaged or missing is removed together with the rows that promise it,
// and with the builds that may have read the damage, so that the next build makes all that anew. The caller holds the
// lock while repairing.
import { hasDigest } from "../cache/hash.js";
import type { ArtifactId, ArtifactRow, Index } from "../cache/index.js";
import { isDirectory, isThere } from "../cache/io.js";
import { openStore } from "../cache/store.js";
import { layerPath } from "../cache/layers.js";
import { lyingIn } from "../cache/layout.js";
import { verifyManifest } from "../cache/manifests.js";
import { packagePath, removePackage } from "../cache/packages.js";
import { Snapshots } from "../cache/snapshots.js";
import { builtSince, discard, type Voided } from "./damage.js";
import type { Isolation } from "./execute/local/sandbox.js";
import { asError, type Problem } from "./problem.js";
import type { Project } from "./project.js";
import { forgetRecords } from "./record.js";
import { formOf, verifyTree } from "./tree/seal.js";

/** What is not as it should be. `unknown`: it could not be looked at, and is left as it is. */
export interface Finding {
  readonly kind: "file" | "tree" | "package" | "snapshot";
  /** The artifact's id, or the name of the package file or snapshot. */
  readonly name: string;
  readonly state: "damaged" | "missing" | "unknown";
  readonly why: string | null;
}

/** What was looked at, and what was found. */
export interface Verified {
  readonly files: number;
  readonly trees: number;
  readonly packages: number;
  readonly snapshots: number;
  readonly findings: readonly Finding[];
  /** What was built since from what is damaged. */
  readonly voided: readonly Voided[];
  /** What could not be removed. */
  readonly problems: readonly Problem[];
}

/** Where and with what rights. */
export interface VerifyContext {
  readonly project: Project;
  readonly index: Index;
  readonly isolation: Isolation;
  /** Remove what is no good, and forget it. */
  readonly repair: boolean;
}

/** Looks at every file, every tree, every package file and every snapshot. */
export async function verifyAll(context: VerifyContext): Promise<Verified> {
  const { index, project } = context;
  const rows = index.artifacts();
  const stored = openStore(project.store, null).list();
  // Also what no row names: it would be taken for whole when an action makes it again.
  const files = [
    ...new Set([...rows.filter(({ kind }) => kind === "file"), ...stored].map(({ id }) => id)),
  ].sort();
  const trees = rows.filter(({ kind }) => kind === "tree");
  const packages = lyingIn(project, "packages").map(({ name }) => name);
  const snapshots = lyingIn(project, "snapshots").map(({ name }) => name);
  const findings: Finding[] = [];
  const problems: Problem[] = [];
  const note = (finding: Finding | null): void => {
    if (finding !== null) findings.push(finding);
  };
  for (const id of files) note(await lookAtFile(context, id));
  for (const row of trees) note(await lookAtTree(context, row));
  for (const name of packages) note(await lookAtPackage(project, name));
  const kept = new Snapshots(project.snapshots);
  for (const name of snapshots)
    if ((await kept.whole(name)) === null) note({ kind: "snapshot", name, state: "damaged", why: null });
  const damaged = findings.filter(({ state }) => state === "damaged");
  const namesOf = (kinds: readonly Finding["kind"][]): string[] =>
    damaged.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
  // A disk that turned a bit tells nobody when.
  const damage = { artifacts: namesOf(["file", "tree"]), packages: namesOf(["package"]), after: 0 };
  const voided = builtSince(index, damage);
  if (context.repair) {
    index.drop({ builds: voided.map(({ build }) => build.id) });
    for (const finding of findings)
      if (finding.state !== "unknown")
        for (const problem of await repair(context, finding)) problems.push(problem);
    // They say that nothing is to be done, and look at nothing that was voided.
    if (voided.length > 0) forgetRecords(project);
  }
  const counts = { files: files.length, trees: trees.length, packages: packages.length };
  return { ...counts, snapshots: snapshots.length, findings, voided, problems };
}

async function lookAtFile({ project }: VerifyContext, id: ArtifactId): Promise<Finding | null> {
  const state = await openStore(project.store, null).verify(id);
  return state === "whole" ? null : { kind: "file", name: id, state, why: null };
}

/**
 * A tree is its layer and its manifest. Judged with its parent's manifest alone: a damaged layer beneath is that
 * tree's matter, and made anew it serves this one again.
 */
async function lookAtTree({ project, isolation }: VerifyContext, row: ArtifactRow): Promise<Finding | null> {
  const { id, layer, form, parent } = row;
  const manifest = await lookAtManifest(project, id);
  if (manifest !== null) return { kind: "tree", name: id, ...manifest };
  const path = layer === null ? null : layerPath(project.layers, layer);
  if (path === null || !isThere(path)) return { kind: "tree", name: id, state: "missing", why: null };
  if (!isDirectory(path)) return { kind: "tree", name: id, state: "damaged", why: "it is not a directory" };
  const unknown = (why: string): Finding => ({ kind: "tree", name: id, state: "unknown", why });
  if (form !== formOf(isolation))
    return unknown(form === "root" ? "it was made as root" : "it was made in a user namespace");
  if (parent !== null && (await lookAtManifest(project, parent)) !== null)
    return unknown(`the manifest of its parent ${parent} is no good`);
  const whole = await verifyTree(project, row, isolation);
  if (!whole.ok) return unknown([whole.problem.message, whole.problem.hint ?? ""].join(" ").trim());
  return whole.value ? null : { kind: "tree", name: id, state: "damaged", why: null };
}

async function lookAtManifest(
  project: Project,
  tree: ArtifactId,
): Promise<Pick<Finding, "state" | "why"> | null> {
  const state = await verifyManifest(project.manifests, tree);
  return state === "whole" ? null : { state, why: "its manifest" };
}

async function lookAtPackage(project: Project, name: string): Promise<Finding | null> {
  try {
    if (await hasDigest(packagePath(project.packages, name), name)) return null;
    return { kind: "package", name, state: "damaged", why: null };
  } catch (error) {
    return { kind: "package", name, state: "damaged", why: asError(error).message };
  }
}

async function repair({ project, index }: VerifyContext, { kind, name }: Finding): Promise<Problem[]> {
  if (kind === "package") removePackage(project.packages, name);
  if (kind === "snapshot") new Snapshots(project.snapshots).remove(name);
  if (kind === "package" || kind === "snapshot") return [];
  const problem = await discard({ project, index }, { id: name, layer: index.artifact(name)?.layer ?? null });
  return problem === null ? [] : [problem];
}
