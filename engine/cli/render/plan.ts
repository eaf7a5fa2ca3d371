// A plan in words: how much there is to do, and for a dry run what and why. It decides nothing.
import type { BuildEvent } from "../../events.js";
import { describeDecision, explainDecision, verbOf } from "./reason.js";
import { NOTHING_TO_DO } from "./summary.js";
import { visible } from "./visible.js";

/** The decisions of a plan, as its event carries them. */
export type Planned = Extract<BuildEvent, { type: "plan" }>["decisions"];

/** `3 to build, 1 to restore, 12 up to date`, or `nothing to do`. */
export function planLine(plan: Planned): string {
  const count = (kind: string): number => plan.filter(({ decision }) => decision.kind === kind).length;
  const [build, restore, upToDate] = [count("build"), count("restore"), count("up-to-date")];
  if (build + restore === 0) return NOTHING_TO_DO;
  const parts = [`${build} to build`];
  if (restore > 0) parts.push(`${restore} to restore`);
  if (upToDate > 0) parts.push(`${upToDate} up to date`);
  return parts.join(", ");
}

/** What a dry run lists: `build rootfs-x86_64: packages: + vim 9.0`; with `full` the reasons one a line below. */
export function dryRunLines(plan: Planned, full = false): string[] {
  return plan
    .filter(({ decision }) => decision.kind !== "up-to-date")
    .flatMap(({ target, decision }) => {
      const what = `${verbOf(decision)} ${visible(target)}`;
      return full
        ? [what, ...explainDecision(decision).map((line) => `  ${line}`)]
        : [`${what}: ${describeDecision(decision)}`];
    });
}
