// Stops a running job in three stages, and remembers why.

/** Between TERM and KILL. */
const GRACE_MS = 10_000;
/** How long a namespace may take to die after KILL before its keeper is killed as well. */
const LAST_RESORT_MS = 5_000;
/** Longer timers of node fire at once. */
const TIMER_MAX = 2 ** 31 - 1;

/** The three stages. */
export interface Sender {
  readonly ask: () => void;
  readonly force: () => void;
  readonly lastResort: () => void;
}

/** Starts with the timeout running; `done` ends it all. Times in milliseconds. */
export class Stopper {
  because: "timeout" | "interrupted" | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** What comes next, and when or, while the job is suspended, after how long. */
  #next: { readonly run: () => void; at: number; left: number | null } | null = null;

  constructor(
    timeout: number | null,
    private readonly grace: number = GRACE_MS,
    private readonly send: Sender,
  ) {
    if (timeout !== null) this.#after(timeout, () => this.stop("timeout"));
  }

  /** TERM; KILL after the grace time. */
  stop(because: "timeout" | "interrupted"): void {
    if (this.because !== null) return;
    this.because = because;
    this.send.ask();
    this.#after(this.grace, () => this.kill());
  }

  /** KILL at once. */
  kill(): void {
    this.because ??= "interrupted";
    this.send.force();
    this.#after(LAST_RESORT_MS, this.send.lastResort);
  }

  /** The job is stopped for a while, which does not count. */
  suspend(): void {
    if (this.#next === null || this.#next.left !== null) return;
    clearTimeout(this.#timer);
    this.#next.left = Math.max(0, this.#next.at - performance.now());
  }

  /** It goes on. */
  resume(): void {
    if (this.#next !== null && this.#next.left !== null) this.#after(this.#next.left, this.#next.run);
  }

  /** The job has ended. */
  done(): void {
    clearTimeout(this.#timer);
    this.#next = null;
  }

  #after(milliseconds: number, next: () => void): void {
    clearTimeout(this.#timer);
    this.#next = { run: next, at: performance.now() + milliseconds, left: null };
    this.#timer = setTimeout(next, Math.min(milliseconds, TIMER_MAX));
  }
}
