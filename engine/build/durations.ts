// How long actions took the last time that they succeeded, asked of the index when somebody wants to know. It schedules
// nothing.
import type { Index } from "../../cache/index.js";
import type { TargetId } from "../model.js";
import type { Decision } from "../reason.js";

/** So many are asked for one by one; of more, all are read at once. */
const FEW = 100;

/** The durations of a line's actions, in milliseconds. */
export class Durations {
  #all: ReadonlyMap<TargetId, number> | undefined;
  readonly #few = new Map<TargetId, number | null>();

  constructor(
    private readonly index: Index,
    private readonly line: string,
  ) {}

  /** Null for one that never succeeded. */
  of(action: TargetId): number | null {
    if (this.#all !== undefined) return this.#all.get(action) ?? null;
    if (this.#few.size === FEW) {
      this.#all = this.index.durations(this.line);
      return this.of(action);
    }
    let found = this.#few.get(action);
    if (found === undefined) {
      found = this.index.duration(this.line, action) ?? null;
      this.#few.set(action, found);
    }
    return found;
  }
}

/** A line of a plan. */
export class Planned {
  readonly #durations: Durations;

  constructor(
    readonly target: TargetId,
    readonly decision: Decision,
    durations: Durations,
  ) {
    this.#durations = durations;
  }

  /** Of most nobody asks how long they will take. */
  get expected(): number | null {
    return this.#durations.of(this.target);
  }

  /** All that the event has. */
  toJSON(): object {
    const { target, decision, expected } = this;
    return { target, decision, expected };
  }
}
