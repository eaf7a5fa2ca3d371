// Reads a file that an Imagefile names to a rule, while it is evaluated. That it was read is noticed as any other
// read is (evaluate/track-files.ts), so that an edit evaluates the Imagefile again. It lies
// outside of evaluate/, whose own reads are the loader's and not the Imagefile's.
import { readFileSync } from "node:fs";
import { join } from "node:path";

let directory = "/";

/** The directory of the Imagefile that is being evaluated. */
export function setDirectory(dir: string): void {
  directory = dir;
}

/** The text of a file; a relative path is relative to the Imagefile. Throws what node throws. */
export const readBeside = (path: string): string =>
  readFileSync(join(path.startsWith("/") ? "/" : directory, path), "utf8");
