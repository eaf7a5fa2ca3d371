// How the text of a command is run: by bash, and so that no part of it fails unseen. Within a tree that imagemake built
// only the tree's own shells are there, and not all of them can do it.
import type { Tool } from "./model.js";

/**
 * The first command that fails ends the text, also in `$( )` (which bash leaves out unless told), and also before a pipe:
 * `producer | xz > "$OUT"` is no success when the producer was killed.
 */
const STRICT = ["-O", "inherit_errexit", "-eu", "-o", "pipefail"] as const;

/** What runs text on the host; its version is in the key of the action. */
export const SHELL: Tool = { name: "bash", package: "bash" };

/** Words that run `text` on the host. */
export const runsText = (text: string): string[] => [SHELL.name, ...STRICT, "-c", text];

/** Words that run a script of ours, a file, on the host. */
export const runsScript = (path: string): string[] => [SHELL.name, ...STRICT, path];

/** A command as a person wrote it: the text of one that `runsText` made. */
export const asWritten = (argv: readonly string[]): string => {
  const text = argv[STRICT.length + 2];
  return text !== undefined && argv.join("\0") === runsText(text).join("\0") ? text : argv.join(" ");
};

/**
 * Chooses among a tree's shells: bash (inherit_errexit came with 4.4), else an sh that has pipefail, as busybox's has.
 * Any other runs text without a pipe. $1: the text; $2: not empty where it has a pipe.
 */
const CHOOSE = /* sh, not SC3040: whether it has pipefail is tried */ `
if command -v bash >/dev/null 2>&1; then
    ! bash -O inherit_errexit -c : 2>/dev/null || exec bash ${STRICT.join(" ")} -c "$1"
    exec bash -eu -o pipefail -c "$1"
fi
! (set -o pipefail) 2>/dev/null || exec sh -eu -o pipefail -c "$1"
[ -z "$2" ] || {
    echo "imagemake: this command has a pipe, and the tree that it runs within has neither bash nor an sh with pipefail:" \\
        "a program that fails before the pipe would not be noticed. Install bash in that tree, or write the first" \\
        "program's output to a file and read that." >&2
    exit 1
}
exec sh -eu -c "$1"`;

/** Words that run `text` within a tree. */
export const runsTextWithin = (text: string): string[] => [
  ...["sh", "-c", CHOOSE, "sh", text],
  hasPipe(text) ? "pipe" : "",
];

/**
 * Whether shell text has a pipe: a `|` that is not part of `||` or `>|`, outside of comments and of quotes that hold no
 * command. What only looks like one (a `case` with alternatives, a here-document) counts too.
 */
export function hasPipe(text: string): boolean {
  const bare = text
    .replace(/\\./gs, "")
    .replace(/'[^']*'|"(?:[^"$`]|\$(?!\())*"/g, "")
    .replace(/(^|[\s;&(])#.*$/gm, "$1");
  return /(?<![|>])\|(?!\|)/.test(bare);
}

/** What a person has to know who sees this exit status of shell text; null where it says enough. */
export const endedInPipe = (status: number): string | null =>
  // 128 + SIGPIPE.
  status === 141
    ? "status 141: a program wrote to a pipe whose reader had ended (… | head); read all of it, or write to a file"
    : null;
