// Whether what the store holds is still what it was when it was digested. Stamps are looked at first; where they
// differ it is digested again. It removes nothing.
import { hasDigest } from "../cache/hash.js";
import type { ArtifactId, ArtifactRow, Index } from "../cache/index.js";
import { isDirectory, isPlain, isThere } from "../cache/io.js";
import { digestOf, type Store } from "../cache/store.js";
import { layerPath } from "../cache/layers.js";
import type { Layout } from "../cache/layout.js";
import { hasManifest, manifestPath } from "../cache/manifests.js";
import { ownIds } from "./execute/local/ids.js";
import type { Isolation } from "./execute/local/sandbox.js";
import { ok, type Result } from "./problem.js";
import type { LayerStamp } from "./tree/layer-stamp.js";
import { lstatOf, noteOwn, ownStamp, sameStamp } from "./sources/stamp.js";

/** Where to look. */
export interface WholeContext {
  readonly project: Pick<Layout, "layers" | "manifests" | "state">;
  readonly index: Index;
  readonly store: Store;
  /** A dry run: not even a stamp is noted. */
  readonly readOnly: boolean;
  /** False with --no-isolation. */
  readonly isolated: boolean;
}

/** How something looks: sizes and times. Where links come and go the change time differs with their number. */
interface Looks {
  readonly what: string;
  readonly ctime: number;
  readonly links: number;
}

function looksOfFile(path: string): Looks | null {
  const stats = lstatOf(path);
  if (stats === undefined) return null;
  return { what: `${stats.size} ${stats.mtimeMs}`, ctime: stats.ctimeMs, links: stats.nlink };
}

const ofLayer = ({ digest }: LayerStamp): Looks => ({ what: digest, ctime: 0, links: 0 });

/** What was looked at is not looked at again for so long, in milliseconds. */
const BELIEVED_MS = 10_000;

/** Looks at each artifact that is to be read. */
export class Whole {
  /** What was found damaged, and was not removed yet: it counts as not there. */
  readonly lost = new Set<ArtifactId>();
  readonly #looked = new Map<ArtifactId, { readonly at: number; readonly whole: Promise<Result<boolean>> }>();
  readonly #forgotten = new Map<ArtifactId, number>();
  /** How things looked when this run saw them last, by their paths. */
  readonly #seen = new Map<string, Looks>();
  /** When something looked otherwise than before, whatever it held then: who read it in between may have read anything. */
  readonly #touched = new Map<string, number>();

  constructor(private readonly context: WholeContext) {}

  /**
   * The lowest that is damaged of an artifact and, for a tree, of the trees beneath it; null for nothing. What lies on
   * it can be judged when that is made again. What is not there at all is another's question. `since` (performance.now())
   * looks anew, and also names what was damaged then and has been made again, or put back as it was.
   */
  async damagedIn(id: ArtifactId, since?: number): Promise<Result<ArtifactRow | null>> {
    const rows: ArtifactRow[] = [];
    for (let at: ArtifactId | null = id; at !== null && rows.length < 100;) {
      const row: ArtifactRow | undefined = this.context.index.artifact(at);
      if (row === undefined) break;
      rows.unshift(row);
      at = row.parent;
    }
    for (const row of rows) {
      // What lies on it can only be judged with its manifest.
      if (row.kind === "tree" && !this.#isHere(row)) return ok(null);
      if (since !== undefined && (this.#forgotten.get(row.id) ?? -Infinity) > since) return ok(row);
      const whole = await this.#once(row, since === undefined ? BELIEVED_MS : 0);
      if (!whole.ok) return whole;
      if (!whole.value || (since !== undefined && this.#wasTouched(row, since))) return ok(row);
    }
    return ok(null);
  }

  /** It is made anew: what was found of it no longer counts. */
  forget(id: ArtifactId): void {
    this.#forgotten.set(id, performance.now());
    this.#looked.delete(id);
    this.lost.delete(id);
    for (const path of this.#pathsOf({ id, layer: this.context.index.artifact(id)?.layer ?? null }))
      this.#seen.delete(path);
  }

  /** Where what is read of an artifact lies. */
  #pathsOf({ id, layer }: Pick<ArtifactRow, "id" | "layer">): string[] {
    const { project, store } = this.context;
    if (!id.startsWith("t:")) return [store.path(id)];
    return layer === null ? [] : [layerPath(project.layers, layer)];
  }

  #wasTouched(row: ArtifactRow, since: number): boolean {
    return this.#pathsOf(row).some((path) => (this.#touched.get(path) ?? -Infinity) > since);
  }

  #see(path: string, looks: Looks): void {
    const before = this.#seen.get(path);
    const other =
      before?.what !== looks.what || (before.links === looks.links && before.ctime !== looks.ctime);
    if (before !== undefined && other) this.#touched.set(path, performance.now());
    this.#seen.set(path, looks);
  }

  /** Does what changes the links of a stored file: the change time that comes of that is ours, and no sign of a change. */
  async linking<T>(id: ArtifactId, work: () => Promise<T>): Promise<T> {
    const path = this.context.store.path(id);
    const before = looksOfFile(path);
    if (before !== null) this.#see(path, before);
    const done = await work();
    const after = looksOfFile(path);
    if (after !== null) this.#seen.set(path, after);
    return done;
  }

  /** Whether a stored file is what its id says. `doubted`: do not believe the stamp. */
  fileIsWhole(id: ArtifactId, doubted: boolean): Promise<boolean> {
    const { store } = this.context;
    return this.#isWhole(
      store.path(id),
      digestOf(id),
      doubted,
      async () => (await store.verify(id)) === "whole",
    );
  }

  /** A tree has just been stored: notes how it looks. */
  async note({ id, layer }: Pick<ArtifactRow, "id" | "layer">): Promise<void> {
    const { project } = this.context;
    if (layer === null) return;
    noteOwn(this.context.index, manifestPath(project.manifests, id), digestOf(id), project.state);
    const looks = await this.#looksOf(layerPath(project.layers, layer));
    if (!looks.ok) return;
    this.#seen.set(layerPath(project.layers, layer), ofLayer(looks.value));
    this.#noteLayer(layerPath(project.layers, layer), looks.value);
  }

  /** Whether the layer of a tree that is to be stored again is good; false where nobody can tell. */
  async layerHolds(row: ArtifactRow): Promise<boolean> {
    if (row.layer === null) return false;
    const whole = await this.#layerIsWhole(row, layerPath(this.context.project.layers, row.layer));
    return whole.ok && whole.value;
  }

  #once(row: ArtifactRow, believed: number): Promise<Result<boolean>> {
    const looked = this.#looked.get(row.id);
    if (looked !== undefined && performance.now() - looked.at < believed) return looked.whole;
    const whole = this.#look(row).then((found) => {
      if (found.ok && !found.value) this.lost.add(row.id);
      return found;
    });
    this.#looked.set(row.id, { at: performance.now(), whole });
    return whole;
  }

  async #look(row: ArtifactRow): Promise<Result<boolean>> {
    const { project, store } = this.context;
    switch (row.kind) {
      case "verdict":
        return ok(true);
      case "file":
        return ok(!store.has(row.id, row.size) || (await this.fileIsWhole(row.id, false)));
      case "tree": {
        // It is not here.
        if (row.layer === null) return ok(true);
        const [layer, digest] = [layerPath(project.layers, row.layer), digestOf(row.id)];
        const manifest = manifestPath(project.manifests, row.id);
        const { formOf } = await import("./tree/seal.js");
        if (row.form !== formOf(this.#isolation()) || !this.#isHere(row)) return ok(true);
        if (!isDirectory(layer) || !isPlain(manifest)) return ok(false);
        const told = await this.#isWhole(manifest, digest, false, () => hasDigest(manifest, digest));
        return told ? this.#layerIsWhole(row, layer) : ok(false);
      }
    }
  }

  /** Whether there is anything where a tree's layer and its manifest are to be. */
  #isHere({ id, layer }: ArtifactRow): boolean {
    const { layers, manifests } = this.context.project;
    return layer !== null && isThere(layerPath(layers, layer)) && hasManifest(manifests, id);
  }

  async #layerIsWhole(row: ArtifactRow, layer: string): Promise<Result<boolean>> {
    const { index, project, readOnly } = this.context;
    const looks = await this.#looksOf(layer);
    if (!looks.ok) return looks;
    this.#see(layer, ofLayer(looks.value));
    if (index.stamp(layer)?.digest === looks.value.digest) return ok(true);
    const { verifyTree } = await import("./tree/seal.js");
    const whole = await verifyTree(project, row, this.#isolation());
    if (whole.ok && whole.value && !readOnly) this.#noteLayer(layer, looks.value);
    return whole;
  }

  async #looksOf(layer: string): Promise<Result<LayerStamp>> {
    const { stampLayer } = await import("./tree/run-seal.js");
    const { insideOf } = await import("./tree/seal.js");
    return stampLayer(layer, insideOf(this.#isolation()));
  }

  /** Believes the whole stamp or, where any of it is another (links come and go), the digest. */
  async #isWhole(
    path: string,
    digest: string,
    doubted: boolean,
    verify: () => Promise<boolean>,
  ): Promise<boolean> {
    const [stamp, known] = [ownStamp(path), this.context.index.stamp(path)];
    if (stamp === null) return true;
    const looks = looksOfFile(path);
    if (looks !== null) this.#see(path, looks);
    if (!doubted && known?.digest === digest && sameStamp(stamp, known)) return true;
    if (!(await verify())) return false;
    const { index, project, readOnly } = this.context;
    if (!readOnly) noteOwn(index, path, digest, project.state, stamp);
    return true;
  }

  /** As late as the newest thing in it. */
  #noteLayer(path: string, { digest, changed }: LayerStamp): void {
    const { index, project } = this.context;
    const stamp = ownStamp(path);
    if (stamp !== null) noteOwn(index, path, digest, project.state, { ...stamp, ctime: changed });
  }

  /** How the layers that can be mounted here are entered. */
  #isolation(): Isolation {
    if (!this.context.isolated) return { kind: "process-groups" };
    if (process.getuid?.() === 0) return { kind: "namespaces", root: "real" };
    return { kind: "namespaces", root: "user-namespace", ids: ownIds() };
  }
}
