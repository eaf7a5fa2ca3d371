// Runs imagemake step by step: what steps a run reaches, and runs that stand still at one of them.
import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Step } from "../../cache/steps.js";
import type { TestProject } from "./cli.js";
import { until } from "./sandbox.js";
import { STOPPED, VARIABLE, type Watching } from "./stop-at-step.js";

const PRELOAD = new URL("./stop-at-step.js", import.meta.url).href;

/** An occurrence of a step in a run, counted from 1. */
export interface Point {
  readonly step: Step;
  readonly nth: number;
  /** What the step is of; of no account where it says where to stop. */
  readonly of?: string;
}

/** How a run ended. */
export interface StepsEnd {
  /** The steps that it reached. */
  readonly steps: readonly Point[];
  /** How many of them before it stood still; all, where it did not. */
  readonly before: number;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** A run that is watched; it leads a process group. */
export interface StepsRun {
  readonly child: ChildProcess;
  /** Waits until it stands still; fails where it ends before. */
  stopped(): Promise<void>;
  /** Lets it go on. */
  go(): void;
  /** Waits for its end. */
  ended(): Promise<StepsEnd>;
}

/** Starts imagemake, to stand still at a point, or nowhere. */
export function startAt(project: TestProject, at: Point | null, ...words: string[]): StepsRun {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-steps-"));
  const [log, gate] = [join(dir, "log"), join(dir, "gate")];
  execFileSync("mkfifo", [gate]);
  // Held open for reading and writing: neither side ever waits in open.
  const fd = openSync(gate, "r+");
  const watching: Watching = { log, gate, at };
  const env = { NODE_OPTIONS: `--import=${PRELOAD}`, [VARIABLE]: JSON.stringify(watching) };
  const child = project.start({ env, under: ["setsid"] }, ...words);
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdout?.resume();
  const closed = once(child, "close");
  const lines = (): string[] => (existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : []);
  const stands = (): boolean => lines().some((line) => line.startsWith(STOPPED));
  return {
    child,
    stopped: () =>
      until(`imagemake is at ${at?.step ?? "no step"}`, () => {
        if (!stands() && (child.exitCode !== null || child.signalCode !== null))
          throw new Error(`${child.exitCode ?? child.signalCode} before ${JSON.stringify(at)}: ${stderr}`);
        return stands();
      }),
    go: () => void writeSync(fd, "."),
    ended: async () => {
      await closed;
      const all = lines();
      const stop = all.findIndex((line) => line.startsWith(STOPPED));
      closeSync(fd);
      rmSync(dir, { recursive: true });
      const steps = counted(all.filter((line) => !line.startsWith(STOPPED)));
      const before = stop < 0 ? steps.length : stop;
      return { steps, before, status: child.exitCode, signal: child.signalCode, stderr };
    },
  };
}

/** Runs imagemake to its end and lists the steps that it reaches. */
export const stepsOf = (project: TestProject, ...words: string[]): Promise<StepsEnd> =>
  startAt(project, null, ...words).ended();

function counted(lines: readonly string[]): Point[] {
  const counts = new Map<string, number>();
  return lines.map((line) => {
    const [step = "", of = ""] = line.split("\t");
    const nth = (counts.get(step) ?? 0) + 1;
    counts.set(step, nth);
    // Only what cache/steps.ts has is published.
    return { step: step as Step, nth, of };
  });
}

/** Waits until a process has taken every signal that it was sent. */
export const taken = (pid: number): Promise<void> =>
  until(`process ${pid} has taken its signals`, () => {
    try {
      const pending = readFileSync(`/proc/${pid}/status`, "utf8").matchAll(/^S(?:ig|hd)Pnd:\s*(\w+)$/gm);
      return [...pending].every(([, mask]) => /^0*$/.test(mask ?? ""));
    } catch {
      return true;
    }
  });
