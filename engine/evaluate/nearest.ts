// The nearest known name to a misspelt one.

/**
 * The candidate with the smallest edit distance (a swap of neighbours counts one), or undefined where
 * nothing is near: two letters, or a third of the word, may differ, but never more than half of it. Case does not count.
 * Where none is, one that begins the word, or that the word begins, if only one does.
 */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  const candidates = [...names];
  let best: string | undefined;
  let least = Math.min(Math.max(2, Math.floor(word.length / 3)), Math.floor(word.length / 2)) + 1;
  for (const candidate of candidates) {
    const d = distance(word.toLowerCase(), candidate.toLowerCase(), least);
    if (d < least) [best, least] = [candidate, d];
  }
  return best ?? onlyOne(candidates.filter((one) => begins(one, word) || begins(word, one)));
}

/** Two letters say nothing. */
const begins = (start: string, word: string): boolean => start.length > 2 && word.startsWith(start);
const onlyOne = (found: readonly string[]): string | undefined => (found.length === 1 ? found[0] : undefined);

/** `did you mean …?`, or undefined where nothing is near. */
export function nearestHint(word: string, candidates: Iterable<string>): string | undefined {
  const near = nearest(word, candidates);
  return near === undefined ? undefined : `did you mean ${near}?`;
}

/** Optimal string alignment distance; `enough` or more where it would be at least that. */
function distance(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let d = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        d = Math.min(d, (before[j - 2] ?? 0) + 1);
      }
      row.push(d);
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? enough;
}
