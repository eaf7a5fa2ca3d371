// The conditions a file must meet before it is published. Trees are judged by their manifest (engine/tree).
import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { Action, Guards } from "../model.js";
import type { Notice } from "../notice.js";
import type { Failure } from "../reason.js";

/** What is wrong with the file, in words; null when nothing is. Sizes in bytes. */
export function checkFileGuards(path: string, guards: Guards): string | null {
  const { size } = statSync(path);
  if (guards.minSize !== undefined && size < guards.minSize) {
    return `it has ${size} bytes, at least ${guards.minSize} are demanded`;
  }
  if (guards.maxSize !== undefined && size > guards.maxSize) {
    return `it has ${size} bytes, at most ${guards.maxSize} are allowed`;
  }
  if (guards.magic !== undefined) {
    const wanted = Buffer.from(guards.magic, "hex");
    const begins = firstBytes(path, wanted.length);
    if (!begins.equals(wanted)) {
      return `it begins with ${begins.toString("hex") || "nothing"}, not with ${guards.magic}`;
    }
  }
  return null;
}

function firstBytes(path: string, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const fd = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, count, 0));
  } finally {
    closeSync(fd);
  }
}

/** What makes a loss a failure. */
export const refused = (action: Action, lost: readonly Notice[]): Failure | null =>
  action.guards.lossless === true && lost.length > 0
    ? {
        kind: "guard",
        output: action.outputs[0]?.name ?? "",
        message: lost.map(({ message }) => message).join("; "),
      }
    : null;
