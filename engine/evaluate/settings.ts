// What project(…) says, with ids instead of handles, and what holds where it says nothing.
import { inside, type Handle, type ProjectSpec } from "../declare.js";
import type { ProjectSettings, SignSettings, Target, TargetId } from "../model.js";
import { Exit, stop } from "../problem.js";
import { handlesOf } from "./exports.js";
import type { Names } from "./ids.js";
import { short } from "./place.js";

/**
 * Settings of the graph. VAR= narrows what a bare `imagemake` builds, never what a release holds. Throws
 * (exit 2) for a target that is neither an export nor reached by one, and for a gate that is no check.
 */
export function projectSettings(
  given: ProjectSpec | undefined,
  names: Names,
  targets: readonly Target[],
): ProjectSettings {
  const { default: bare = [], epoch, nativeOnly = [], release = {} } = given ?? {};
  const ids = (field: string, values: readonly unknown[], narrowed: boolean): readonly TargetId[] => {
    const handles = values.flatMap((value) => handlesOf(value, narrowed));
    return [...new Set(handles.map((handle) => idOf(field, handle, names)))];
  };
  const files = targets.filter(({ exported, kind }) => exported && kind === "file").map(({ id }) => id);
  const gate = ids("release.gate", release.gate ?? [], false);
  const other = gate.find((id) => targets.find((target) => target.id === id)?.kind !== "verdict");
  if (other !== undefined) stop(Exit.usage, `project: release.gate: ${other} is no check`);
  return {
    default: ids("default", bare, true),
    epoch: epoch ?? null,
    nativeOnly,
    release: {
      of: release.of === undefined ? files : ids("release.of", release.of, false),
      gate,
      steps: release.steps ?? [],
      into: release.into ?? null,
      sums: { file: release.sums?.file ?? "sha256sum.txt", form: release.sums?.form ?? "bsd" },
      sign: signSettings(release.sign ?? {}),
    },
  };
}

function signSettings(given: Partial<SignSettings>): SignSettings {
  const { name = "{date}" } = given;
  return {
    ...{ tool: "signify", keys: "release-keys", name, passphrase: `${name}.pass` },
    comment: "This key is only valid for images with date {date}.",
    ...given,
  };
}

function idOf(field: string, handle: Handle, names: Names): TargetId {
  if (names.has(handle)) return names.target(handle);
  stop(Exit.usage, `${short(inside(handle).draft.at)}: project: ${field}: this target is not exported`);
}
