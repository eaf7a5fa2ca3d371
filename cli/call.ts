// What a command is given, and how it says what went wrong. It knows no command.
import type { Problem } from "../engine/problem.js";
import type { Looked } from "../engine/quick.js";

/** Options every command understands; they may stand before or after its name. */
export interface GlobalOptions {
  readonly directory?: string;
  readonly file?: string;
  readonly release?: string;
  readonly dryRun?: boolean;
  readonly question?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  readonly alwaysMake?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly progress: "auto" | "tty" | "plain" | "json";
  readonly events?: string;
  readonly trace?: string;
  readonly json?: boolean;
  readonly expect?: string;
  readonly cache?: string;
  /** False with --no-wait. */
  readonly wait: boolean;
  /** False with --no-isolation. */
  readonly isolation: boolean;
}

/** A called command: its options, VAR=value words, the other words, and the options of its own. */
export interface Call {
  readonly options: GlobalOptions;
  readonly args: Readonly<Record<string, string>>;
  readonly names: readonly string[];
  readonly own: Readonly<Record<string, unknown>>;
  /** The command line as it was typed. */
  readonly argv: readonly string[];
  /** What an earlier run of it found, and what of that is not as it was. */
  readonly earlier: Looked | null;
}

/** What a module in commands/ exports: returns the exit status, throws problems as ProblemError. */
export type Handler = (call: Call) => Promise<number>;

/** A problem in words. */
export function say(problem: Problem): void {
  process.stderr.write(`imagemake: ${problem.message}\n`);
  if (problem.hint !== undefined) process.stderr.write(`  ${problem.hint.replaceAll("\n", "\n  ")}\n`);
}
