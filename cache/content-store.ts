// Files and trees by digest: the interface behind which contents are kept, here or for several machines. A tree travels as
// its manifest and the files that this names, never as a layer. Calls come in batches and are asynchronous, since the far
// end may be far. Putting into a stage is no part of it: what is staged is always the local store's (cache/store.ts), since
// nothing that another machine can write to may be mounted or linked.
import type { ArtifactId } from "./index.js";
import type { Problem, Result } from "./problem.js";

/** A file or a tree as one store hands it to another. Whoever takes it believes nothing of it without its digest. */
export interface Giving {
  readonly id: ArtifactId;
  /** In bytes. */
  readonly size: number;
  /** The text of a tree's manifest; null for a file. */
  readonly manifest: string | null;
  /** The tree that a tree was made on. */
  readonly parent: ArtifactId | null;
  /** Copies files by their digests to paths at which nothing lies. */
  readonly copy: (files: ReadonlyMap<string, string>) => Promise<Result<void>>;
}

/** How a thing stands in a store. */
export type Condition = "whole" | "missing" | "damaged";

/** Files and trees by digest. Every implementation passes test/content-store.test.ts. */
export interface ContentStore {
  /** Which of these are not here; contents are not read. */
  missing(ids: readonly ArtifactId[]): Promise<ReadonlySet<ArtifactId>>;
  /** What is handed to another store; a problem where it is not here or not whole. */
  give(id: ArtifactId): Promise<Result<Giving>>;
  /** Takes what other stores give; digests all of it. Returns what stood in the way, by id: of that nothing is kept. */
  take(givings: readonly Giving[]): Promise<ReadonlyMap<ArtifactId, Problem>>;
  /** Digests them again; of what is damaged a store that can get it again may remove what is no good. */
  verify(ids: readonly ArtifactId[]): Promise<ReadonlyMap<ArtifactId, Condition>>;
}
