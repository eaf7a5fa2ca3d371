// Files and trees in this machine's store. What a layer is made of is engine/tree's: whoever opens the store says how trees
// come in and out.
import { join } from "node:path";
import type { ContentStore, Giving, Condition } from "../content-store.js";
import { copyAndHash } from "../copy.js";
import { hashFile } from "../hash.js";
import type { ArtifactId, ArtifactRow, Index } from "../index.js";
import { ioProblem, isThere } from "../io.js";
import { layerPath } from "../layers.js";
import { makeScratch, type Layout } from "../layout.js";
import { hasManifest, readManifestText } from "../manifests.js";
import { Exit, fail, ok, type Problem, type Result } from "../problem.js";
import { digestOf, type Store } from "../store.js";

/** How trees come into layers and out of them. */
export interface Trees {
  /** Makes and stores a layer that shows the tree; `scratch` is an empty directory beside the store. */
  take(giving: Giving, manifest: string, scratch: string): Promise<Result<ArtifactRow>>;
  /** Copies files of a tree by their digests. */
  copy(tree: ArtifactRow, manifest: string, files: ReadonlyMap<string, string>): Promise<Result<void>>;
  /** Digests a tree again. */
  isWhole(tree: ArtifactRow): Promise<Result<boolean>>;
  /** Whether this process can mount the tree's layers. */
  isOurs(tree: ArtifactRow): boolean;
  /** Deletes a directory tree. */
  remove(path: string): Promise<Result<void>>;
}

/** The contents of a state directory. */
export class LocalContents implements ContentStore {
  constructor(
    private readonly layout: Layout,
    private readonly index: Index,
    private readonly store: Store,
    private readonly trees: Trees,
  ) {}

  missing(ids: readonly ArtifactId[]): Promise<ReadonlySet<ArtifactId>> {
    return Promise.resolve(new Set(ids.filter((id) => !this.#holds(this.index.artifact(id)))));
  }

  #holds(row: ArtifactRow | undefined): boolean {
    if (row === undefined) return false;
    if (row.kind !== "tree") return row.kind === "verdict" || this.store.has(row.id, row.size);
    const { layers, manifests } = this.layout;
    if (row.layer === null || !isThere(layerPath(layers, row.layer)) || !hasManifest(manifests, row.id))
      return false;
    return this.trees.isOurs(row) && (row.parent === null || this.#holds(this.index.artifact(row.parent)));
  }

  give(id: ArtifactId): Promise<Result<Giving>> {
    const row = this.index.artifact(id);
    if (row === undefined || row.kind === "verdict" || !this.#holds(row))
      return Promise.resolve(fail(Exit.environment, `${id} is not in the store`));
    const { size, parent } = row;
    if (row.kind === "file")
      return Promise.resolve(
        ok({ id, size, manifest: null, parent, copy: (files) => this.#copyFile(id, files) }),
      );
    const text = readManifestText(this.layout.manifests, digestOf(id));
    if (!text.ok) return Promise.resolve(text);
    const manifest = text.value;
    const copy: Giving["copy"] = (files) => this.trees.copy(row, manifest, files);
    return Promise.resolve(ok({ id, size, manifest, parent, copy }));
  }

  async #copyFile(id: ArtifactId, files: ReadonlyMap<string, string>): Promise<Result<void>> {
    for (const to of files.values()) {
      const copied = await copyAndHash(this.store.path(id), to);
      if (!copied.ok) return copied;
    }
    return ok(undefined);
  }

  async take(givings: readonly Giving[]): Promise<ReadonlyMap<ArtifactId, Problem>> {
    const refused = new Map<ArtifactId, Problem>();
    for (const giving of givings) {
      let scratch: string | null = null;
      try {
        scratch = makeScratch(this.layout, "take");
        const row =
          giving.manifest === null
            ? await this.#takeFile(giving, scratch)
            : await this.trees.take(giving, giving.manifest, scratch);
        if (row.ok) this.index.addArtifact(row.value);
        else refused.set(giving.id, row.problem);
      } catch (error) {
        const problem = ioProblem(`take ${giving.id}`, error);
        if (!problem.ok) refused.set(giving.id, problem.problem);
      } finally {
        if (scratch !== null) await this.trees.remove(scratch);
      }
    }
    return refused;
  }

  async #takeFile({ id, size, copy }: Giving, scratch: string): Promise<Result<ArtifactRow>> {
    const digest = digestOf(id);
    const file = join(scratch, digest);
    const copied = await copy(new Map([[digest, file]]));
    if (!copied.ok) return copied;
    if ((await hashFile(file)) !== digest) return fail(Exit.environment, `${id} is not what its digest says`);
    const added = await this.store.addFile(file, id);
    return added.ok ? ok({ id, kind: "file", size, layer: null, parent: null, form: null }) : added;
  }

  async verify(ids: readonly ArtifactId[]): Promise<ReadonlyMap<ArtifactId, Condition>> {
    const found = new Map<ArtifactId, Condition>();
    for (const id of ids) found.set(id, await this.#verify(id));
    return found;
  }

  async #verify(id: ArtifactId): Promise<Condition> {
    const row = this.index.artifact(id);
    if (row === undefined || !this.#holds(row)) return "missing";
    if (row.kind === "verdict") return "whole";
    if (row.kind === "file") return this.store.verify(id);
    const text = readManifestText(this.layout.manifests, digestOf(id));
    if (!text.ok) return "damaged";
    const whole = await this.trees.isWhole(row);
    return whole.ok && whole.value ? "whole" : "damaged";
  }
}
