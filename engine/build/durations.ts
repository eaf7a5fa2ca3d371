// How long actions took the last time that they succeeded, asked of the index when somebody wants to know. It schedules
// nothing.
import type { Index } from "../../cache/index.js";
import type { Action, TargetId } from "../model.js";
import type { Decision } from "../reason.js";

/** So many are asked for one by one; of more, all are read at once. */
const FEW = 100;

/** The durations of a line's actions, in milliseconds. */
export class Durations {
  #all: ReadonlyMap<TargetId, number> | undefined;
  readonly #few = new Map<TargetId, number | null>();
  #byRule: ReadonlyMap<string, number> | undefined;

  constructor(
    private readonly index: Index,
    private readonly line: string,
    private readonly actions: readonly Action[],
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

  /** That of one that never succeeded is the mean of what the same rule made; null where that is nothing. */
  likely(action: Pick<Action, "id" | "rule">): number | null {
    return this.of(action.id) ?? this.#ofRule(action.rule);
  }

  #ofRule(rule: string): number | null {
    if (this.#byRule === undefined) {
      this.#all ??= this.index.durations(this.line);
      const sums = new Map<string, { sum: number; count: number }>();
      // Of a project that was never built there is nothing to go through.
      for (const action of this.#all.size === 0 ? [] : this.actions) {
        const took = this.#all.get(action.id);
        if (took === undefined) continue;
        const { sum, count } = sums.get(action.rule) ?? { sum: 0, count: 0 };
        sums.set(action.rule, { sum: sum + took, count: count + 1 });
      }
      this.#byRule = new Map([...sums].map(([name, { sum, count }]) => [name, sum / count]));
    }
    const mean = this.#byRule.get(rule);
    return mean === undefined ? null : Math.round(mean);
  }
}

/** A line of a plan. */
export class Planned {
  readonly target: TargetId;
  readonly rule: string;
  readonly #durations: Durations;

  constructor(
    { id, rule }: Pick<Action, "id" | "rule">,
    readonly decision: Decision,
    durations: Durations,
  ) {
    this.target = id;
    this.rule = rule;
    this.#durations = durations;
  }

  /** Of most nobody asks how long they will take. */
  get expected(): number | null {
    return this.#durations.likely({ id: this.target, rule: this.rule });
  }

  /** All that the event has. */
  toJSON(): object {
    const { target, rule, decision, expected } = this;
    return { target, rule, decision, expected };
  }
}
