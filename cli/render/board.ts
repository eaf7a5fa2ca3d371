// What a build looks like at this moment, gathered from its events: counts, what runs, the phase, and how
// much work is left. It knows no terminal and no clock; the present is always a parameter.
import type { BuildEvent } from "../../engine/events.js";
import { describeDecision } from "./reason.js";

/** A running action. Times in milliseconds. */
export interface Running {
  readonly target: string;
  readonly since: number;
  readonly expected: number | null;
  readonly reason: string;
}

/** A planned action that has not ended: what it takes, and what it waits for as far as the plan says so. */
interface Open {
  readonly expected: number | null;
  readonly after: readonly string[];
}

/** The state of one build. */
export class Board {
  /** Actions that were not up to date when the plan was made. */
  total = 0;
  failed = 0;
  readonly running = new Map<string, Running>();
  phase: { readonly name: string; readonly detail: string } | null = null;
  waiting: string | null = null;
  /** When the user interrupted, or null. */
  stoppingSince: number | null = null;

  /** In the plan's order, in which each action comes after what it reads. */
  readonly #open = new Map<string, Open>();

  /** How many of the planned actions have ended. */
  get finished(): number {
    return this.total - this.#open.size;
  }

  /** Takes the next event. */
  apply(event: BuildEvent): void {
    if (event.type !== "waiting" && event.type !== "notice") this.waiting = null;
    switch (event.type) {
      case "plan":
        this.#open.clear();
        for (const { target, decision, expected } of event.decisions) {
          if (decision.kind === "up-to-date") continue;
          const { reason } = decision;
          this.#open.set(target, { expected, after: reason.kind === "input-pending" ? reason.targets : [] });
        }
        this.total = this.#open.size;
        break;
      case "phase":
        this.phase = { name: event.phase, detail: event.detail };
        break;
      case "started": {
        const { target, at, expected } = event;
        this.phase = null;
        if (!this.#open.has(target)) {
          this.#open.set(target, { expected, after: [] });
          this.total += 1;
        }
        this.running.set(target, { target, since: at, expected, reason: describeDecision(event.reason) });
        break;
      }
      case "failed":
        if (event.failure.kind !== "interrupted") this.failed += 1;
        this.#end(event.target);
        break;
      case "built":
      case "restored":
      case "up-to-date":
      case "skipped":
        this.#end(event.target);
        break;
      case "waiting":
        this.waiting = event.holder;
        break;
      case "done":
        this.phase = null;
        this.running.clear();
        break;
      case "release":
      case "notice":
        break;
    }
  }

  /**
   * Milliseconds until the end on `slots` slots: the work left over them, or the longest chain where that is
   * more. Null while too little is known: an action never built counts as the mean of the known ones, but
   * not when most are unknown.
   */
  timeLeft(now: number, slots: number): number | null {
    const known = [...this.#open.values()].flatMap(({ expected }) => (expected === null ? [] : [expected]));
    if (known.length === 0 || 2 * known.length < this.#open.size) return null;
    const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
    const ends = new Map<string, number>();
    let work = 0;
    let longest = 0;
    for (const [target, { expected, after }] of this.#open) {
      const running = this.running.get(target);
      const takes = expected ?? mean;
      const own = running === undefined ? takes : Math.max(0, takes - Math.max(0, now - running.since));
      // What runs waits for nothing any more; what the plan did not name has ended.
      const begins = running === undefined ? Math.max(0, ...after.map((input) => ends.get(input) ?? 0)) : 0;
      ends.set(target, begins + own);
      work += own;
      longest = Math.max(longest, begins + own);
    }
    return Math.max(longest, work / Math.max(1, slots));
  }

  #end(target: string): void {
    this.running.delete(target);
    this.#open.delete(target);
  }
}
