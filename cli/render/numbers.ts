// Numbers in words: counts of things, sizes (powers of ten, like the `MB` on a download page), durations in
// milliseconds.

/** `1 file`, `3 files`; `word` is one that takes an s. */
export const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;

/** `a`, `a and b`, `a, b and c`. */
export const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;

/** How many there are of each word, in the order of their first coming: `3 files`, `1 layer`. */
export function tallies(words: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => counted(count, word));
}

// Sizes in words, in powers of ten like the `MB` on a download page. Knows no files.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `512 B`, `1.5 kB`, `19 MB`, `1.2 GB`: one decimal below ten, none above. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  // 999.6 kB would read 1000 kB, so what rounds up to the next unit goes there.
  while (Math.round(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const shown = unit > 0 && value < 9.95 ? value.toFixed(1) : String(Math.round(value));
  return `${shown} ${UNITS[unit] ?? "B"}`;
}

// Durations in words: measured ones, and what is left. Takes milliseconds; knows no clock.

/** `<0.1 s`, `1.4 s`, `11 s`, `2 m 14 s`, `1 h 3 m`. Negative (a clock that jumped) counts as nothing. */
export function formatDuration(milliseconds: number): string {
  const tenths = Math.round(Math.max(0, milliseconds) / 100);
  if (tenths < 1) return "<0.1 s";
  return tenths < 100 ? `${(tenths / 10).toFixed(1)} s` : formatSeconds(milliseconds);
}

/** The same in whole seconds, for a display that ticks: `0 s`, `11 s`, `2 m 14 s`, `1 h 3 m`. */
export function formatSeconds(milliseconds: number): string {
  const seconds = Math.round(Math.max(0, milliseconds) / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}

/** An estimate, so roughly: `about 25 s left`, `about 3 min left`, `about 1 h 40 min left`. */
export function formatLeft(milliseconds: number): string {
  const fives = Math.max(1, Math.round(milliseconds / 5000));
  if (fives < 12) return `about ${fives * 5} s left`;
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 60) return `about ${minutes} min left`;
  const tens = Math.round(minutes / 10) * 10;
  const rest = tens % 60 === 0 ? "" : ` ${tens % 60} min`;
  return `about ${Math.floor(tens / 60)} h${rest} left`;
}
