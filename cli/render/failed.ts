// What is said about a failed action: why, the last lines of its log, where the log is, the exact command. Both plain
// and tty print these lines.
import { isAbsolute, relative } from "node:path";
import type { BuildEvent } from "../../engine/events.js";
import { formatDuration } from "./numbers.js";
import { describeFailure, hintOf } from "./reason.js";
import { visible, visibleLogLine } from "./visible.js";

/** More of the log's end than this fills the screen and pushes the reason out of it. */
const TAIL = 30;

/** The failed action's first line without its mark: `pxe-amd64: exit status 1 (after 3.2 s)`. */
export function failureHead(event: Extract<BuildEvent, { type: "failed" }>): string {
  const after = event.build === null ? "" : ` (after ${formatDuration(event.duration)})`;
  return `${visible(event.target)}: ${describeFailure(event.failure)}${after}`;
}

/** What stands below it, indented. Nothing for an action that we stopped ourselves: its log says nothing. */
export function failureBody(
  event: Pick<
    Extract<BuildEvent, { type: "failed" }>,
    "target" | "failure" | "tail" | "log" | "command" | "kept"
  >,
  cwd: string,
  bar: string,
): string[] {
  if (event.failure.kind === "interrupted") return [];
  const lines = event.tail.slice(-TAIL).map((line) => `  ${bar} ${visibleLogLine(line)}`.trimEnd());
  lines.push(...hintOf(event.failure).map((line) => `  ${line}`));
  if (event.log !== null)
    lines.push(`  log: ${visible(fromHere(event.log, cwd))} (imagemake log ${visible(event.target)})`);
  if (event.kept === true)
    lines.push(`  as it was left: imagemake shell ${visible(event.target)}, until it is built again`);
  if (event.command !== null) lines.push(...command(event.command));
  return lines;
}

/** A command of several lines keeps them, so that it can be copied out. */
function command(text: string): string[] {
  const [first = "", ...more] = text.replace(/\n+$/, "").split("\n").map(visible).map(shortenedLine);
  return more.length === 0
    ? [`  command: ${first}`]
    : ["  command:", ...[first, ...more].map((line) => `    ${line}`.trimEnd())];
}

/** A line of a command longer than this says nothing more. Characters. */
const LINE = 2000;

const shortenedLine = (line: string): string =>
  line.length <= LINE ? line : `${line.slice(0, LINE)}… (${line.length - LINE} characters more)`;

/** Relative where the path lies below the working directory. */
export function fromHere(path: string, cwd: string): string {
  const way = relative(cwd, path);
  return isAbsolute(path) && way !== "" && !way.startsWith("..") ? way : path;
}
