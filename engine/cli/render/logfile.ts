// A file that events are written to while the build runs. A full disk must cost the file, not the build.
import { closeSync, openSync, writeSync } from "node:fs";
import { asError, fail, ok, type Result } from "../../problem.js";

/** Writes text; after the first error it writes nothing more. */
export interface EventFile {
  readonly write: (text: string) => void;
  readonly close: () => void;
}

/** Told, once, when a file that was opened cannot be written any more. */
export type Warn = (message: string) => void;

/** `append` keeps what is there, `replace` starts anew. Exit 2 when it cannot be opened. */
export function openEventFile(path: string, mode: "append" | "replace", warn: Warn): Result<EventFile> {
  let fd: number | null;
  try {
    fd = openSync(path, mode === "append" ? "a" : "w");
  } catch (thrown) {
    return fail(2, `cannot write ${path}: ${asError(thrown).message}`);
  }
  const close = (): void => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  return ok({
    write: (text) => {
      if (fd === null) return;
      try {
        for (let rest = Buffer.from(text); rest.length > 0;) rest = rest.subarray(writeSync(fd, rest));
      } catch (thrown) {
        close();
        warn(`${path} is incomplete: ${asError(thrown).message}`);
      }
    },
    close,
  });
}
