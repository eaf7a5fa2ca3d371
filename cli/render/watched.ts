// What `watch` says between builds.
import type { BuildEvent } from "../../engine/events.js";
import { shortened } from "./change.js";
import { formatDuration } from "./numbers.js";
import { visible } from "./visible.js";

/** The lines of an event that only `watch` has. */
export function watchLines(
  event: Extract<BuildEvent, { type: "changed" | "rebuilt" | "blocked" | "watching" | "guest" }>,
): string[] {
  switch (event.type) {
    case "changed": {
      const what = `changed ${names(event.paths)}`;
      return [event.stopped.length === 0 ? what : `${what}: begins anew, stopping ${names(event.stopped)}`];
    }
    case "rebuilt": {
      const done = [
        ["built", event.built],
        ["restored", event.restored],
        ["failed", event.failed],
      ] as const;
      const parts = done.flatMap(([how, targets]) =>
        targets.length === 0 ? [] : [`${how} ${names(targets)}`],
      );
      if (parts.length === 0 || event.paths.length === 0) return [];
      return [`${names(event.paths)}: ${parts.join("; ")} (${formatDuration(event.duration)})`];
    }
    case "blocked": {
      const { message, hint } = event.problem;
      return [message, ...(hint === undefined ? [] : hint.split("\n").map((line) => `  ${line}`))].map(
        visible,
      );
    }
    case "watching":
      return [`watching ${event.inputs} input${event.inputs === 1 ? "" : "s"}; Ctrl-C ends`];
    case "guest": {
      const { target, state, status } = event;
      const how = status === null || status === 0 ? "" : ` with status ${status}`;
      return [`guest ${visible(target)} ${state}${how}`];
    }
  }
}

const names = (all: readonly string[]): string => shortened(all.map(visible));
