// Loaded into the engine before anything else (NODE_OPTIONS=--import): notes each step that it reaches (cache/steps.ts),
// and holds it at one of them until somebody writes a byte into a fifo. Everything stands still there: whoever is told
// of a step is told before the engine goes on.
import { subscribe } from "node:diagnostics_channel";
import { appendFileSync, openSync, readSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { STEPS_CHANNEL, type Reached } from "../../cache/steps.js";

/** The variable that says what to do. */
export const VARIABLE = "IMAGEMAKE_TEST_STEPS";

/** Its value, as JSON. */
export interface Watching {
  /** A file: a line for each step. */
  readonly log: string;
  /** A fifo that the test has open. */
  readonly gate: string;
  /** Where to stop, its occurrences counted from 1; null for nowhere. */
  readonly at: { readonly step: string; readonly nth: number } | null;
}

/** The line that says that it stands still. */
export const STOPPED = "stopped here";

const given = process.env[VARIABLE];
if (given !== undefined && isMainThread) {
  // Written by steps.ts.
  const { log, gate, at } = JSON.parse(given) as Watching;
  let count = 0;
  subscribe(STEPS_CHANNEL, (message) => {
    const { step, of } = message as Reached;
    appendFileSync(log, `${step}\t${of}\n`);
    if (step !== at?.step) return;
    count += 1;
    if (count !== at.nth) return;
    appendFileSync(log, `${STOPPED}\t\n`);
    readSync(openSync(gate, "r"), Buffer.alloc(1));
  });
}
