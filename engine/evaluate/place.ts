// Where the Imagefile that is being evaluated lies, and how a path is shown. It reads nothing: reads of files beneath
// evaluate/ are the loader's own, and not noticed as the Imagefile's.
import { relative } from "node:path";

/** The path relative to `from` where that is shorter, else as it is. `path` may end in `:line`. */
export function short(path: string, from = process.cwd()): string {
  const near = relative(from, path);
  return near !== "" && near.length < path.length ? near : path;
}

/** `file:line`, with the path shortened. */
export const place = (path: string, line: number): string => `${short(path)}:${line}`;

// The directory of the Imagefile that is being evaluated: what relative paths in it mean.

let directory: string | null = null;

/** Absolute; outside of an evaluation, the working directory. */
export const imagefileDirectory = (): string => directory ?? process.cwd();

/** Says which it is, or that none is evaluated any more. */
export function setImagefileDirectory(dir: string | null): void {
  directory = dir;
}
