// A plan in words: how much there is to do. It decides nothing.
import type { BuildEvent } from "../../engine/events.js";
import { NOTHING_TO_DO } from "./summary.js";

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
