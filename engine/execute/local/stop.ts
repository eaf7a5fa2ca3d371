// Stops a running job in three stages, and remembers why; suspends it with us on Ctrl-Z.

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

// Ctrl-Z: what runs apart from us (actions have sessions and process namespaces of their own, which no terminal key
// reaches) stops and goes on with us.

/** Something that goes on while we are stopped, unless it is told. */
interface Suspendable {
  readonly suspend: () => void;
  readonly resume: () => void;
}

/** After this time we run although we were to be stopped: an orphaned group is not (setpgid(2)). Milliseconds. */
const NOT_STOPPED = 50;

const all = new Set<Suspendable>();
let running: NodeJS.Timeout | null = null;

/**
 * From now on `one` stops with us; the returned function ends that. SIGTSTP is listened to only while there is
 * something: what we wait for in one call (a probe) is stopped by the terminal, and so must we be.
 */
export function stopsWithUs(one: Suspendable): () => void {
  all.add(one);
  if (all.size === 1 && running === null) process.on("SIGTSTP", suspend);
  return () => {
    all.delete(one);
    if (all.size === 0) process.off("SIGTSTP", suspend);
  };
}

function suspend(): void {
  for (const one of all) one.suspend();
  process.once("SIGCONT", resume);
  running = setTimeout(resume, NOT_STOPPED);
  // Nobody listens any more: it does to us what it always does.
  process.off("SIGTSTP", suspend);
  process.kill(process.pid, "SIGTSTP");
}

function resume(): void {
  if (running === null) return;
  clearTimeout(running);
  running = null;
  process.off("SIGCONT", resume);
  if (all.size > 0) process.on("SIGTSTP", suspend);
  for (const one of all) one.resume();
}
