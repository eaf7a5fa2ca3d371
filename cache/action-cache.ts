// What an action made, by its key: the interface behind which results are kept, here or for several machines. Calls come in
// batches and are asynchronous, since the far end may be far. It holds no contents: those are a ContentStore's.
import type { ArtifactId, Component } from "./index.js";
import type { Result } from "./problem.js";

/** One output. `size` in bytes; `parent` is the tree that a tree was made on. */
interface MadeOutput {
  readonly id: ArtifactId;
  readonly size: number;
  readonly parent: ArtifactId | null;
}

/** The result of one action. Times in milliseconds, `epoch` in seconds. */
export interface Made {
  readonly key: string;
  /** What it is called where it was made, for people. */
  readonly action: string;
  /** What the key was made of; values that may be secret as their digests, where they left the machine. */
  readonly components: readonly Component[];
  readonly outputs: Readonly<Record<string, MadeOutput>>;
  readonly epoch: number;
  readonly started: number;
  readonly duration: number;
  /** Where it was made. */
  readonly machine: string;
  /** The file on this machine that holds what it said; null where that did not come along. */
  readonly log: string | null;
}

/** A result that is known otherwise already: what was there stays. */
export interface Disagreement {
  readonly key: string;
  readonly action: string;
  /** Where the one that stays was made. */
  readonly machine: string;
}

/** Results by key. Every implementation passes test/action-cache.test.ts. */
export interface ActionCache {
  /** The results that are known, by key; what cannot be believed is as if it were not there. */
  find(keys: readonly string[]): Promise<ReadonlyMap<string, Made>>;
  /** Keeps results whose contents are kept already. Returns those that are known otherwise. */
  put(results: readonly Made[]): Promise<Result<readonly Disagreement[]>>;
}

/** Whether two results are the same outputs. */
export const sameOutputs = (one: Made, other: Made): boolean =>
  [one, other].every(({ outputs }) =>
    Object.keys(outputs).every((name) => one.outputs[name]?.id === other.outputs[name]?.id),
  );
