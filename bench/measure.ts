// Runs programs and takes their time and memory.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A program to run. `env` is added to this process's environment. */
export interface Program {
  readonly name: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One run: wall-clock milliseconds, exit status (null: not started, or killed), what was printed. */
export interface Run {
  readonly ms: number;
  readonly status: number | null;
  readonly output: string;
}

/** A measured program did not do what it was to do, so that its time means nothing. */
export class BenchError extends Error {}

/** Runs it once, and waits. */
export function runOnce(program: Program): Run {
  const [file = "", ...args] = program.argv;
  const begin = process.hrtime.bigint();
  const child = spawnSync(file, args, {
    cwd: program.cwd,
    env: { ...process.env, ...program.env },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  const ms = Number(process.hrtime.bigint() - begin) / 1e6;
  // Not started at all: pipes are null then, whatever the types say.
  const output = child.error === undefined ? child.stdout + child.stderr : child.error.message;
  return { ms, status: child.status, output };
}

/** Runs it once; anything but exit status 0 is the end of the benchmark. */
export function mustRun(program: Program): Run {
  const run = runOnce(program);
  if (run.status === 0) return run;
  throw new BenchError(
    `${program.argv.join(" ")} (in ${program.cwd}) ended with ${run.status ?? "no status"}:\n${tail(run.output)}`,
  );
}

/**
 * Runs the programs in turn (A B C A B C …), so that a slow moment of the machine hits all of them. The first
 * round warms the caches and does not count. `verify` sees every run, also the uncounted.
 */
export function inTurn(
  programs: readonly Program[],
  rounds: number,
  verify: (program: Program, run: Run) => void,
): ReadonlyMap<string, readonly number[]> {
  const times = new Map<string, number[]>(programs.map((program) => [program.name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const program of programs) {
      const run = mustRun(program);
      verify(program, run);
      if (round > 0) times.get(program.name)?.push(run.ms);
    }
  }
  return times;
}

/** Peak resident memory of one run in KiB, from the kernel's own account by GNU time; null without that program. */
export function peakMemory(program: Program): number | null {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-bench-time-"));
  try {
    const report = join(dir, "peak");
    const argv = ["/usr/bin/time", "-f", "%M", "-o", report, ...program.argv];
    if (runOnce({ ...program, argv }).status !== 0) return null;
    const peak = Number(readFileSync(report, "utf8").trim());
    return Number.isFinite(peak) ? peak : null;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The middle value; of an even number the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Waits, for file times to lie far enough back that a digest may be reused. */
export const settle = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(0, ms));
};

const tail = (text: string): string => text.split("\n").slice(-15).join("\n");
