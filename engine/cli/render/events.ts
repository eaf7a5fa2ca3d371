// `--events FILE`: JSON lines appended as the events happen, so that they survive a kill. It knows no event.
import { jsonLine } from "./json.js";
import { openEventFile, warnOnStderr, type Warn } from "./logfile.js";
import type { Renderer } from "./renderer.js";

/** Throws a problem (exit 2) when FILE cannot be opened; `warn` hears, once, of a later error. */
export function createEvents(path: string, warn: Warn = warnOnStderr): Renderer {
  const { write, close } = openEventFile(path, "append", warn);
  return { event: (event) => write(`${jsonLine(event)}\n`), close };
}
