// Bytes of an archive to standard output, in large pieces.
import { Buffer } from "node:buffer";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import process from "node:process";

const buffer = Buffer.allocUnsafe(2 ** 20);
const pause = new Int32Array(new SharedArrayBuffer(4));
let used = 0;
let written = 0;

/** Text of one byte a character. */
export const bytes = (/** @type {string} */ text) => Buffer.from(text, "latin1");

/** @param {Buffer} data */
export function put(data) {
  written += data.length;
  for (let at = 0; at < data.length;) {
    if (used === buffer.length) flush();
    const count = data.copy(buffer, used, at);
    used += count;
    at += count;
  }
}

export function flush() {
  for (let at = 0; at < used;) {
    try {
      at += writeSync(1, buffer, at, used - at);
    } catch (error) {
      // Whoever reads may have made the pipe one that does not wait.
      if (!(error instanceof Error) || !("code" in error) || error.code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, 5);
    }
  }
  used = 0;
}

/**
 * Zeros up to a whole number of blocks.
 * @param {number} size
 */
export function fill(size) {
  const over = written % size;
  if (over > 0) put(Buffer.alloc(size - over));
}

/**
 * A part of the file at `at`.
 * @param {Buffer} at
 * @param {number} from
 * @param {number} length
 */
export function copy(at, from, length) {
  if (length === 0) return;
  const fd = openSync(at, "r");
  try {
    const window = Buffer.allocUnsafe(Math.min(length, 2 ** 20));
    for (let done = 0; done < length;) {
      const count = readFully(fd, window, from + done, Math.min(window.length, length - done));
      put(window.subarray(0, count));
      done += count;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * @param {number} fd
 * @param {Buffer} into
 * @param {number} from
 * @param {number} wanted
 */
export function readFully(fd, into, from, wanted) {
  for (let done = 0; done < wanted;) {
    const count = readSync(fd, into, done, wanted - done, from + done);
    if (count === 0) fail("a file became shorter while it was read");
    done += count;
  }
  return wanted;
}

/**
 * @param {string} why
 * @returns {never}
 */
export function fail(why) {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}
