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
