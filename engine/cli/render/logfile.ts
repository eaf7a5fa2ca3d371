// A file that events are written to while the build runs. A full disk must cost the file, not the build.
import { closeSync, openSync, writeSync } from "node:fs";
import { asError, stop } from "../../problem.js";

/** Writes text; after the first error it writes nothing more. */
export interface EventFile {
  readonly write: (text: string) => void;
  readonly close: () => void;
}

/** Told, once, when a file that was opened cannot be written any more. */
export type Warn = (message: string) => void;

/** For callers with nobody to tell. */
export const warnOnStderr: Warn = (message) => void process.stderr.write(`warning: ${message}\n`);

/** `append` keeps what is there, `replace` starts anew. Throws a problem (exit 2) when it cannot be opened. */
export function openEventFile(path: string, mode: "append" | "replace", warn: Warn): EventFile {
  let fd: number | null = open(path, mode);
  const close = (): void => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  return {
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
  };
}

function open(path: string, mode: "append" | "replace"): number {
  try {
    return openSync(path, mode === "append" ? "a" : "w");
  } catch (thrown) {
    return stop(2, `cannot write ${path}: ${asError(thrown).message}`);
  }
}
