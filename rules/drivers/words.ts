// Words out of what programs print. It does not know which program.

/** The last line that is not empty. */
export const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
