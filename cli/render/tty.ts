// The build on a terminal: finished actions scroll by, what runs is shown live below them. ora is loaded when the
// first work begins, not before.
import { availableParallelism } from "node:os";
import { asError } from "../../engine/problem.js";
import { Board, lastSaid } from "./board.js";
import { shortened } from "./change.js";
import { startLive, type Live } from "./live.js";
import { columnsOf, lineWriter, rowsOf, type Renderer, type Sink, type Verbosity } from "./renderer.js";
import { saidLines } from "./said.js";
import { statusOf, type Status } from "./status.js";
import { marksFor, paintFor } from "./style.js";
import { visible } from "./visible.js";

/** What a terminal renderer works with; all but the first three are for tests. */
export interface TtyOptions {
  readonly stderr: Sink;
  readonly verbosity: Verbosity;
  readonly cwd: string;
  /** How many actions run at once (`--jobs`), for the estimate of what is left. */
  readonly jobs?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: () => number;
}

/** A renderer that can also be told to draw now. `ready` is resolved once the live lines are there. */
export interface TtyRenderer extends Renderer {
  refresh(): void;
  readonly ready: Promise<void>;
}

const DOTS = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const LINES = ["-", "\\", "|", "/"];

/** Milliseconds for which an estimate is shown before it is made anew. */
const ESTIMATE_HOLDS = 500;

/** Draws on `stderr`, which must be a terminal. */
export function createTty(options: TtyOptions): TtyRenderer {
  const { stderr, env = process.env, clock = Date.now } = options;
  const board = new Board();
  const paint = paintFor(stderr, env);
  const marks = marksFor(env);
  const columns = (): number => columnsOf(stderr);
  const said = saidLines({
    verbose: options.verbosity === "verbose",
    cwd: options.cwd,
    paint,
    marks,
    columns,
  });
  const write = lineWriter(stderr);
  const slots = options.jobs ?? availableParallelism();
  // Going through a plan of thousands at every event would cost more than the rest of the display.
  let estimate: { readonly left: number | null; readonly made: number } | null = null;
  const left = (now: number): number | null => {
    if (estimate === null || Math.abs(now - estimate.made) >= ESTIMATE_HOLDS) {
      estimate = { left: board.timeLeft(now, slots), made: now };
    }
    return estimate.left;
  };
  const status = (): Status => {
    const now = clock();
    return statusOf(board, {
      now,
      columns: columns(),
      rows: rowsOf(stderr),
      left: left(now),
      paint,
      lastSaid,
    });
  };

  let live: Live | null = null;
  let closed = false;
  let ready: Promise<void> | null = null;

  const print = (lines: readonly string[]): void => {
    if (live === null) write(lines);
    else if (lines.length > 0) live.print(lines);
    else live.refresh();
  };
  const start = async (): Promise<void> => {
    const { default: ora } = await import("ora");
    if (closed) return;
    live = startLive({
      ora,
      sink: stderr,
      status,
      frames: (marks.bar === "|" ? LINES : DOTS).map((frame) => paint("cyan", frame)),
      // xterm and GNU screen leave or cut long lines; every other terminal in use wraps them anew.
      reflows: env["XTERM_VERSION"] === undefined && env["STY"] === undefined,
    });
  };
  const stop = (): void => {
    closed = true;
    live?.stop();
    live = null;
    for (const signal of SIGNALS) process.off(signal, stopping);
  };

  // Adding a listener takes the signal's default away. Somebody else has to end the build; if nobody
  // listens, the terminal is put in order and the signal does what it would have done.
  const stopping = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) === 1) {
      stop();
      process.kill(process.pid, signal);
      return;
    }
    if (board.stoppingSince !== null) return;
    board.stoppingSince = clock();
    const names = [...board.running.keys()].map(visible);
    print([names.length === 0 ? "interrupted" : `interrupted, stopping ${shortened(names)}`]);
  };
  /** Not before there is work: until then nobody may be there yet to end the process. */
  const begin = (): Promise<void> => {
    for (const signal of SIGNALS) process.on(signal, stopping);
    return start().catch((thrown: unknown) =>
      write([`no live display: ${visible(asError(thrown).message)}`]),
    );
  };

  return {
    event: (event) => {
      board.apply(event);
      const lines = said(event);
      if (event.type === "done") stop();
      else if (event.type === "phase" || event.type === "started") {
        ready ??= begin();
      }
      print(lines);
    },
    close: stop,
    refresh: () => live?.refresh(),
    get ready() {
      return ready ?? Promise.resolve();
    },
  };
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
