// What Ctrl-C and TERM do to a build.
import { removalsRunning } from "../engine/execute/local/remove.js";
import { jobsRunning } from "../engine/execute/local/sandbox.js";
import { Exit } from "../engine/problem.js";

/** How long after Ctrl-C anything but actions (a copy, a digest) may still take: after the first, and after the second. */
const [PATIENCE_MS, IMPATIENCE_MS] = [800, 2000];

/** What was asked for so far. */
export interface Interrupts {
  readonly signal: AbortSignal;
  readonly kill: AbortSignal;
  /** The exit status it leads to; null when nothing came. */
  readonly status: () => number | null;
  readonly close: () => void;
}

/**
 * First Ctrl-C or TERM: stop in order, but wait for nothing else than actions and what is deleted after them. Second:
 * kill the actions. Soon `leave` with this exit status, whatever is not done; the next run clears up. With
 * `graceMs` actions are killed after so long, too.
 */
export function listen(leave: (status: number) => void, graceMs?: number): Interrupts {
  const [stop, kill] = [new AbortController(), new AbortController()];
  let status: number | null = null;
  let leaving: NodeJS.Timeout | undefined;
  let waiting: NodeJS.Timeout | undefined;
  let killing: NodeJS.Timeout | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    const by = status;
    status ??= name === "SIGINT" ? Exit.interrupted : Exit.terminated;
    stop.abort();
    if (by === null) {
      const first = status;
      if (graceMs !== undefined) killing = setTimeout(() => kill.abort(), graceMs);
      let idle = performance.now();
      waiting = setInterval(() => {
        if (jobsRunning() + removalsRunning() > 0) idle = performance.now();
        else if (performance.now() - idle > PATIENCE_MS) leave(first);
      }, 100);
      return;
    }
    kill.abort();
    leaving ??= setTimeout(() => leave(by), IMPATIENCE_MS);
  };
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, onSignal);
  return {
    signal: stop.signal,
    kill: kill.signal,
    status: () => status,
    close: () => {
      clearTimeout(leaving);
      clearInterval(waiting);
      clearTimeout(killing);
      for (const name of names) process.off(name, onSignal);
    },
  };
}
