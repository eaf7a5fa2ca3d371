// Asks a person for a secret at the terminal: it is not shown, not kept, and in no argument list.
import { closeSync, openSync } from "node:fs";
import { runProgram } from "../cache/program.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";

/** A shell, because it puts the terminal back also when Ctrl-C ends us in the middle of the line. */
const ASK = /* sh */ `saved=$(stty -g)
trap 'stty "$saved"; echo >&2' EXIT
trap 'exit 130' INT TERM HUP
stty -echo
printf '%s' "$1" >&2
IFS= read -r line
printf '%s' "$line"`;

/** What is typed after the question. A problem (exit 3) where there is no terminal. */
export function askSecret(question: string): Result<string> {
  const lacking = fail(
    Exit.environment,
    "a passphrase is to be typed, and there is no terminal",
    "--passphrase-file FILE gives it",
  );
  let terminal: number;
  try {
    terminal = openSync("/dev/tty", "r+");
  } catch {
    return lacking;
  }
  try {
    const { status, stdout } = runProgram("sh", ["-c", ASK, "sh", question], { terminal });
    if (status === null) return lacking;
    return status === 0 && stdout.length > 0
      ? ok(stdout.toString())
      : fail(Exit.usage, "no passphrase was typed");
  } finally {
    closeSync(terminal);
  }
}
