// Text measured and cut by the columns it takes on a terminal, and listings in columns. Takes plain text only: colour
// comes after cutting.
import stringWidth from "string-width";
import { visible } from "./visible.js";

/** Text whose width is its length; most of what we show. */
const NARROW = /^[\x20-\x7e]*$/;

/** Made when something is cut: node reads its tables of languages for it. */
let segmenter: Intl.Segmenter | undefined;
function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Columns that `text` takes: two for wide characters, none for combining ones. */
export const widthOf = (text: string): number => (NARROW.test(text) ? text.length : stringWidth(text));

/** How many of the leading parts fit into `columns`. */
function fitting(parts: readonly string[], columns: number): number {
  let width = 0;
  for (const [index, part] of parts.entries()) {
    width += widthOf(part);
    if (width > columns) return index;
  }
  return parts.length;
}

/** Cut at the end to at most `columns`, with `…` for what is gone. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns < 1) return "";
  const parts = graphemes(text);
  return `${parts.slice(0, fitting(parts, columns - 1)).join("")}…`;
}

/** Cut in the middle: of `rootfs-amd64-standard` both ends say something. */
export function cutMiddle(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns < 1) return "";
  const parts = graphemes(text);
  const left = parts.slice(0, fitting(parts, Math.ceil((columns - 1) / 2))).join("");
  const right = parts.slice(parts.length - fitting(parts.toReversed(), columns - 1 - widthOf(left)));
  return `${left}…${right.join("")}`;
}

/** Filled with blanks to `columns`; longer text stays as it is. */
export function pad(text: string, columns: number, align: "left" | "right" = "left"): string {
  const blanks = " ".repeat(Math.max(0, columns - widthOf(text)));
  return align === "left" ? text + blanks : blanks + text;
}

// Listings in columns, for stdout. A row is one line whatever its width, so that a pipe can read it.

/** One column: its heading, what it shows of a row, and how. */
interface Column<Row> {
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
