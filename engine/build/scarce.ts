// What is said where the machine has too little of something: an action that ran out of it, and files that are copied because
// they cannot be linked. It decides nothing.
import { dirname } from "node:path";
import { adviceFor, codeSaid, isFullCode, lackAt } from "../../cache/limits.js";
import type { Failure } from "../reason.js";
import type { Session } from "./session.js";

/** Builds of which was said that files are copied. */
const told = new WeakSet<Session>();

/** Said once a build: what is copied for want of hard links takes its room twice. */
export function noteCopied(session: Session, path: string | null): void {
  if (path === null || told.has(session)) return;
  told.add(session);
  session.options.emit({
    type: "notice",
    level: "warning",
    message: `${path} is a copy of what the store holds, because no hard link can be made there: files in out/ take their room twice`,
    at: session.options.now(),
  });
}

/** What helps where a command complained that something ran out; null where it did not. `dir`: its stage. */
export function ranOut(failure: Failure, tail: readonly string[], dir: string): string | null {
  if (failure.kind === "signal" && failure.signal === "SIGXFSZ") return adviceFor("EFBIG", dir) ?? null;
  if (failure.kind !== "exit") return null;
  const stages = dirname(dir);
  const lack = lackAt(dir);
  if (lack !== null) return `${stages}: ${lack.why}; ${lack.hint}`;
  const code = codeSaid(tail.join("\n"));
  const advice = code === null ? undefined : adviceFor(code, dir);
  if (code === null || advice === undefined) return null;
  // It may have been a file system of its own making.
  return isFullCode(code) || code === "EROFS" || code === "EIO"
    ? `if that was in ${stages}: ${advice}`
    : advice;
}
