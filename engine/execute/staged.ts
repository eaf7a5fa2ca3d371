// What staging works on, and what comes of it: types alone.
import type { Component } from "../../cache/index.js";
import type { Decider } from "../decide.js";
import type { Action, Output } from "../model.js";
import type { Copies } from "./kept-copies.js";
import type { Isolation, Mount } from "./local/sandbox.js";

/** Where an output is expected. Paths are absolute. */
export interface StagedOutput {
  readonly output: Output;
  /** The file, or the directory that becomes the layer. */
  readonly path: string;
  /** Artifact of the tree beneath a layer. */
  readonly parent: string | null;
}

/** An action, ready to run. */
export interface Staged {
  readonly id: string;
  readonly dir: string;
  readonly work: string;
  /** The tree it runs within, as a directory; null for the host's root. */
  readonly root: string | null;
  /** `work`, as the action sees it. */
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly outputs: readonly StagedOutput[];
  /** Where the inputs lie, relative to `work`. */
  readonly sources: readonly string[];
  /** What the key is made of, with the digests of the copies that were staged. */
  readonly components: readonly Component[];
  readonly key: string;
  /** SOURCE_DATE_EPOCH, in seconds. */
  readonly epoch: number;
  /** Copies of sources that are kept for the next action; null where there are too few, or they could not be told. */
  readonly copies: Copies | null;
  /** Lines that its log begins with: what a person has to know who reads how it failed. */
  readonly notes: readonly string[];
}

/** The environment an action is staged for. */
export interface StageContext {
  readonly decider: Decider;
  readonly signal: AbortSignal;
  readonly isolation: Isolation;
  /** Whether a layer can be laid over its parent here; without, the parent is copied. */
  readonly overlays: boolean;
}

/** A stage that is being made. */
export interface Stage extends StageContext {
  readonly action: Action;
  readonly dir: string;
  /** The directory in it that the action works in. */
  readonly work: string;
  /** What is to be mounted, in order. */
  readonly mounts: Mount[];
}
