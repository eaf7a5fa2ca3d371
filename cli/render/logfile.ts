// A file that events are written to while the build runs. A full disk must cost the file, not the build.
import { closeSync, constants, lstatSync, openSync, writeSync } from "node:fs";
import { codeOf } from "../../cache/io.js";
import { asError, Exit, fail, ok, type Result } from "../../engine/problem.js";

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
    fd = openSync(path, flagsFor(path, mode), 0o666);
  } catch (thrown) {
    const why =
      codeOf(thrown) === "ELOOP" ? "it is a symbolic link that another user made" : asError(thrown).message;
    return fail(Exit.usage, `cannot write ${path}: ${why}`);
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

/** A link is followed where root made it (/dev/stderr), or we did: another's may lead root anywhere. */
function flagsFor(path: string, mode: "append" | "replace"): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  const isTrusted = stats?.isSymbolicLink() === true && [0, process.getuid?.()].includes(stats.uid);
  return O_WRONLY | O_CREAT | (mode === "append" ? O_APPEND : O_TRUNC) | (isTrusted ? 0 : O_NOFOLLOW);
}
