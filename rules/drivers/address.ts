// Where a repository is, as programs want it.
import { isAbsolute, join } from "node:path";
import { pathToFileURL } from "node:url";

/** A URL as it is, or of a directory, which is relative to `base`. */
export function asUrl(given: string, base: string): string {
  const at = given.replace(/\/+$/, "");
  if (/^[a-z]+:\/\//.test(at)) return at;
  return pathToFileURL(isAbsolute(at) ? at : join(base, at)).href;
}
