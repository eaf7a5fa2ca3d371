// Where manifests of images lie: in the store by the image's digest, from the build on; and beside a release's file, from
// collect on, with listings of the trees, so that two releases can be compared when nothing else of them is left.
import { readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { hashBytes } from "../../cache/hash.js";
import { holdDirectory, trustedBelow } from "../../cache/held.js";
import type { ArtifactId, BuildRow } from "../../cache/index.js";
import { isThere, readPlain } from "../../cache/io.js";
import { describedPath } from "../../cache/layout.js";
import { hasManifest } from "../../cache/manifests.js";
import { digestOf } from "../../cache/store.js";
import { ownerIn, sudoOwner, writeWhole } from "../../cache/write.js";
import type { Decider } from "../decide.js";
import type { Action, TargetId } from "../model.js";
import type { Drivers } from "../packages/driver.js";
import { ok, type Problem, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { relationsOf } from "../relations.js";
import type { ToCollect } from "../release/collect.js";
import type { Release } from "../release/record.js";
import { type Manifest, readManifest } from "../tree/manifest.js";
import { Describer, type DescribeContext } from "./describe.js";
import { listingOf, manifestOf } from "./listing.js";
import { type ImageManifest, manifestIn, manifestText } from "./record.js";

/** A describer over what a run decided with. */
export const describerOf = (decider: Decider, drivers: Drivers): Describer =>
  new Describer(contextOf(decider, drivers));

const contextOf = ({ context: { index, project, graph } }: Decider, drivers: Drivers): DescribeContext => ({
  ...{ index, layout: project, drivers },
  action: (id) => relationsOf(graph).action(id),
});

/** The manifest of an artifact that the store has; null where there is none, or it is of another key. */
export function storedManifest(project: Project, artifact: ArtifactId, key?: string): ImageManifest | null {
  const manifest = manifestAt(describedPath(project, digestOf(artifact)));
  return manifest?.artifact === artifact && (key === undefined || manifest.key === key) ? manifest : null;
}

/** The manifest in a file; null where that is none. */
export function manifestAt(file: string): ImageManifest | null {
  const bytes = textAt(file);
  return bytes === null ? null : manifestIn(bytes.toString());
}

function textAt(file: string): Buffer | null {
  return isThere(file) ? readPlain(file) : null;
}

/** Keeps manifests of the images among `actions`: those that were `made`, and of the others those that have none. */
export async function keepManifests(
  decider: Decider,
  drivers: Drivers,
  actions: readonly Action[],
  made: ReadonlySet<Action>,
): Promise<readonly Problem[]> {
  const { project, index } = decider.context;
  const describer = describerOf(decider, drivers);
  const problems: Problem[] = [];
  for (const action of actions) {
    const produced = decider.products.of(action.id);
    if (produced === undefined || produced.build === null) continue;
    for (const [output, id] of Object.entries(produced.outputs)) {
      if (!isImage(decider, action, output)) continue;
      const file = describedPath(project, digestOf(id));
      if (!made.has(action) && isThere(file)) continue;
      const manifest = await describer.describe(id, index.build(produced.build));
      if (!manifest.ok) problems.push(manifest.problem);
      else if (manifest.value !== null)
        writeWhole(file, manifestText(manifest.value), ownerIn(project.store));
    }
  }
  return problems;
}

/** Files that people get, and trees that the Imagefile exports. */
function isImage(decider: Decider, action: Action, output: string): boolean {
  const target = relationsOf(decider.context.graph).target(decider.targetOf(action, output));
  return (
    target !== undefined &&
    (target.kind === "file" ? target.linked : target.kind === "tree" && target.exported)
  );
}

/** The directory of a release's manifests. */
export const manifestsOf = (
  { releases }: Pick<Project, "releases">,
  { datecode }: Pick<Release, "datecode">,
): string => join(releases, `${datecode}.manifests`);

const LISTING = ".tree.gz";

/** A target's id as a file's name. */
const fileOf = (target: TargetId): string => `${target.replaceAll("/", "+")}.json`;

/** What collect writes down of each file: its artifact, with the digest of its manifest. */
export type Described = ReadonlyMap<TargetId, { readonly text: string; readonly manifest: ImageManifest }>;

/** The manifests of what is collected; what nothing is known of (a person brought it) has none. */
export async function describeItems(
  decider: Decider,
  drivers: Drivers,
  items: readonly ToCollect[],
): Promise<{ readonly described: Described; readonly problems: readonly Problem[] }> {
  const { project, index } = decider.context;
  const describer = describerOf(decider, drivers);
  const described = new Map<TargetId, { readonly text: string; readonly manifest: ImageManifest }>();
  const problems: Problem[] = [];
  for (const { target, id, artifact } of items) {
    const build: BuildRow | undefined = index.resultOf(artifact.key);
    const stored = storedManifest(project, id, artifact.key);
    const found = stored === null ? await describer.describe(id, build) : ok(stored);
    if (!found.ok) problems.push(found.problem);
    else if (found.value !== null)
      described.set(target, { text: manifestText(found.value), manifest: found.value });
  }
  return { described, problems };
}

/** Writes a release's manifests, and listings of the trees in them; what is there of an earlier collect goes. */
export function writeReleaseManifests(
  project: Project,
  release: Pick<Release, "datecode">,
  described: Described,
): Result<void> {
  const dir = manifestsOf(project, release);
  const trusted = trustedBelow(project.dir);
  const make = { owner: sudoOwner() };
  const held = holdDirectory(project.dir, relative(project.dir, dir), { trusted, make });
  try {
    const wanted = new Set([...described.keys()].map(fileOf));
    const bases = new Map<string, Manifest>();
    const write = (digest: string, base: string): Result<void> => {
      const name = `${digest}${LISTING}`;
      if (wanted.has(name)) return ok(undefined);
      wanted.add(name);
      const read = (one: string): Result<Manifest> => {
        const known = bases.get(one);
        return known === undefined ? readManifest(project.manifests, one) : ok(known);
      };
      const under = base === digest ? null : read(base);
      if (under?.ok === false) return under;
      const manifest = read(digest);
      if (!manifest.ok) return manifest;
      if (under !== null) bases.set(base, under.value);
      const listing = listingOf(
        manifest.value,
        under === null ? null : { digest: base, manifest: under.value },
      );
      writeWhole(join(held.path, name), listing, sudoOwner());
      return under === null ? ok(undefined) : write(base, base);
    };
    for (const [target, { text, manifest }] of described) {
      writeWhole(join(held.path, fileOf(target)), text, sudoOwner());
      for (const { digest, base } of manifest.trees) {
        const written = write(digest, base);
        if (!written.ok) return written;
      }
    }
    for (const name of readdirSync(held.path))
      if (!wanted.has(name) && /^(?:[^.].*\.json|[0-9a-f]{64}\.tree\.gz)$/.test(name))
        rmSync(join(held.path, name), { force: true });
    return ok(undefined);
  } finally {
    held.close();
  }
}

/** What a release says of a target: its manifest, as the release's file has its digest; null where it has none. */
export function releasedManifest(project: Project, release: Release, target: TargetId): ImageManifest | null {
  const digest = release.artifacts[target]?.manifest;
  const bytes = digest === undefined ? null : textAt(join(manifestsOf(project, release), fileOf(target)));
  return bytes !== null && hashBytes(bytes) === digest ? manifestIn(bytes.toString()) : null;
}

/** What is in a tree: as the store has it, else by the listings in a directory; null where neither does. */
export function treeManifest(project: Project, digest: string, listings: string | null): Manifest | null {
  if (hasManifest(project.manifests, `t:${digest}`)) {
    const stored = readManifest(project.manifests, digest);
    if (stored.ok) return stored.value;
  }
  return listings === null ? null : manifestOf(digest, (one) => textAt(join(listings, `${one}${LISTING}`)));
}
