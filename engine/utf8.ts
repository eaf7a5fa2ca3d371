// Where a text is not UTF-8.
import { isUtf8 } from "node:buffer";

/** The first line, counted from one, with bytes that are not UTF-8; 0 where there is none. */
export function lineNotUtf8(bytes: Buffer): number {
  if (isUtf8(bytes)) return 0;
  let line = 1;
  for (let from = 0; from <= bytes.length; line++) {
    const end = bytes.indexOf(0x0a, from);
    const to = end < 0 ? bytes.length : end;
    if (!isUtf8(bytes.subarray(from, to))) return line;
    from = to + 1;
  }
  return line;
}
