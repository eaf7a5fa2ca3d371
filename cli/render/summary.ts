// How much there is to do, and the last line of a run.
import type { BuildEvent } from "../../engine/events.js";
import { formatDuration } from "./numbers.js";

/** What a run says that found everything up to date. On stderr; not with --quiet. */
const NOTHING_TO_DO = "nothing to do";

/**
 * `built 3, restored 1, 12 up to date, 2 m 14 s`; from a shared cache `taken 2`; with failures their names:
 * `built 2, failed 1 (pxe-amd64), skipped 3, 12 up to date, 2 m 14 s`. `stopped` of the failed ones did so
 * because the user interrupted; `left` were planned and not begun after that.
 */
export function summaryLine(
  done: Extract<BuildEvent, { type: "done" }>,
  failed: readonly string[] = [],
  stopped = 0,
  left = 0,
): string {
  const { built, restored, skipped, upToDate } = done;
  const how = done.isolated ? [] : ["without isolation"];
  if (built + restored + done.failed + skipped + left === 0) return [NOTHING_TO_DO, ...how].join(", ");
  const names = failed.slice(0, 5).join(", ") + (failed.length > 5 ? ", …" : "");
  const parts = [`built ${built}`];
  const taken = done.taken ?? 0;
  if (taken > 0) parts.push(`taken ${taken}`);
  if (restored > taken) parts.push(`restored ${restored - taken}`);
  if (done.failed > stopped)
    parts.push(`failed ${done.failed - stopped}${names === "" ? "" : ` (${names})`}`);
  if (stopped > 0) parts.push(`stopped ${stopped}`);
  if (skipped > 0) parts.push(`skipped ${skipped}`);
  if (left > 0) parts.push(`not begun ${left}`);
  if (upToDate > 0) parts.push(`${upToDate} up to date`);
  return [...parts, formatDuration(done.duration), ...how].join(", ");
}

// A plan in words: how much there is to do. It decides nothing.

/** `3 to build, 1 to restore, 12 up to date`, or `nothing to do`. */
export function planLine(plan: Extract<BuildEvent, { type: "plan" }>["decisions"]): string {
  const count = (kind: string): number => plan.filter(({ decision }) => decision.kind === kind).length;
  const [build, restore, upToDate] = [count("build"), count("restore"), count("up-to-date")];
  if (build + restore === 0) return NOTHING_TO_DO;
  const parts = [`${build} to build`];
  if (restore > 0) parts.push(`${restore} to restore`);
  if (upToDate > 0) parts.push(`${upToDate} up to date`);
  return parts.join(", ");
}
