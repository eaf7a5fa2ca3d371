// The event stream as it is: one JSON object a line, on stdout.
import { version } from "../../cache/installed.js";
import type { Begin, BuildEvent } from "../../engine/events.js";
import { lineWriter, type Renderer, type Sink } from "./renderer.js";

/** An event as one line; JSON escapes what would break it. */
const jsonLine = (event: BuildEvent): string => JSON.stringify(event);

/** `--progress json`: data, so on stdout, and nothing else is said. */
export function createJson(stdout: Sink): Renderer {
  const print = lineWriter(stdout);
  return inFew((lines) => print(lines));
}

/** Of the lines; that of the declaration, which is not loaded for it. */
const VERSION: Begin["version"] = 1;

/** Writes lines, those of what is up to date together with the next that is news: there may be ten thousand. */
export function inFew(write: (lines: readonly string[]) => void): Renderer {
  let held: string[] = [];
  let begun = false;
  const flush = (): void => {
    if (held.length > 0) write(held);
    held = [];
  };
  return {
    event: (event) => {
      if (!begun) {
        const begin: Begin = { type: "begin", version: VERSION, imagemake: version(), at: event.at };
        held.push(JSON.stringify(begin));
      }
      begun = true;
      held.push(jsonLine(event));
      if (event.type !== "up-to-date") flush();
    },
    close: flush,
  };
}
