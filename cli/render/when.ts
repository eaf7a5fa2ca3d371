// Moments in words, always in UTC: a release belongs to a UTC day, whatever the machine's time zone is.

const DAY = 86_400_000;
const dayOf = (moment: number): number => Math.floor(moment / DAY);

/** `23:41 UTC`, `23:41 UTC yesterday`, `23:41 UTC 3 days ago`; milliseconds since 1970. */
export function formatWhen(moment: number, now: number): string {
  const iso = new Date(moment).toISOString();
  const time = `${iso.slice(11, 16)} UTC`;
  const days = dayOf(now) - dayOf(moment);
  if (days === 0) return time;
  if (days === 1) return `${time} yesterday`;
  // A moment that lies in the future comes from a clock that was wrong: show it whole.
  return days > 1 ? `${time} ${days} days ago` : `${time} on ${iso.slice(0, 10)}`;
}

/** `release 20261121 (opened 23:41 UTC yesterday)`, or `(opened now)` for one this run opened. */
export function releaseLine(release: {
  readonly datecode: string;
  readonly opened: number;
  readonly joined: boolean;
  readonly at: number;
}): string {
  const opened = release.joined ? formatWhen(release.opened, release.at) : "now";
  return `release ${release.datecode} (opened ${opened})`;
}

/** `2026-11-21 23:41 UTC`, of an ISO time. */
export const utcMinute = (iso: string): string => `${iso.slice(0, 16).replace("T", " ")} UTC`;

/** `2026-11-21 23:41:07 UTC`, where the minute is not enough. */
export const utcSecond = (iso: string): string => `${iso.slice(0, 19).replace("T", " ")} UTC`;
