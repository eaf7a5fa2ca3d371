// For logs and CI: one line an event that matters, in wording that stays, without control characters.
// It keeps no state but what has been said already.
import type { BuildEvent } from "../../engine/events.js";
import { noticeText } from "../../engine/notice.js";
import { Board, lastSaid } from "./board.js";
import { Course } from "./course.js";
import { formatDuration, formatSeconds } from "./numbers.js";
import { failureBody, failureHead } from "./failed.js";
import { planLine } from "./summary.js";
import { describeDecision, explainDecision } from "./reason.js";
import { lineWriter, type Renderer, type Sink, type Verbosity } from "./renderer.js";
import { visible } from "./visible.js";
import { watchLines } from "./watched.js";
import { releaseLine } from "./when.js";

/** Everything goes to `stderr`; log paths are shown relative to `cwd`. */
export function createPlain(options: {
  readonly stderr: Sink;
  readonly verbosity: Verbosity;
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}): Renderer {
  const print = lineWriter(options.stderr);
  const lines = plainLines(options.verbosity, options.cwd);
  const board = new Board();
  const beat = beatOf(options.env ?? process.env);
  let last = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const say = (said: readonly string[]): void => {
    if (said.length > 0) last = performance.now();
    print(said);
  };
  const alive = (): void => {
    if (performance.now() - last >= beat) say(stillLines(board, Date.now()));
  };
  return {
    event: (event) => {
      board.apply(event);
      say(lines(event));
      if (event.type === "started" && options.verbosity !== "quiet" && beat > 0)
        timer ??= setInterval(alive, Math.min(beat, 1000)).unref();
      if (event.type === "done") clearInterval(timer);
    },
    close: () => clearInterval(timer),
  };
}

/**
 * Milliseconds without a line after which one says what runs: CI services end what is silent for ten minutes.
 * IMAGEMAKE_HEARTBEAT has it in seconds; 0 is never.
 */
function beatOf(env: NodeJS.ProcessEnv): number {
  const seconds = Number(env["IMAGEMAKE_HEARTBEAT"] ?? "60");
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : 60_000;
}

/** So many running actions are named. */
const NAMED = 3;

/** What runs, how long already, and what it said last. */
export function stillLines(board: Board, now: number): string[] {
  const running = [...board.running.values()];
  if (running.length === 0) return [];
  const more = running.length > NAMED ? [`  and ${running.length - NAMED} more`] : [];
  const since = board.begun === null ? "" : `, ${formatSeconds(now - board.begun)}`;
  return [
    `still building ${board.finished}/${board.total}${since}`,
    ...running.slice(0, NAMED).map((one) => {
      const said = lastSaid(one.log);
      const line = `  ${visible(one.target)} ${formatSeconds(now - one.since)}`;
      return said === null ? line : `${line}: ${said}`;
    }),
    ...more,
  ];
}

/** After a line about fetching, milliseconds without another one. */
const QUIET = 10_000;

/** The lines of each event, in turn. */
export function plainLines(verbosity: Verbosity, cwd: string): (event: BuildEvent) => string[] {
  const verbose = verbosity === "verbose";
  const course = new Course();
  let phase: { readonly name: string; readonly line: string; readonly at: number } | null = null;
  return (event) => {
    course.note(event);
    if (verbosity === "quiet" && event.type !== "failed" && event.type !== "blocked") return [];
    switch (event.type) {
      case "release":
        return [releaseLine(event)];
      case "plan":
        // With nothing to do, the summary says so.
        return course.isPlanned ? [planLine(event.decisions)] : [];
      case "phase": {
        const line = visible(`${event.phase} ${event.detail}`).trimEnd();
        if (phase?.line === line) return [];
        // Drivers report every file they fetch; a log wants to know that it goes on, not each of them.
        if (!verbose && event.phase === "fetch" && phase?.name === "fetch" && event.at - phase.at < QUIET)
          return [];
        phase = { name: event.phase, line, at: event.at };
        return [line];
      }
      case "started":
        return verbose
          ? [`start ${visible(event.target)}`, ...explainDecision(event.reason).map((line) => `  ${line}`)]
          : [`start ${visible(event.target)}: ${describeDecision(event.reason)}`];
      case "up-to-date":
        // One that was planned and then found unchanged is news: its inputs came out the same.
        if (course.hasPlanned(event.target))
          return [`unchanged ${visible(event.target)}: same inputs after all`];
        return verbose ? [`up to date ${visible(event.target)}`] : [];
      case "restored":
        return [
          `restored ${visible(event.target)}: ${describeDecision(event.reason)}`,
          ...(verbose ? outputs(event.outputs) : []),
        ];
      case "built":
        return [
          `built ${visible(event.target)} (${formatDuration(event.duration)})`,
          ...(verbose ? outputs(event.outputs, event.digests) : []),
        ];
      case "failed":
        return [
          `${event.failure.kind === "interrupted" ? "stopped" : "failed"} ${failureHead(event)}`,
          ...failureBody(event, cwd, "|"),
        ];
      case "skipped":
        return [`skipped ${visible(event.target)}: ${course.skippedBecause(event.because)}`];
      case "notice":
        return [`${event.level === "warning" ? "warning: " : ""}${visible(noticeText(event, verbose))}`];
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

/** `  void-x86_64-ROOTFS-20261121.tar.xz sha256:…`; trees have no name and are left out. */
const outputs = (names: readonly string[], digests: readonly string[] = []): string[] =>
  names.map((name, index) => {
    const digest = digests[index];
    return `  ${visible(name)}${digest === undefined ? "" : ` ${visible(digest)}`}`;
  });
