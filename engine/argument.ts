// How long one word or one variable of a command may be. It does not know the command.

/** MAX_ARG_STRLEN of execve(2), less the NUL at its end. Bytes. */
const ARGUMENT_MAX = 32 * 4096 - 1;

/** The word of the environment that a variable is; init.pl may get it with a mark before it, which counts. */
export const variableWord = (name: string, value: string): string => `+${name}=${value}`;

/** Says of a text that cannot be handed to a program how long it is, and how long it may be; null of all others. */
export function tooLong(text: string): string | null {
  const bytes = Buffer.byteLength(text);
  return bytes <= ARGUMENT_MAX
    ? null
    : `${bytes} bytes, and the kernel hands a program ${ARGUMENT_MAX} at most in one piece`;
}
