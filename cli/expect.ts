// A printed list held against a file that says what it should be. It ignores datecodes, and prints nothing.
import { DATECODE } from "../engine/names.js";

const bare = (line: string): string =>
  line.replace(new RegExp(`(?<![0-9.])${DATECODE}(?![0-9])`, "g"), "{date}");

/** Lines with `-` for what only the file has and `+` for what only the list has; none where they are equal. */
export function drift(expected: readonly string[], found: readonly string[]): string[] {
  const [a, b] = [expected.map(bare), found.map(bare)];
  // Length of the longest common subsequence of what follows in both.
  const common = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = common[i];
      if (row !== undefined)
        row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const lines: string[] = [];
  for (let [i, j] = [0, 0]; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) [i, j] = [i + 1, j + 1];
    else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push(`-${expected[i++] ?? ""}`);
    else lines.push(`+${found[j++] ?? ""}`);
  }
  return lines;
}
