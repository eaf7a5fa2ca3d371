// What does not work where the processor is emulated: targets that say so, and packages that the project names. Refused
// before anything runs, by name. It does not know why they do not.
import type { Action } from "../model.js";
import { fail, ok, type Result } from "../problem.js";
import { emulatedCpu } from "../tools.js";

/** Closures by action, as a release pins them. */
type Closures = Readonly<
  Record<string, { readonly packages: readonly { readonly name: string; readonly version: string }[] }>
>;

/** Whether what is to be built under emulation is not marked itself and holds none of `nativeOnly`. */
export function checkNative(
  actions: readonly Action[],
  closures: Closures,
  nativeOnly: readonly string[],
): Result<void> {
  const marked = new Set(nativeOnly);
  const emulated = actions.filter(({ tools }) => tools.some(({ name }) => emulatedCpu(name) !== undefined));
  const refused = emulated.flatMap(({ id, arch, native }) => {
    if (native) return [{ arch, why: `${id} is marked as native` }];
    const found = (closures[id]?.packages ?? []).filter(({ name }) => marked.has(name));
    if (found.length === 0) return [];
    const names = found.map(({ name, version }) => `${name} ${version}`).join(", ");
    return [{ arch, why: `${id} holds ${names}, which the project marks as native-only` }];
  });
  if (refused.length === 0) return ok(undefined);
  const archs = [...new Set(refused.map(({ arch }) => arch ?? "its architecture"))].join(" or ");
  return fail(
    3,
    `${refused.map(({ why }) => why).join("; ")}: not to be built under emulation`,
    `build it on a machine of ${archs}, and bring it here with imagemake release import`,
  );
}
