// The lines that scroll by on a terminal, painted: one a finished action, with its mark and duration.
import type { BuildEvent } from "../../engine/events.js";
import { noticeText } from "../../engine/notice.js";
import { cut } from "./columns.js";
import { Course } from "./course.js";
import { formatDuration } from "./numbers.js";
import { failureBody, failureHead } from "./failed.js";
import { planLine } from "./summary.js";
import { describeDecision, explainDecision } from "./reason.js";
import type { Marks, Paint } from "./style.js";
import { visible } from "./visible.js";
import { watchLines } from "./watched.js";
import { releaseLine } from "./when.js";

/** How things are said. `columns` is asked each time: terminals change their size. */
export interface Manner {
  readonly verbose: boolean;
  readonly cwd: string;
  readonly paint: Paint;
  readonly marks: Marks;
  readonly columns: () => number;
}

/** The lines of each event, in turn. */
export function saidLines({ verbose, cwd, paint, marks, columns }: Manner): (event: BuildEvent) => string[] {
  const reasons = new Map<string, readonly string[]>();
  const course = new Course();
  const dim = (lines: readonly string[]): string[] => lines.map((line) => paint("dim", `  ${line}`));
  const head = (name: string, more: string): string =>
    `${visible(name)} ${paint("dim", cut(more, columns() - visible(name).length - 4))}`;

  return (event) => {
    course.note(event);
    switch (event.type) {
      case "release":
        return [releaseLine(event)];
      case "plan":
        return verbose && course.isPlanned ? [planLine(event.decisions)] : [];
      case "phase":
        return verbose ? dim([visible(`${event.phase} ${event.detail}`)]) : [];
      case "started":
        if (verbose) reasons.set(event.target, explainDecision(event.reason));
        return [];
      case "up-to-date":
        if (course.hasPlanned(event.target)) {
          return [`${paint("dim", marks.unchanged)} ${head(event.target, "same inputs after all")}`];
        }
        return verbose ? [`${paint("dim", marks.unchanged)} ${head(event.target, "up to date")}`] : [];
      case "restored":
        return [
          `${paint("cyan", marks.restored)} ${head(event.target, describeDecision(event.reason))}`,
          ...(verbose ? dim(event.outputs.map(visible)) : []),
        ];
      case "built":
        return [
          `${paint("green", marks.built)} ${head(event.target, formatDuration(event.duration))}`,
          ...dim([...(reasons.get(event.target) ?? []), ...(verbose ? event.outputs.map(visible) : [])]),
        ];
      case "failed": {
        if (event.failure.kind === "interrupted") {
          return [`${paint("yellow", marks.stopped)} ${head(event.target, "stopped")}`];
        }
        return [
          `${paint("red", marks.failed)} ${paint("bold", failureHead(event))}`,
          ...failureBody(event, cwd, paint("dim", marks.bar)),
        ];
      }
      case "skipped":
        return [
          `${paint("dim", marks.skipped)} ${head(event.target, `skipped: ${course.skippedBecause(event.because)}`)}`,
        ];
      case "notice":
        return [
          `${event.level === "warning" ? `${paint("yellow", "warning:")} ` : ""}${visible(noticeText(event, verbose))}`,
        ];
      case "waiting":
        return [`waiting for ${visible(event.holder)}`];
      case "changed":
      case "rebuilt":
      case "blocked":
      case "watching":
      case "guest":
        return watchLines(event);
      case "done":
        return course.ending(event, cwd, verbose);
    }
  };
}
