// Keeps a log from filling the disk. While the action runs the middle of a long one becomes a hole in the file, so that nothing of
// what it still writes is lost; when it has ended the log is cut, and says so.
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { codeOf } from "../../../cache/io.js";
import { runBeside } from "../../../cache/program.js";

const MiB = 1 << 20;

/** Bytes: a log of more is cut; what is kept of its beginning, and of its end. */
const [MOST, HEAD, TAIL] = [64 * MiB, 16 * MiB, 16 * MiB];

/** Milliseconds between two looks at its size. */
const PAUSE = 500;

/** Looks after the log of a command until that has ended. What cannot be opened is written as it is. */
export async function bounded<T>(log: string, command: Promise<T>): Promise<T> {
  const { O_RDWR, O_APPEND, O_NOFOLLOW } = constants;
  let fd: number;
  try {
    fd = openSync(log, O_RDWR | O_APPEND | O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === "") throw error;
    return command;
  }
  let hole = HEAD;
  let [making, busy]: [Promise<unknown>, boolean] = [Promise.resolve(), false];
  const timer = setInterval(() => {
    const { size } = fstatSync(fd);
    if (busy || size - hole <= MOST) return;
    const to = size - TAIL;
    busy = true;
    making = makeHole(fd, hole, to).finally(() => (busy = false));
    hole = to;
  }, PAUSE);
  try {
    return await command;
  } finally {
    clearInterval(timer);
    await making;
    const { size } = fstatSync(fd);
    if (size > MOST) cut(fd, size);
    closeSync(fd);
  }
}

/** By the open file, whatever has its name by now. Where a file system has no holes, the log has its length until the end. */
const makeHole = (fd: number, from: number, to: number): Promise<unknown> =>
  runBeside("fallocate", [
    ...["--punch-hole", "--offset", String(from), "--length", String(to - from)],
    `/proc/${process.pid}/fd/${fd}`,
  ]);

/** Nobody writes to it any more. */
function cut(fd: number, size: number): void {
  const tail = Buffer.alloc(TAIL);
  const read = readSync(fd, tail, 0, TAIL, size - TAIL);
  ftruncateSync(fd, HEAD);
  const said = `\nimagemake: ${size - HEAD - TAIL} bytes of this log were dropped here: it keeps its beginning and its end\n`;
  const bytes = Buffer.concat([Buffer.from(said), tail.subarray(0, read)]);
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}
