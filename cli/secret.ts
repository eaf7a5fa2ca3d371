// Asks a person for a secret at the terminal: it is not shown, not kept, and in no argument list.
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
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
    const asked = spawnSync("sh", ["-c", ASK, "sh", question], {
      stdio: [terminal, "pipe", terminal],
      encoding: "utf8",
    });
    if (asked.error !== undefined) return lacking;
    return asked.status === 0 && asked.stdout !== ""
      ? ok(asked.stdout)
      : fail(Exit.usage, "no passphrase was typed");
  } finally {
    closeSync(terminal);
  }
}
