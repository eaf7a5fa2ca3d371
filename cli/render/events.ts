// `--events FILE`: JSON lines appended as the events happen, so that they survive a kill.
import { ok, type Result } from "../../engine/problem.js";
import { inFew } from "./json.js";
import { openEventFile, type Warn } from "./logfile.js";
import type { Renderer } from "./renderer.js";

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
