// Brings one file from a place to this machine: with xbps's own fetcher, or by copying. It verifies nothing.
import { copyFile } from "node:fs/promises";
import type { DriverContext } from "../../../engine/packages/driver.js";
import { asError, ok, type Result } from "../../../engine/problem.js";
import { isRemote } from "./repository.js";
import { run, xbpsSays } from "./run.js";

/** How it went: here, not there at all, or out of reach. */
export type Downloaded =
  | { readonly kind: "here" }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly said: string };

/** Brings `from` (a URL or a path) to `file`. */
export async function download(
  from: string,
  file: string,
  context: DriverContext,
): Promise<Result<Downloaded>> {
  if (!isRemote(from)) {
    try {
      await copyFile(from, file);
      return ok({ kind: "here" });
    } catch (thrown) {
      const absent = ["ENOENT", "ENOTDIR"].includes((thrown as NodeJS.ErrnoException).code ?? "");
      return ok(absent ? { kind: "absent" } : { kind: "failed", said: asError(thrown).message });
    }
  }
  const ran = await run(["xbps-fetch", "-o", file, from], context, { cwd: context.scratch });
  if (!ran.ok) return ran;
  if (ran.value.status === 0) return ok({ kind: "here" });
  const said = xbpsSays(ran.value);
  return ok(/: (?:Not Found|Gone)$/.test(said) ? { kind: "absent" } : { kind: "failed", said });
}
