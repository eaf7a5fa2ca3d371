// Keeps a few lines at the foot of the terminal while other lines scroll by above them. The spinner, its timer and the
// care for foreign writes are ora's.
import { stripVTControlCharacters } from "node:util";
import type { Options, Ora } from "ora";
import { widthOf } from "./columns.js";
import { columnsOf, rowsOf, type Sink } from "./renderer.js";
import type { Status } from "./status.js";

/** The lines at the foot. */
export interface Live {
  /** Scrolls lines by above. */
  print(lines: readonly string[]): void;
  /** Draws anew, at once. */
  refresh(): void;
  /** Removes the lines. */
  stop(): void;
}

/** How ora is started, and what it draws. */
export interface LiveOptions {
  readonly ora: (options: Options) => Ora;
  readonly sink: Sink;
  readonly status: () => Status;
  /** Painted already, each one column wide. */
  readonly frames: readonly string[];
  /** The terminal wraps lines anew when it becomes narrower. */
  readonly reflows: boolean;
}

/**
 * Frames come every 120 ms. After this many milliseconds without one the user had us suspended (Ctrl-Z), and
 * what is above the cursor is the shell's. SIGCONT would be late: the timer draws before the signal is seen.
 */
const SUSPENDED = 2000;

/** Starts to draw. */
export function startLive({ ora, sink, status, frames, reflows }: LiveOptions): Live {
  const screen = new Screen(sink, reflows);
  const spinner = ora({
    // ora needs no more of a stream than Screen has.
    stream: screen as unknown as NodeJS.WritableStream,
    isEnabled: true,
    // A hidden cursor would stay hidden when we are killed. Each frame is one write, so it does not flicker.
    hideCursor: false,
    // Raw mode would take Ctrl-C away from the terminal's driver, and with it from the whole group.
    discardStdin: false,
    color: false,
    spinner: { interval: 120, frames: [...frames] },
    suffixText: () => status().rest,
  });
  const refresh = (): void => {
    spinner.text = status().word;
    spinner.render();
  };
  sink.on("resize", refresh);
  spinner.start(status().word);
  return {
    refresh,
    print: (lines) =>
      screen.atOnce(() => {
        spinner.clear();
        screen.put(lines.map((line) => `${line}\n`).join(""));
        refresh();
      }),
    stop: () => {
      sink.off("resize", refresh);
      spinner.stop();
    },
  };
}

/**
 * The terminal as ora sees it. ora counts the rows to erase when it draws them, which is wrong once the
 * terminal has become narrower (its issue 261); so its erasing is replaced: rows are counted when they are
 * erased, and one frame goes out in one write.
 */
class Screen {
  readonly isTTY = true;
  readonly #sink: Sink;
  readonly #reflows: boolean;
  /** Taken before ora puts its hook on process.stderr: what goes through here must not come back to ora. */
  readonly #raw: (text: string) => boolean;
  /** The lines on the screen, without colours; the cursor stands behind the last. */
  #drawn: readonly string[] = [];
  #drawnAt = 0;
  #pending = "";
  #nesting = 0;

  constructor(sink: Sink, reflows: boolean) {
    this.#sink = sink;
    this.#reflows = reflows;
    this.#raw = sink.write.bind(sink);
  }

  get columns(): number {
    return columnsOf(this.#sink);
  }

  get rows(): number {
    return rowsOf(this.#sink);
  }

  /** Whatever is put meanwhile goes out as one write. */
  atOnce(work: () => void): void {
    this.#nesting += 1;
    try {
      work();
    } finally {
      this.#nesting -= 1;
      this.put("");
    }
  }

  put(text: string): void {
    this.#pending += text;
    if (this.#nesting > 0 || this.#pending === "") return;
    const out = this.#pending;
    this.#pending = "";
    this.#raw(out);
  }

  /** ora writes frames, and before and after each the marks of synchronised output (mode 2026). */
  write(text: string): boolean {
    if (text === "\u001b[?2026h") this.#nesting += 1;
    if (text === "\u001b[?2026l") this.#nesting -= 1;
    if (!text.startsWith("\u001b[?2026")) {
      this.#drawn = stripVTControlCharacters(text).split("\n");
      this.#drawnAt = performance.now();
    }
    this.put(text);
    return true;
  }

  /** ora begins to erase with this; the calls for the single rows have nothing left to do. */
  cursorTo(): void {
    if (performance.now() - this.#drawnAt > SUSPENDED) this.#drawn = [];
    if (this.#drawn.length === 0) return;
    const rows = this.#drawn.reduce((sum, line) => sum + this.#rowsOf(line), 0);
    this.#drawn = [];
    // Row by row: tmux takes erasing everything below the first row for a cleared screen, and keeps a copy.
    this.put(`\r\u001b[2K${"\u001b[1A\u001b[2K".repeat(rows - 1)}`);
  }

  moveCursor(): void {
    // Done in cursorTo.
  }

  clearLine(): void {
    // Done in cursorTo.
  }

  #rowsOf(line: string): number {
    return this.#reflows ? Math.max(1, Math.ceil(widthOf(line) / this.columns)) : 1;
  }
}
