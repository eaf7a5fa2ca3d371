// Listings in columns, for stdout. A row is one line whatever its width, so that a pipe can read it.
import { cut, pad, widthOf } from "./columns.js";
import { visible } from "./visible.js";

/** One column: its heading, what it shows of a row, and how. */
export interface Column<Row> {
  readonly head: string;
  readonly value: (row: Row) => string;
  readonly align?: "left" | "right";
  /** Gives way when the table is wider than the terminal. */
  readonly shrinks?: boolean;
}

/** No narrower than this: less cannot be told apart. */
const LEAST = 8;

/**
 * The lines of a table: a heading (unless `head` is false) and one line a row. `width` is the terminal's
 * width in columns; null or left out when piped, and then nothing is ever shortened.
 */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: { readonly width?: number | null; readonly head?: boolean } = {},
): string[] {
  const cells = rows.map((row) => columns.map(({ value }) => visible(value(row))));
  if (options.head !== false) cells.unshift(columns.map(({ head }) => head));
  const widths = columns.map((_, index) => Math.max(0, ...cells.map((line) => widthOf(line[index] ?? ""))));
  const excess = widths.reduce((sum, width) => sum + width + 2, -2) - (options.width ?? Infinity);
  const shrinking = columns.findIndex(({ shrinks }) => shrinks === true);
  const shrunk = widths.map((width, index) =>
    index === shrinking && excess > 0 ? Math.min(width, Math.max(LEAST, width - excess)) : width,
  );
  return cells.map((line) =>
    line
      .map((cell, index) => {
        const width = shrunk[index] ?? 0;
        return pad(cut(cell, width), width, columns[index]?.align);
      })
      .join("  ")
      .trimEnd(),
  );
}
