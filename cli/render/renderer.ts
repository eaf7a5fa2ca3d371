// What a renderer of the event stream is, and what it writes to.
import type { Emit } from "../../engine/events.js";

/** Takes the events of one run. `close` may be called twice, and at any moment: it leaves the terminal as it was. */
export interface Renderer {
  event: Emit;
  close(): void;
}

/** The part of a stream that renderers use; `process.stdout` and `process.stderr` are such. */
export interface Sink {
  write(text: string): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  hasColors?(): boolean;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** What a terminal says of its size; 0 means that it does not know (`script` in a pipe, some CI). */
const known = (size: number | undefined): number | null => (size === undefined || size < 1 ? null : size);

/** Columns of a terminal. */
export const columnsOf = (sink: Sink): number => known(sink.columns) ?? 80;

/** Lines of a terminal. */
export const rowsOf = (sink: Sink): number => known(sink.rows) ?? 24;

/** Columns that a listing has to fit into; null for any width. */
export const tableWidth = (sink: Sink): number | null => (sink.isTTY === true ? known(sink.columns) : null);

/** How much is said: quiet says failures only, verbose also what is up to date and every reason in full. */
export type Verbosity = "quiet" | "normal" | "verbose";

/** Sinks whose errors are heard, and those whose reader has gone. */
const [listened, gone] = [new WeakSet<Sink>(), new WeakSet<Sink>()];

/**
 * Writes lines. A reader that went away (`| head -1`) must not end the build, so its error is swallowed;
 * the listener stays, because the error of the last write arrives after everything is closed.
 */
export function lineWriter(sink: Sink): (lines: readonly string[]) => void {
  if (!listened.has(sink)) sink.on("error", () => void gone.add(sink));
  listened.add(sink);
  return (lines) => {
    if (!gone.has(sink) && lines.length > 0) sink.write(`${lines.join("\n")}\n`);
  };
}

/** Several renderers as one: the terminal, and beside it `--events` and `--trace`. */
export function combine(renderers: readonly Renderer[]): Renderer {
  return {
    event: (event) => {
      for (const renderer of renderers) renderer.event(event);
    },
    close: () => {
      for (const renderer of renderers) renderer.close();
    },
  };
}
