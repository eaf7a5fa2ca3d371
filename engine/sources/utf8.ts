// Names, texts of links and values that are not UTF-8: node reads them with another character in the place of what it
// cannot read, so that they would be looked for under a wrong name, or staged with another text, in silence.
import { isUtf8 } from "node:buffer";
import { existsSync, readlinkSync } from "node:fs";
import { Exit, fail, type Result } from "../problem.js";
import type { ResolvedSource } from "./resolved.js";

/** What stands for bytes that are not UTF-8. It is a character like any other where it really is meant. */
export const REPLACEMENT = "\ufffd";

const NOT_UTF8 = ": its name is not UTF-8";

/** What is said of a name. */
export const notUtf8 = (path: string): [message: string, hint: string] => [
  `${path}${NOT_UTF8}`,
  "rename it, or leave it out of the pattern",
];

/** The source, or exit 2 with the name of what is not UTF-8 in it. */
export function inUtf8(resolved: Result<ResolvedSource>, what: string): Result<ResolvedSource> {
  if (!resolved.ok) return suspected(resolved);
  if (resolved.value.kind === "value")
    return resolved.value.value?.includes(REPLACEMENT) === true
      ? fail(Exit.usage, `the value of ${what} is not UTF-8`)
      : resolved;
  for (const file of [...resolved.value.files, ...resolved.value.along]) {
    if (file.kind === "text") continue;
    if (file.path.includes(REPLACEMENT) && !existsSync(file.path))
      return fail(Exit.usage, ...notUtf8(file.path));
    if (file.kind === "link" && file.to.includes(REPLACEMENT) && !isUtf8(readlinkSync(file.path, "buffer")))
      return fail(Exit.usage, `${file.path}: the text of this link is not UTF-8`, "link to another name");
  }
  return resolved;
}

/** What is not there may only not be found under the name that node reads. */
function suspected(failed: Extract<Result<ResolvedSource>, { ok: false }>): Result<ResolvedSource> {
  const { message, hint } = failed.problem;
  if (!message.includes(REPLACEMENT) || message.endsWith(NOT_UTF8)) return failed;
  const named = message.replace(/ vanished while it was looked at$/, NOT_UTF8);
  return named === message
    ? fail(Exit.usage, message, ["is its name UTF-8?", hint].filter(Boolean).join(" "))
    : fail(Exit.usage, named, "rename it, or leave it out of the pattern");
}

/** The first line, counted from one, with bytes that are not UTF-8; 0 where there is none. */
export function lineNotUtf8(bytes: Buffer): number {
  if (isUtf8(bytes)) return 0;
  let line = 1;
  for (let from = 0; from <= bytes.length; line++) {
    const end = bytes.indexOf(0x0a, from);
    const to = end < 0 ? bytes.length : end;
    if (!isUtf8(bytes.subarray(from, to))) return line;
    from = to + 1;
  }
  return line;
}
