// What of a rebuild is told: nothing of one that nobody asked for and that found nothing to do, and the release once. It
// adds what changed before it, and what that came to after it.
import type { BuildEvent, Emit } from "../../engine/events.js";

/** What a round of building is about. */
export interface Cause {
  /** Inputs that changed, as they are told of; null for the first round. */
  readonly paths: readonly string[] | null;
  /** When that was noticed, in milliseconds since 1970. */
  readonly since: number;
  /** Whether what changed was told of already. */
  readonly told: boolean;
  /** Whether somebody changed an input: then he is told also that there is nothing to do. */
  readonly meant: boolean;
}

/** What alone is no news. */
const WAITING: ReadonlySet<BuildEvent["type"]> = new Set(["plan", "up-to-date", "notice"]);

/** Lets the events of one round through. */
export class Telling {
  #held: BuildEvent[] | null;
  readonly #done = { built: [] as string[], restored: [] as string[], failed: [] as string[] };

  /** `releases` are those that were told of. */
  constructor(
    private readonly emit: Emit,
    private readonly cause: Cause,
    private readonly releases: Set<string>,
  ) {
    this.#held = cause.paths === null ? null : [];
  }

  readonly event: Emit = (event) => {
    if (event.type === "release") {
      if (this.releases.has(event.datecode)) return;
      this.releases.add(event.datecode);
    }
    if (event.type === "built" || event.type === "restored" || event.type === "failed")
      this.#done[event.type].push(event.target);
    if (this.#held === null) this.emit(event);
    else if (event.type === "plan" && event.decisions.some(({ decision }) => decision.kind !== "up-to-date"))
      this.#open([...this.#held, event]);
    else if (WAITING.has(event.type)) this.#held.push(event);
    else if (event.type !== "done") this.#open([...this.#held, event]);
    else if (this.cause.meant) this.#open([...this.#held, event]);
  };

  /** To be called before anything else is told. */
  begin(): void {
    if (this.#held !== null) this.#open(this.#held);
  }

  /** The round is over. */
  end(): void {
    const { paths, since } = this.cause;
    if (this.#held !== null || paths === null) return;
    const at = Date.now();
    this.emit({ type: "rebuilt", paths, ...this.#done, duration: at - since, at });
  }

  #open(held: readonly BuildEvent[]): void {
    this.#held = null;
    const { paths, told } = this.cause;
    if (paths !== null && paths.length > 0 && !told)
      this.emit({ type: "changed", paths, stopped: [], at: Date.now() });
    for (const event of held) this.emit(event);
  }
}
