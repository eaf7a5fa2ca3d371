// Makes foreign text (log lines, file names, versions) safe to show on one line.
import { stripVTControlCharacters } from "node:util";

/** Control characters, line separators, and the marks that turn the direction of text around. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** One line without escape sequences and control characters; what is left of them reads `\n`, `\x07`, `\u2028`. */
export function visible(text: string): string {
  return stripVTControlCharacters(text).replace(UNSAFE, (character) => {
    if (character === "\t") return "    ";
    if (character === "\n") return "\\n";
    const code = character.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Text of our own that may have several lines, each safe to show. */
export const visibleLines = (text: string): string[] => text.split("\n").map(visible);

/** A line of a log as a terminal would have left it: what a progress bar wrote over is dropped. */
export function visibleLogLine(line: string): string {
  const states = line.split("\r").filter((state) => state !== "");
  return visible(states.at(-1) ?? "");
}
