// Turns results into text. It measures nothing and writes nowhere.
import type { Bar } from "./bars.js";
import type { FullResult } from "./full.js";
import type { ImagesResult } from "./images.js";
import type { IdleResult } from "./idle.js";
import type { Replay } from "./scheduler.js";
import type { WatchResult } from "./watch.js";

/** Milliseconds of a run with nothing to do, and their ratio to each of the others. */
export function idleTable(result: IdleResult): string {
  const { make, ninja, node } = result.medians;
  const lines = result.rows.map((row) => [
    row.program,
    `${row.median.toFixed(1)} ms`,
    `${row.min.toFixed(1)}–${row.max.toFixed(1)}`,
    times(row.median / node),
    times(row.median / make),
    times(row.median / ninja),
    row.memory === null ? "-" : `${(row.memory / 1024).toFixed(0)} MiB`,
  ]);
  const head = ["", "median", "range", "× node -e 0", "× make", "× ninja", "peak memory"];
  return (
    `nothing to do: ${count(result.leaves)} leaves, ${count(result.targets)} targets, ${result.rounds} rounds in turn\n` +
    columns([head, ...lines])
  );
}

/** Milliseconds of a build from nothing. */
export function fullTable(result: FullResult): string {
  const line = (name: string, ms: number): string[] => [
    name,
    `${(ms / 1000).toFixed(1)} s`,
    `${(ms / result.targets).toFixed(1)} ms`,
    times(ms / result.wireit),
  ];
  return (
    `from nothing: ${count(result.leaves)} leaves, ${count(result.targets)} targets, ${result.jobs} at once, ${result.rounds} rounds in turn\n` +
    columns([
      ["", "median", "a target", "× wireit"],
      line("imagemake", result.imagemake),
      line("wireit", result.wireit),
    ])
  );
}

/** Milliseconds from a save to the end of its rebuild. */
export const watchTable = ({ targets, rounds, median, min, max, action }: WatchResult): string =>
  `watching: ${count(targets)} targets, ${rounds} saves, from a save to the end of the rebuild of one action\n` +
  columns([
    ["", "median", "range"],
    ["imagemake watch", `${median.toFixed(1)} ms`, `${min.toFixed(1)}–${max.toFixed(1)}`],
    ["the action alone", `${action.toFixed(1)} ms`, ""],
  ]);

/** Seconds of edits of an image. */
export function imagesTable({ rounds, overlay, package: one }: ImagesResult): string {
  const line = (name: string, s: number, against: number): string[] => [
    name,
    `${s.toFixed(2)} s`,
    times(s / against),
  ];
  return (
    `edits of a Debian image, ${rounds} rounds in turn (scripts: one)\n` +
    columns([
      ["a file of the overlay", "median", "× bare"],
      line("imagemake", overlay.imagemake, overlay.bare),
      line("mksquashfs + xorriso", overlay.bare, overlay.bare),
      ["one package more", "median", "× apt"],
      line("imagemake", one.imagemake, one.apt),
      line("apt-get in a chroot", one.apt, one.apt),
      line("unpack, install, xz -9", one.scripts, one.apt),
    ])
  );
}

/** Virtual seconds by number of slots. */
export function replayTable(results: readonly Replay[]): string {
  const lines = results.map((result) => [
    `${result.slots}`,
    `${result.makespan.toFixed(1)} s`,
    `${result.bound.toFixed(1)} s`,
    result.chain > result.share ? "longest chain" : "work / slots",
    (result.makespan / result.bound).toFixed(3),
  ]);
  return (
    `schedule: ${results[0]?.actions ?? 0} actions on a virtual clock\n` +
    columns([["slots", "takes", "lower bound", "which is", "ratio"], ...lines])
  );
}

/** One line a bar. */
export const barTable = (bars: readonly Bar[]): string =>
  columns(
    bars.map((bar) => [
      bar.pass ? "pass" : "FAIL",
      bar.name,
      Number.isFinite(bar.value) ? bar.value.toFixed(3) : "-",
      `≤ ${bar.limit}`,
    ]),
  );

const times = (ratio: number): string => (Number.isFinite(ratio) ? ratio.toFixed(ratio < 0.1 ? 3 : 2) : "-");

const count = (n: number): string => n.toLocaleString("en");

/** Lines of equal columns; the first is aligned to the left, the others to the right. */
function columns(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines) {
    for (const [i, cell] of line.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return lines
    .map((line) =>
      `  ${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`.trimEnd(),
    )
    .join("\n")
    .concat("\n");
}
