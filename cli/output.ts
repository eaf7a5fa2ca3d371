// Standard output: the data of a command. Whatever of it could not be written is known at the end, when `run` says so;
// only a reader that went away (`| head -1`) is no fault.
import { fstatSync, readdirSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { ioProblem, codeOf } from "../cache/io.js";
import { Exit, type Problem } from "../engine/problem.js";

const FD = 1;

let lost: Problem | null = null;
let left = false;
let kind: "stream" | "file" | "closed" | null = null;

function lose(error: unknown): void {
  if (codeOf(error) === "EPIPE") left = true;
  if (left || lost !== null) return;
  const refused = ioProblem("write to standard output", error);
  if (!refused.ok) lost = refused.problem;
}

/** A file and a device are written here, whole: of a write that is cut short, node's own stream says nothing. */
function writeAll(data: string | Uint8Array): void {
  try {
    for (let rest: Uint8Array = Buffer.from(data); rest.length > 0;)
      rest = rest.subarray(writeSync(FD, rest));
  } catch (error) {
    lose(error);
  }
}

function kindOf(): "stream" | "file" | "closed" {
  const stats = fstatSync(FD);
  if (process.stdout.isTTY || stats.isFIFO() || stats.isSocket()) return "stream";
  return wasClosed() ? "closed" : "file";
}

/** Where a command writes its data. */
export const output = {
  /** False when the reader is slow: then `flushed` says when to go on. */
  write(data: string | Uint8Array): boolean {
    if (left || lost !== null) return true;
    kind ??= kindOf();
    if (kind === "stream") return process.stdout.write(data);
    if (kind === "file") writeAll(data);
    else lost = { exit: Exit.environment, message: "cannot write to standard output: it is closed" };
    return true;
  },
  /** Nobody reads any more, or nothing can be written. */
  get over(): boolean {
    return left || lost !== null;
  },
  get isTTY(): boolean {
    return process.stdout.isTTY;
  },
  get columns(): number {
    return process.stdout.columns;
  },
  on: (event: string, listener: (...args: unknown[]) => void) => process.stdout.on(event, listener),
  off: (event: string, listener: (...args: unknown[]) => void) => process.stdout.off(event, listener),
};

/** To be called once, before anything is written. */
export function watchOutput(): void {
  process.stdout.on("error", lose);
  // Talk that nobody can hear ends nothing.
  process.stderr.on("error", () => undefined);
}

/** Resolved when all that was written has gone out; the problem where it could not. */
export async function flushed(): Promise<Problem | null> {
  if (kind === "stream" && !output.over && !process.stdout.destroyed)
    await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  return lost;
}

/**
 * Whether we were started with `>&-`. Node then opens /dev/null for reading and writing in its place, and so do some
 * of those who throw output away on purpose: they hold it open themselves, as Python does, or are node.
 */
function wasClosed(): boolean {
  if (!isNullBothWays("self", String(FD))) return false;
  const parent = String(process.ppid);
  try {
    if (/\/node(js)?$/.test(readlinkSync(`/proc/${parent}/exe`))) return false;
    return !readdirSync(`/proc/${parent}/fd`).some((fd) => fd !== "0" && isNullBothWays(parent, fd));
  } catch {
    // Another user's, or gone: nothing says that it was closed.
    return false;
  }
}

/** Whether that descriptor of a process is /dev/null, opened with O_RDWR. */
function isNullBothWays(process: string, fd: string): boolean {
  try {
    if (readlinkSync(`/proc/${process}/fd/${fd}`) !== "/dev/null") return false;
    const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/${process}/fdinfo/${fd}`, "utf8"))?.[1];
    return flags !== undefined && (parseInt(flags, 8) & 3) === 2;
  } catch {
    return false;
  }
}
