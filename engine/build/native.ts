// What does not work where the processor is emulated: targets that say so, and packages that the project names.
// Refused before anything runs, by name.
import type { Action } from "../model.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { emulatedCpu } from "../tools.js";

/** Closures by action, as a release pins them. */
type Closures = Readonly<
  Record<string, { readonly packages: readonly { readonly name: string; readonly version: string }[] }>
>;

/** Whether what is to be built under emulation is not marked itself and holds none of `nativeOnly`. */
export function checkNative(
  { id, tools, arch, native }: Action,
  closures: Closures,
  nativeOnly: readonly string[],
): Result<void> {
  if (!tools.some(({ name }) => emulatedCpu(name) !== undefined)) return ok(undefined);
  const marked = new Set(nativeOnly);
  const found = (closures[id]?.packages ?? []).filter(({ name }) => marked.has(name));
  if (!native && found.length === 0) return ok(undefined);
  const names = found.map(({ name, version }) => `${name} ${version}`).join(", ");
  const why = native ? "it is marked as native" : `it holds ${names}, which the project marks as native-only`;
  return fail(
    Exit.environment,
    `${why}: not to be built under emulation`,
    `build it on a machine of ${arch ?? "its architecture"}, and bring it here with imagemake release import`,
  );
}
