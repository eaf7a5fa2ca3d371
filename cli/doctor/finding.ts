// What the doctor says, line by line. It examines nothing.
import type { TargetId } from "../../engine/model.js";

/** One thing that was looked at. */
export interface Finding {
  /** `poor`: builds work without it, but not as well. */
  readonly state: "ok" | "poor" | "lacking";
  readonly what: string;
  /** What helps; null where all is well. */
  readonly fix: string | null;
  /** Actions that want it; empty for what everything wants. */
  readonly for: readonly TargetId[];
}

export const fine = (what: string, wanted: readonly TargetId[] = []): Finding => ({
  state: "ok",
  what,
  fix: null,
  for: wanted,
});

export const lacking = (what: string, fix: string, wanted: readonly TargetId[] = []): Finding => ({
  state: "lacking",
  what,
  fix,
  for: wanted,
});

export const poor = (what: string, fix: string, wanted: readonly TargetId[] = []): Finding => ({
  state: "poor",
  what,
  fix,
  for: wanted,
});

/** `ok  …`, or `--  …: what to do`; with `all`, every action that wants it. */
export function findingLine({ state, what, fix, for: wanted }: Finding, all: boolean): string {
  const shown = all ? wanted : state === "ok" ? [] : wanted.slice(0, 2);
  const more = wanted.length - shown.length;
  const names = shown.length === 0 ? "" : ` (for ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""})`;
  if (state === "ok") return `ok  ${what}${names}`;
  return `--  ${what}${names}${state === "poor" ? ", which can be done without" : ""}: ${fix ?? ""}`;
}
