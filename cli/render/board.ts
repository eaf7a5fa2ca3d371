// What a build looks like at this moment, gathered from its events: counts, what runs, the phase, and how much work is
// left. The present is always a parameter.
import { lastLines } from "../../engine/build/failed.js";
import type { BuildEvent } from "../../engine/events.js";
import { describeDecision } from "./reason.js";
import { visibleLogLine } from "./visible.js";

/** A running action. Times in milliseconds. */
export interface Running {
  readonly target: string;
  /** The file of its output. */
  readonly log: string;
  readonly since: number;
  readonly expected: number | null;
  readonly reason: string;
}

/** A planned action that has not ended: what it takes, and what it waits for as far as the plan says so. */
interface Open {
  readonly rule: string;
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

  /** When the first event came. */
  begun: number | null = null;

  /** What actions took that were made in this run, by their rule: all together, and how many they were. */
  readonly #took = new Map<string, { sum: number; count: number }>();

  /** In the plan's order, in which each action comes after what it reads. */
  readonly #open = new Map<string, Open>();

  /** How many of the planned actions have ended. */
  get finished(): number {
    return this.total - this.#open.size;
  }

  /** Takes the next event. */
  apply(event: BuildEvent): void {
    this.begun ??= event.at;
    if (event.type !== "waiting" && event.type !== "notice") this.waiting = null;
    switch (event.type) {
      case "plan":
        this.#open.clear();
        for (const planned of event.decisions) {
          const { target, rule, decision } = planned;
          if (decision.kind === "up-to-date") continue;
          // Asked of the index: of what is not to be done nobody wants to know.
          const { expected } = planned;
          const { reason } = decision;
          this.#open.set(target, {
            rule,
            expected,
            after: reason.kind === "input-pending" ? reason.targets : [],
          });
        }
        this.total = this.#open.size;
        break;
      case "phase":
        this.phase = { name: event.phase, detail: event.detail };
        break;
      case "started": {
        const { target, rule, at, log } = event;
        this.phase = null;
        if (!this.#open.has(target)) {
          this.#open.set(target, { rule, expected: event.expected, after: [] });
          this.total += 1;
        }
        const expected = event.expected ?? this.#meanOf(rule);
        this.running.set(target, {
          target,
          log,
          since: at,
          expected,
          reason: describeDecision(event.reason),
        });
        break;
      }
      case "failed":
        if (event.failure.kind !== "interrupted") this.failed += 1;
        this.#end(event.target);
        break;
      case "built": {
        const rule = this.#open.get(event.target)?.rule;
        if (rule !== undefined) {
          const { sum, count } = this.#took.get(rule) ?? { sum: 0, count: 0 };
          this.#took.set(rule, { sum: sum + event.duration, count: count + 1 });
        }
        this.#end(event.target);
        break;
      }
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
      case "changed":
      case "rebuilt":
      case "blocked":
      case "watching":
      case "guest":
        break;
    }
  }

  /**
   * Milliseconds until the end on `slots` slots: the work left over them, or the longest chain where that is
   * more. Null while too little is known: an action never built counts as the mean of what its rule made in this
   * run, else as that of all known ones, but not when most are unknown.
   */
  timeLeft(now: number, slots: number): number | null {
    const likely = ({ rule, expected }: Open): number | null => expected ?? this.#meanOf(rule);
    const known = [...this.#open.values()].map(likely).filter((one) => one !== null);
    if (known.length === 0 || 2 * known.length < this.#open.size) return null;
    const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
    const ends = new Map<string, number>();
    let work = 0;
    let longest = 0;
    for (const [target, open] of this.#open) {
      const running = this.running.get(target);
      const takes = likely(open) ?? mean;
      const own = running === undefined ? takes : Math.max(0, takes - Math.max(0, now - running.since));
      // What runs waits for nothing any more; what the plan did not name has ended.
      const begins =
        running === undefined ? Math.max(0, ...open.after.map((input) => ends.get(input) ?? 0)) : 0;
      ends.set(target, begins + own);
      work += own;
      longest = Math.max(longest, begins + own);
    }
    return Math.max(longest, work / Math.max(1, slots));
  }

  #meanOf(rule: string): number | null {
    const took = this.#took.get(rule);
    return took === undefined ? null : took.sum / took.count;
  }

  #end(target: string): void {
    this.running.delete(target);
    this.#open.delete(target);
  }
}

/** Some of the last lines of a log may be empty. */
const LOOKED_AT = 8;

/** The last line in the log of an action that runs; null where it printed nothing that can be read. */
export const lastSaid = (log: string): string | null =>
  lastLines(log, LOOKED_AT)
    .map((line) => visibleLogLine(line).trim())
    .findLast((line) => line !== "") ?? null;
