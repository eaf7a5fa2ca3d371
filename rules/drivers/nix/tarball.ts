// What a source tarball says of itself: the commit it is of, as `git archive` writes it, and when that was made. It
// reads the beginning of the file only.
import { closeSync, openSync, readSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";

/** Bytes that hold the first headers, packed. */
export const HEAD = 64 * 1024;
const BLOCK = 512;

/** What the head of a tarball says. */
export interface Said {
  /** 40 hexadecimal digits; null in a tarball that git did not make. */
  readonly commit: string | null;
  /** Seconds since 1970, of the first member. */
  readonly date: number;
}

/** Reads the head of a packed tarball's bytes; throws where they are none. */
export function saidBy(bytes: Uint8Array): Said {
  const text = gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  const field = (at: number, from: number, length: number): string =>
    text.toString("latin1", at + from, at + from + length).replace(/[\0 ].*$/s, "");
  let at = 0;
  let commit: string | null = null;
  if (field(at, 156, 1) === "g") {
    const size = Number.parseInt(field(at, 124, 12), 8);
    commit = /comment=([0-9a-f]{40})\n/.exec(text.toString("latin1", BLOCK, BLOCK + size))?.[1] ?? null;
    at = BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  const date = Number.parseInt(field(at, 136, 12), 8);
  if (!field(at, 257, 6).startsWith("ustar") || !Number.isFinite(date)) throw new Error("it is no tarball");
  return { commit, date };
}

/** The same of a file. */
export function saidIn(file: string): Said {
  const fd = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(HEAD);
    return saidBy(bytes.subarray(0, readSync(fd, bytes, 0, HEAD, 0)));
  } finally {
    closeSync(fd);
  }
}
