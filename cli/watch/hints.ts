// Hints until there is a quiet moment: who saves a file, or checks out a branch, does it in many small steps.

/** After the last hint, and at most after the first while there are more and more. Milliseconds. */
const [QUIET_MS, LONG_MS] = [30, 1000];

/** Paths that something happened to. */
export class Hints {
  readonly #paths = new Set<string>();
  #first = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `quiet`: called when it has been quiet; what is not taken then stays. */
  constructor(private readonly quiet: () => void) {}

  add(path: string): void {
    const now = performance.now();
    if (this.#paths.size === 0) this.#first = now;
    this.#paths.add(path);
    this.#wait(Math.max(0, Math.min(QUIET_MS, this.#first + LONG_MS - now)));
  }

  /** Tells soon, once more, of what was not taken. */
  again(): void {
    if (this.#paths.size > 0) this.#wait(QUIET_MS);
  }

  #wait(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.quiet(), milliseconds);
  }

  /** When the first of them came; of `performance.now`. */
  get since(): number {
    return this.#first;
  }

  get size(): number {
    return this.#paths.size;
  }

  get paths(): ReadonlySet<string> {
    return this.#paths;
  }

  /** What has come, which is done with now. */
  take(): string[] {
    clearTimeout(this.#timer);
    const taken = [...this.#paths];
    this.#paths.clear();
    return taken;
  }
}
