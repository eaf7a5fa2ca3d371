// Runs checkers, some at a time, and says what they found. Where one is not on this machine, what was not checked is said.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import type { Tool } from "../engine/model.js";
import { findTool, notFound } from "../engine/tools.js";

/** Checks something by a program. */
export interface Checker {
  /** What is checked, in words. */
  readonly what: string;
  readonly argv: readonly [string, ...string[]];
  /** What of the machine it takes. */
  readonly tool?: Tool;
}

/** Runs all of them, the first ones first. `say` is given lines; the value is whether nothing was found. */
export async function runCheckers(
  checkers: readonly Checker[],
  say: (text: string) => void,
): Promise<boolean> {
  const waiting = [...checkers];
  let clean = true;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { what, argv, tool } = next;
      if (tool !== undefined && findTool(tool.name) === null) {
        const { message, hint } = notFound([tool]);
        say(`not checked: ${what}; ${message}: ${hint}`);
        continue;
      }
      const { status, output } = await outcome(argv);
      if (status === 0) continue;
      clean = false;
      say(`${what} (${argv.join(" ")}):\n${output.trimEnd()}`);
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work));
  return clean;
}

function outcome([program, ...words]: Checker["argv"]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", (error) => resolve({ status: null, output: error.message }));
    child.on("close", (status) => resolve({ status, output }));
  });
}
