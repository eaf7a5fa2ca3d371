// What the words of `imagemake diff` mean: a release, a target, a digest or a file, as images with their manifests; and what
// is known of the trees in them. It compares nothing and changes nothing.
import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { hashFile } from "../cache/hash.js";
import { type ArtifactId, type BuildRow, Index } from "../cache/index.js";
import { isThere } from "../cache/io.js";
import { describedPath } from "../cache/layout.js";
import { digestOf, openStore } from "../cache/store.js";
import { Describer } from "../engine/contents/describe.js";
import type { ImageManifest } from "../engine/contents/record.js";
import {
  manifestAt,
  manifestsOf,
  releasedManifest,
  storedManifest,
  treeManifest,
} from "../engine/contents/stored.js";
import { filesOf, type ReadFile } from "../engine/contents/tree-facts.js";
import type { TargetId } from "../engine/model.js";
import { isDatecode } from "../engine/names.js";
import { Exit, fail, ok, type Result, unwrap } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import { relationsOf } from "../engine/relations.js";
import type { Release } from "../engine/release/record.js";
import { readReleases } from "../engine/release/release.js";
import type { Manifest } from "../engine/tree/manifest.js";
import type { CallWith } from "./call.js";
import { drivers, openImagefile, type Opened } from "./open.js";
import { select } from "./select.js";

/** One image of a side. */
export interface SideImage {
  readonly target: TargetId;
  /** `f:`, `x:` or `t:` and its digest. */
  readonly artifact: ArtifactId;
  /** Bytes. */
  readonly size: number;
  /** Null where nothing is known of what is in it. */
  readonly manifest: ImageManifest | null;
}

/** One side of a comparison. */
export interface Side {
  /** As it was named. */
  readonly name: string;
  readonly kind: "release" | "target" | "artifact" | "manifest";
  readonly images: readonly SideImage[];
  /** The directory that may have listings of its trees. */
  readonly listings: string | null;
}

/** Finds out what words mean, over one project. */
export class Sides {
  readonly #index: Index;
  readonly #releases: readonly Release[];
  #opened: Promise<Opened> | undefined;

  constructor(
    private readonly project: Project,
    private readonly call: CallWith<"directory" | "file">,
  ) {
    this.#index = Index.look(project.index);
    this.#releases = unwrap(readReleases(project));
  }

  /** The side that a word means; exit 2 for what means nothing. */
  async side(word: string): Promise<Result<Side>> {
    const release = this.#releases.find(({ datecode }) => datecode === word);
    if (release !== undefined) return this.#ofRelease(word, release);
    if (isDatecode(word)) return fail(Exit.usage, `there is no release ${word}`);
    const path = resolve(this.call.options.directory ?? "", word);
    for (const file of new Set([resolve(word), path]))
      if (isThere(file) && existsSync(file) && statSync(file).isFile()) return this.#ofFile(word, file);
    const digest = /^(?:[fxt]:)?([0-9a-f]{12,64})$/.exec(word);
    if (digest !== null) return this.#ofDigest(word);
    return this.#ofTarget(word);
  }

  async #ofRelease(name: string, release: Release): Promise<Result<Side>> {
    const images: SideImage[] = [];
    const kept = Object.entries(release.artifacts);
    for (const [target, { digest, executable, size, key }] of kept) {
      const artifact = `${executable ? "x" : "f"}:${digest}`;
      const manifest =
        releasedManifest(this.project, release, target) ??
        (await this.#manifest(artifact, this.#index.resultOf(key)));
      images.push({ target, artifact, size, manifest });
    }
    const here = new Set(kept.map(([target]) => target));
    // Before collect its file has none: what was published under its date counts.
    if (release.state === "open")
      for (const image of await this.#published(release)) if (!here.has(image.target)) images.push(image);
    return images.length === 0
      ? fail(
          Exit.usage,
          `nothing is known of what was built in release ${name}`,
          "build in it, or collect it",
        )
      : ok({ name, kind: "release", images, listings: manifestsOf(this.project, release) });
  }

  async #published({ datecode }: Release): Promise<readonly SideImage[]> {
    const found: SideImage[] = [];
    const rows = this.#index.published(this.project.line).filter(({ under }) => under === datecode);
    for (const row of rows)
      for (const [output, artifact] of Object.entries(this.#index.outputsOf(row.id))) {
        // An image is what has a manifest: the trees and files on the way have none.
        if (!isThere(describedPath(this.project, digestOf(artifact)))) continue;
        const target = output === "OUT" ? row.action : `${row.action} ${output}`;
        found.push(await this.#image(target, artifact, row));
      }
    return found;
  }

  async #ofFile(name: string, file: string): Promise<Result<Side>> {
    const manifest = manifestAt(file);
    if (manifest !== null) {
      const { target, artifact, size } = manifest;
      return ok({
        name,
        kind: "manifest",
        images: [{ target, artifact, size, manifest }],
        listings: dirname(file),
      });
    }
    const link = this.#index.link(file);
    const digest = await hashFile(file);
    for (const artifact of [`f:${digest}`, `x:${digest}`])
      if (this.#index.artifact(artifact) !== undefined)
        return ok(await this.#single(name, link?.target ?? this.#index.makerOf(artifact) ?? name, artifact));
    return fail(
      Exit.usage,
      `${name} is neither the manifest of an image nor a file that was built here`,
      "name a release, a target, a digest, or such a file",
    );
  }

  async #ofDigest(name: string): Promise<Result<Side>> {
    const fits = (id: ArtifactId): boolean => id.startsWith(name) || digestOf(id).startsWith(name);
    const [first, ...more] = this.#index.artifacts().filter(({ id, kind }) => kind !== "verdict" && fits(id));
    if (first === undefined)
      return fail(Exit.usage, `no artifact here has the digest ${name}`, "imagemake cache ls shows them");
    if (more.length > 0)
      return fail(Exit.usage, `several artifacts have digests that begin with ${name}`, "name more of it");
    return ok(await this.#single(name, this.#index.makerOf(first.id) ?? name, first.id));
  }

  async #ofTarget(name: string): Promise<Result<Side>> {
    const opened = await this.#open();
    const selected = select(opened.graph, [name]);
    if (!selected.ok) return selected;
    const { datecode, targets } = selected.value;
    const images: SideImage[] = [];
    const relations = relationsOf(opened.graph);
    for (const id of targets) {
      const target = relations.target(id);
      if (target === undefined) continue;
      const rows = this.#index.publishedUnder(this.project.line, target.action);
      const row = datecode === null ? rows.at(-1) : rows.find(({ under }) => under === datecode);
      const artifact = row === undefined ? undefined : this.#index.outputsOf(row.id)[target.output];
      if (row !== undefined && artifact !== undefined && !artifact.startsWith("v:"))
        images.push(await this.#image(id, artifact, row));
    }
    if (images.length > 0) return ok({ name, kind: "target", images, listings: null });
    const when = datecode === null ? "" : ` in release ${datecode}`;
    return fail(Exit.usage, `nothing that is known here was built of ${name}${when}`, `imagemake ${name}`);
  }

  async #single(name: string, target: TargetId, artifact: ArtifactId): Promise<Side> {
    const images = [await this.#image(target, artifact, undefined)];
    return { name, kind: "artifact", images, listings: null };
  }

  async #image(target: TargetId, artifact: ArtifactId, build: BuildRow | undefined): Promise<SideImage> {
    const size = this.#index.artifact(artifact)?.size ?? 0;
    return { target, artifact, size, manifest: await this.#manifest(artifact, build) };
  }

  async #manifest(artifact: ArtifactId, build: BuildRow | undefined): Promise<ImageManifest | null> {
    const stored = storedManifest(this.project, artifact, build?.key);
    if (stored !== null) return stored;
    const described = await new Describer({ index: this.#index, layout: this.project, drivers }).describe(
      artifact,
      build,
    );
    return described.ok ? described.value : null;
  }

  #open(): Promise<Opened> {
    this.#opened ??= openImagefile(this.call.options, {}, false).then(unwrap);
    return this.#opened;
  }

  /** What is in a tree, as far as the store or the side's listings have it. */
  tree({ listings }: Side, digest: string): Manifest | null {
    return treeManifest(this.project, digest, listings);
  }

  /** Files of a tree; those that are no longer in the store are null. */
  reader(digest: string, manifest: Manifest): ReadFile {
    return filesOf(this.#index, this.project, `t:${digest}`, manifest);
  }

  /** Where a file artifact lies; null where it does not. */
  file({ artifact, size }: SideImage): string | null {
    const store = openStore(this.project.store, null);
    return !artifact.startsWith("t:") && store.has(artifact, size) ? store.path(artifact) : null;
  }
}
