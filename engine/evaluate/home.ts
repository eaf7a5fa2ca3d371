// The directory of the Imagefile that is being evaluated: what relative paths in it mean. It reads nothing: reads of
// files beneath evaluate/ are the loader's own, and not noticed as the Imagefile's.

let directory: string | null = null;

/** Absolute; outside of an evaluation, the working directory. */
export const imagefileDirectory = (): string => directory ?? process.cwd();

/** Says which it is, or that none is evaluated any more. */
export function setImagefileDirectory(dir: string | null): void {
  directory = dir;
}
