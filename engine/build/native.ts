// Packages that do not work where the processor is emulated: refused before anything runs, by name. It does not know why
// they do not.
import type { Action } from "../model.js";
import { fail, ok, type Result } from "../problem.js";
import { emulatedCpu } from "../tools.js";

/** Closures by action, as a release pins them. */
type Closures = Readonly<Record<string, { readonly packages: readonly { readonly name: string }[] }>>;

/** Whether what is to be built under emulation holds none of `nativeOnly`. */
export function checkNative(
  actions: readonly Action[],
  closures: Closures,
  nativeOnly: readonly string[],
): Result<void> {
  const marked = new Set(nativeOnly);
  for (const { id, arch, tools } of marked.size === 0 ? [] : actions) {
    if (!tools.some(({ name }) => emulatedCpu(name) !== undefined)) continue;
    const found = (closures[id]?.packages ?? []).map(({ name }) => name).filter((name) => marked.has(name));
    if (found.length === 0) continue;
    const names = found.join(", ");
    return fail(
      3,
      `${id} holds ${names}, which the project marks as native-only: not to be built under emulation`,
      `build it on a machine of ${arch ?? "its architecture"}, and bring it here with imagemake release import`,
    );
  }
  return ok(undefined);
}
