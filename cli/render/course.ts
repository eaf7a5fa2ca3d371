// What becomes of a plan, gathered from events: what its last line counts, and what later lines say of earlier ones.
// It knows no terminal.
import type { BuildEvent } from "../../engine/events.js";
import { summaryLine } from "./summary.js";
import { visible } from "./visible.js";

/** The course of one run. */
export class Course {
  readonly #planned = new Set<string>();
  /** Planned, and not over. */
  readonly #left = new Set<string>();
  readonly #failed: string[] = [];
  /** Failed because the user interrupted. */
  #stopped = 0;
  /** What failed or was skipped, and which of the two. */
  readonly #ended = new Map<string, string>();

  /** Takes the next event. */
  note(event: BuildEvent): void {
    switch (event.type) {
      case "plan":
        for (const { target, decision } of event.decisions) {
          if (decision.kind === "up-to-date") continue;
          this.#planned.add(target);
          this.#left.add(target);
        }
        break;
      case "up-to-date":
      case "restored":
      case "built":
        this.#left.delete(event.target);
        break;
      case "failed":
        this.#left.delete(event.target);
        this.#ended.set(event.target, "failed");
        if (event.failure.kind === "interrupted") this.#stopped += 1;
        else this.#failed.push(visible(event.target));
        break;
      case "skipped":
        this.#left.delete(event.target);
        this.#ended.set(event.target, "was skipped");
        break;
    }
  }

  /** Whether anything is to be done. */
  get isPlanned(): boolean {
    return this.#planned.size > 0;
  }

  /** Whether this was to be made: up to date it is news then. */
  hasPlanned(target: string): boolean {
    return this.#planned.has(target);
  }

  /** Why an action was not tried: where `because` is the id of a failed or skipped one, that is said. */
  skippedBecause(because: string): string {
    const how = this.#ended.get(because);
    return how === undefined ? visible(because) : `${visible(because)} ${how}`;
  }

  /** The last line. */
  summary(done: Extract<BuildEvent, { type: "done" }>): string {
    return summaryLine(done, this.#failed, this.#stopped, this.#left.size);
  }
}
