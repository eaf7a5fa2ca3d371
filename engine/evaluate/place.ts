// How a path is shown. It reads nothing.
import { relative } from "node:path";

/** The path relative to `from` where that is shorter, else as it is. `path` may end in `:line`. */
export function short(path: string, from = process.cwd()): string {
  const near = relative(from, path);
  return near !== "" && near.length < path.length ? near : path;
}

/** `file:line`, with the path shortened. */
export const place = (path: string, line: number): string => `${short(path)}:${line}`;
