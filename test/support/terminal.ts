// A terminal of its own for a command, by script(1).
import { spawn, type ChildProcess } from "node:child_process";
import { until } from "./sandbox.js";

/** Runs a shell script in a terminal of its own; `\x03` written to its input is Ctrl-C. */
export const inTerminal = (cwd: string, script: string): ChildProcess =>
  spawn("script", ["--quiet", "--flush", "--return", "--command", script, "/dev/null"], {
    cwd,
    env: { ...process.env, TERM: "xterm-256color", CI: "" },
    stdio: ["pipe", "pipe", "pipe"],
  });

/** Types each answer when its question has come. */
export async function answer(
  terminal: ChildProcess,
  dialogue: readonly (readonly [question: string, answer: string])[],
): Promise<void> {
  let said = "";
  terminal.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  for (const [question, words] of dialogue) {
    await until(`it asks "${question}"`, () => said.includes(question));
    said = said.slice(said.indexOf(question) + question.length);
    terminal.stdin?.write(words);
  }
}
