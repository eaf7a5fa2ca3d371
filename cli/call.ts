// What a command is given, and how it says what went wrong.
import type { Problem } from "../engine/problem.js";
import type { Looked } from "../engine/quick.js";
import type { CommandName, OptionsOf } from "./commands.js";
import type { GlobalName, GlobalOptions } from "./option.js";
import type { Settings } from "./settings.js";

/** The words of a call. */
export interface Words {
  /** VAR=value words. */
  readonly args: Readonly<Record<string, string>>;
  /** The others. */
  readonly names: readonly string[];
  /** Options that stand on the command line itself. */
  readonly given: Readonly<Record<string, unknown>>;
  /** What holds of settings; null for commands that have no use for any. */
  readonly settings: Settings | null;
  /** The command line as it was typed. */
  readonly argv: readonly string[];
  /** What an earlier run of it found, and what of that is not as it was. */
  readonly earlier: Looked | null;
}

/** A called command. */
export interface Call<K extends CommandName> extends Words {
  readonly options: OptionsOf<K>;
}

/** A call of any command that takes these options. */
export interface CallWith<N extends GlobalName> extends Words {
  readonly options: GlobalOptions<N>;
}

/** What a module in commands/ exports: returns the exit status, throws problems as ProblemError. */
export type Handler<K extends CommandName> = (call: Call<K>) => Promise<number>;

/** A problem in words. */
export function say(problem: Problem): void {
  process.stderr.write(`imagemake: ${problem.message}\n`);
  if (problem.hint !== undefined) process.stderr.write(`  ${problem.hint.replaceAll("\n", "\n  ")}\n`);
}
