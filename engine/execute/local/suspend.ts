// Ctrl-Z: what runs apart from us (actions have sessions and process namespaces of their own, which no terminal key
// reaches) stops and goes on with us.

/** Something that goes on while we are stopped, unless it is told. */
export interface Suspendable {
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
