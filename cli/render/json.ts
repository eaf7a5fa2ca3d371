// The event stream as it is: one JSON object a line, on stdout or in the file of `--events`.
import { version } from "../../cache/installed.js";
import type { Begin, BuildEvent } from "../../engine/events.js";
import { ok, type Result } from "../../engine/problem.js";
import { openEventFile, type Warn } from "./logfile.js";
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

// `--events FILE`: JSON lines appended as the events happen, so that they survive a kill.

/** Exit 2 when FILE cannot be opened; `warn` hears, once, of a later error. */
export function openEvents(path: string, warn: Warn): Result<Renderer> {
  const file = openEventFile(path, "append", warn);
  if (!file.ok) return file;
  const { write, close } = file.value;
  const lines = inFew((some) => write(`${some.join("\n")}\n`));
  return ok({
    event: lines.event,
    close: () => {
      lines.close();
      close();
    },
  });
}
