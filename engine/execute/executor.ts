// Runs staged actions: the interface behind which that happens, here (local/) or elsewhere. An action goes in as plain data,
// what it reads by digest; an outcome comes out, what it made by digest. How a place keeps actions apart and shows them what
// they read is its own affair: mounts, namespaces and processes are behind this.
import { join } from "node:path";
import type { ArtifactId, Component } from "../../cache/index.js";
import type { Action, Command, Output } from "../model.js";
import { undated } from "../names.js";
import type { Notice } from "../notice.js";
import type { Obstacles } from "../obstacles.js";
import type { Package } from "../packages/driver.js";
import type { Problem, Result } from "../problem.js";
import type { Failure } from "../reason.js";

/** A copy of a source, by its path in the working directory. */
export interface StagedSource {
  readonly path: string;
  /** `f:<sha256>` or `x:<sha256>` of the copy; `l:<target>` of a link; `d:` of an empty directory. */
  readonly content: string;
}

/** An artifact that the action reads. */
export interface StagedInput {
  readonly name: string;
  readonly id: ArtifactId;
  /** Where it lies in the working directory; empty for the tree that the action runs within. */
  readonly path: string;
}

/** An action, ready to run: plain data, and the same on every machine. */
export interface StagedAction {
  /** Names its stage and its log. */
  readonly build: string;
  readonly action: Action;
  /** What its key is made of, with the digests of the copies that were staged. */
  readonly components: readonly Component[];
  readonly key: string;
  /** SOURCE_DATE_EPOCH, in seconds. */
  readonly epoch: number;
  /** What it runs, with the date where it sees that, and with what the words of an array stand for. */
  readonly command: Command;
  /** What it sees of the environment beside what every action has. */
  readonly env: Readonly<Record<string, string>>;
  readonly sources: readonly StagedSource[];
  readonly inputs: readonly StagedInput[];
  /** The files of its repository; null for none. */
  readonly packages: readonly Package[] | null;
  /** That of the release: what outputs are called in messages. An action that does not see it is not made from it. */
  readonly datecode: string;
}

/** What an execution has to do with here and now. Paths absolute. */
export interface Circumstance {
  /** Its stage on this machine, for this execution alone: `work` in there holds the copies of its sources. */
  readonly dir: string;
  /** The file on this machine that what it says is appended to. */
  readonly log: string;
  /** Asks it to stop; `killSignal` does not wait for that. */
  readonly signal: AbortSignal;
  readonly killSignal: AbortSignal;
  /** When it fails, its stage says what a shell in there needs (local/failed-stage.ts), where the place is this machine. */
  readonly keep: boolean;
}

/** How an execution ended. */
export type Outcome =
  /** All that it was to make, by output: the content store of whoever asked holds it. Verdicts are no contents. */
  | {
      readonly kind: "made";
      readonly outputs: Readonly<Record<string, ArtifactId>>;
      /** What a person should know of it. */
      readonly notices: readonly Notice[];
    }
  /** Nobody tried it: what it reads could not be brought to where it was to run. */
  | { readonly kind: "not-run"; readonly problem: Problem }
  | Failure;

/**
 * What is asked of actions before anything runs: whether this user may execute them at all, or whether all is there that
 * they need.
 */
export type Asked = "allowed" | "able";

/** A place where actions are executed. Every implementation passes test/executor.test.ts. */
export interface Executor {
  /** What keeps these from being executed there. */
  obstacles(actions: readonly Action[], asked: Asked): Promise<Obstacles>;
  /**
   * Gets ready, before the first of them. `needed` may have to be built, `toBuild` have to. Returns what a person should know
   * of how they will be.
   */
  prepare(needed: readonly Action[], toBuild: readonly Action[]): Promise<Result<readonly string[]>>;
  /** Executes one. Nothing of what failed is an artifact, and when it has ended nothing of it runs or is mounted. */
  execute(staged: StagedAction, circumstance: Circumstance): Promise<Outcome>;
}

/** Where an action is told to put an output, from its working directory. */
export const outputPath = (output: Exclude<Output, { kind: "verdict" }>): string =>
  join(".out", output.kind === "file" ? undated(output.pattern) : output.name);
