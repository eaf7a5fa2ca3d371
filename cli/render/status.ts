// The live lines at the foot of the terminal, as text: how far the build is, and what runs. A pure function of the
// board, the moment and the terminal's size.
import type { Board, Running } from "./board.js";
import { cut, cutMiddle, pad, widthOf } from "./columns.js";
import { formatLeft, formatSeconds } from "./numbers.js";
import type { Paint } from "./style.js";
import { visible } from "./visible.js";

/** What the lines depend on beside the board. */
export interface View {
  readonly now: number;
  readonly columns: number;
  readonly rows: number;
  /** Milliseconds to the end, as far as known (Board.timeLeft). */
  readonly left: number | null;
  readonly paint: Paint;
  /** The last line in an action's log; null for none. */
  readonly lastSaid: (log: string) => string | null;
}

/** The first line's leading word stands beside the spinner; `rest` is what follows it, and all other lines. */
export interface Status {
  readonly word: string;
  readonly rest: string;
}

/** Spinner and blank before the first line. */
const SPINNER = 2;

/** Columns that stay free: terminals wrap when the last one is filled, and `^C` is echoed behind the last line. */
const MARGIN = 3;

/** Names are not cut below this to make room for what is left of their time. */
const NAME = 24;

/** At most this many lines of running actions; a build farm has more slots than a terminal lines. */
const MOST = 12;

/** The lines; none is wider than the terminal, and all together are lower than it. */
export function statusOf(board: Board, view: View): Status {
  const [word, ...parts] = headline(board, view);
  const width = Math.max(1, view.columns - MARGIN - SPINNER);
  const first = joined(parts, width - widthOf(word) - 1);
  return {
    word: cut(word, width),
    rest: [first, ...runningLines(board, view)].join("\n"),
  };
}

/** The leading word, then parts in order of importance. */
function headline(board: Board, view: View): [string, ...string[]] {
  const running = board.running.size;
  if (board.stoppingSince !== null) {
    const since = formatSeconds(view.now - board.stoppingSince);
    return ["stopping", `${running} running`, since, "Ctrl-C again: do not wait"];
  }
  if (board.waiting !== null) return ["waiting", `for ${visible(board.waiting)}`];
  if (board.phase !== null && running === 0) return [board.phase.name, visible(board.phase.detail)];
  return [
    "building",
    `${board.finished}/${board.total}`,
    ...(board.begun === null ? [] : [formatSeconds(floored(view.now - board.begun))]),
    ...(board.failed > 0 ? [`${board.failed} failed`] : []),
    ...(view.left !== null && view.left > 0 ? [formatLeft(view.left)] : []),
    ...(running > 0 ? [`${running} running`] : []),
  ];
}

/** As many parts as fit, with commas; the first one is cut if even that does not. */
function joined(parts: readonly string[], width: number): string {
  let line = parts[0] ?? "";
  for (const part of parts.slice(1)) {
    if (widthOf(line) + 2 + widthOf(part) > width) break;
    line += `, ${part}`;
  }
  return cut(line, width);
}

function runningLines(board: Board, view: View): string[] {
  const all = [...board.running.values()];
  // One row for the headline, one for what the terminal scrolls.
  const room = Math.max(0, Math.min(MOST, view.rows - 2));
  const phase = board.phase !== null && all.length > 0 && room > 1 ? board.phase : null;
  const most = room - (phase === null ? 0 : 1);
  const shown = all.length > most ? all.slice(0, Math.max(0, most - 1)) : all;
  const width = Math.max(1, view.columns - MARGIN);
  const lines = actionLines(shown, width, view, board.stoppingSince !== null);
  if (shown.length < all.length && most > 0)
    lines.push(cut(`  and ${all.length - shown.length} more`, width));
  if (phase !== null) lines.push(cut(`  ${phase.name} ${visible(phase.detail)}`, width));
  return lines;
}

/**
 * `  rootfs-amd64-mini  8 s, about 5 s left  Setting up vim …`, aligned: behind the times what it said last, or why it runs
 * where it said nothing yet. What does not fit goes from the right.
 */
function actionLines(shown: readonly Running[], width: number, view: View, stopping: boolean): string[] {
  const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(widthOf));
  const names = shown.map(({ target }) => visible(target));
  const short = shown.map((one) => formatSeconds(floored(elapsed(one, view))));
  const full = shown.map((one, index) =>
    [short[index], remaining(one, view)].filter((part) => part !== null).join(", "),
  );
  const enough = Math.min(widest(names), NAME);
  const times = stopping || width - 4 - widest(full) < enough ? short : full;
  const nameWidth = Math.min(widest(names), Math.max(1, width - 4 - widest(times)));
  return shown.map((one, index) => {
    const name = pad(cutMiddle(names[index] ?? "", nameWidth), nameWidth);
    const start = `  ${name}  ${pad(times[index] ?? "", widest(times))}`;
    const room = width - widthOf(start) - 2;
    // Less than this of a reason says nothing.
    if (stopping || room < 16) return cut(start.trimEnd(), width);
    return `${start}  ${view.paint("dim", cut(view.lastSaid(one.log) ?? one.reason, room))}`;
  });
}

/** Whole seconds that have passed, in milliseconds. */
const floored = (milliseconds: number): number => Math.floor(Math.max(0, milliseconds) / 1000) * 1000;

const elapsed = ({ since }: Running, { now }: View): number => Math.max(0, now - since);

function remaining(one: Running, view: View): string | null {
  if (one.expected === null) return null;
  const left = one.expected - elapsed(one, view);
  return left > 0 ? formatLeft(left) : `usually ${formatSeconds(one.expected)}`;
}
