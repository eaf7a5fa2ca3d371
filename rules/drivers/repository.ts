// Repositories as package requests name them: read by a schema, and their addresses as programs want them.
import { isAbsolute, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { z } from "zod";
import type { Json } from "../../engine/model.js";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";

/** Reads a request's `repo` by a schema; `needs` is said where it does not fit. */
export const readBy =
  <T>(schema: z.ZodType<T>, needs: string) =>
  (repo: Json): Result<T> => {
    const read = schema.safeParse(repo);
    return read.success ? ok(read.data) : fail(Exit.usage, needs);
  };

/** A URL as it is, or of a directory, which is relative to `base`. */
export function asUrl(given: string, base: string): string {
  const at = given.replace(/\/+$/, "");
  if (/^[a-z]+:\/\//.test(at)) return at;
  return pathToFileURL(isAbsolute(at) ? at : join(base, at)).href;
}
