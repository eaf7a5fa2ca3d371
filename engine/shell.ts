// How the text of a command is run: by bash, and so that no part of it fails unseen; and what the kernel can hand to
// a program. Within a tree that imagemake built only the tree's own shells are there, and not all of them can do it.
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
function hasPipe(text: string): boolean {
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

// What the kernel hands to a program: how long one word or one variable may be, how long all of them, and of which
// characters.

/** MAX_ARG_STRLEN of execve(2), less the NUL at its end. Bytes. */
const ARGUMENT_MAX = 32 * 4096 - 1;

/** A quarter of the usual stack, which all words and variables share. Bytes. */
const TOTAL_MAX = 2 * 1024 * 1024;

/** What the kernel counts for each word beside its text: a NUL and a pointer. Bytes. */
const EACH = 9;

/** The word of the environment that a variable is; init.pl may get it with a mark before it, which counts. */
export const variableWord = (name: string, value: string): string => `+${name}=${value}`;

/** Says of a text that cannot be handed to a program how long it is, and how long it may be; null of all others. */
export function tooLong(text: string): string | null {
  const bytes = Buffer.byteLength(text);
  return bytes <= ARGUMENT_MAX
    ? null
    : `${bytes} bytes, and the kernel hands a program ${ARGUMENT_MAX} at most in one piece`;
}

/** The same of all words and variables together, as `variableWord` has these. */
export function tooLongTogether(words: readonly string[]): string | null {
  const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word) + EACH, 0);
  return bytes <= TOTAL_MAX
    ? null
    : `${bytes} bytes, and the kernel hands a program ${TOTAL_MAX} at most in all`;
}

/** Says of a text what is in it that no word can hold; null of all others. */
export function unheld(text: string): string | null {
  if (text.includes("\0")) return "a NUL in it, which no program can be handed";
  return !/\p{Cs}/u.test(text) ? null : "half a surrogate pair in it, which is no character";
}
