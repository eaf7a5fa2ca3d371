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
