// The event stream as it is: one JSON object a line, on stdout. It knows no event.
import type { BuildEvent } from "../../engine/events.js";
import { lineWriter, type Renderer, type Sink } from "./renderer.js";

/** An event as one line; JSON escapes what would break it. */
export const jsonLine = (event: BuildEvent): string => JSON.stringify(event);

/** `--progress json`: data, so on stdout, and nothing else is said. */
export function createJson(stdout: Sink): Renderer {
  const print = lineWriter(stdout);
  return { event: (event) => print([jsonLine(event)]), close: () => undefined };
}
