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
