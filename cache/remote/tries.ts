// Trying again: a few times, after pauses that grow and are not the same for everybody; and leaving a server alone once it was
// tried in vain, so that a build does not wait for it again and again.

/** How often, and how long. Milliseconds. */
export interface Patience {
  readonly times: number;
  /** The longest pause before the second try; it doubles from try to try. */
  readonly first: number;
  readonly longest: number;
  /** No try begins later than so long after the first one. */
  readonly enough: number;
  /** From 0 to 1: which part of the longest pause is waited. */
  readonly random: () => number;
  readonly wait: (ms: number) => Promise<void>;
}

/** What calls to a server are given. */
export const PATIENCE: Patience = {
  times: 4,
  first: 200,
  longest: 3000,
  enough: 20_000,
  random: Math.random,
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** How often it was tried, and how long that took with all pauses, when it ended in vain. */
export interface Spent {
  readonly tries: number;
  readonly ms: number;
}

/** The pause after that many tries. */
export const pauseAfter = (tries: number, { first, longest, random }: Patience): number =>
  Math.min(longest, first * 2 ** (tries - 1)) * random();

/**
 * Does the work, and again where it failed in a way that may pass. `passes` says so of what was thrown; `gaveUp` makes what is
 * thrown at last.
 */
export async function trying<T>(
  work: () => Promise<T>,
  passes: (error: unknown) => boolean,
  gaveUp: (error: unknown, spent: Spent) => Error,
  patience: Patience = PATIENCE,
): Promise<T> {
  const since = performance.now();
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!passes(error)) throw error;
      const ms = performance.now() - since;
      if (tries >= patience.times || ms >= patience.enough) throw gaveUp(error, { tries, ms });
      await patience.wait(pauseAfter(tries, patience));
    }
  }
}
