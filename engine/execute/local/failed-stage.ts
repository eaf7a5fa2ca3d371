// How an action stood when it failed, kept in its stage: enough to start a shell where its command ran. It starts nothing.
import { isPlain, readPlain } from "../../../cache/io.js";
import { failedPath } from "../../../cache/layout.js";
import { checksumHolds, withChecksum, writeWhole } from "../../../cache/write.js";
import type { Action } from "../../model.js";
import type { Failure } from "../../reason.js";
import { emulatedIn } from "./within.js";
import type { Placed } from "./place.js";
import type { Job } from "./sandbox.js";

/** What a command sees, without the command. */
export type Surroundings = Pick<
  Job,
  "stage" | "root" | "cwd" | "place" | "env" | "mounts" | "layersDir" | "emulated" | "devices"
>;

/** An action that failed, and what its command saw. */
export interface FailedStage {
  readonly action: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly failure: Failure;
  readonly seen: Surroundings;
}

/** What an action's command sees. */
export function surroundings(
  action: Action,
  { dir, work, root, cwd, env, mounts }: Placed,
  layersDir: string,
  devices: readonly string[],
): Surroundings {
  return {
    ...{ stage: dir, cwd, env, mounts, layersDir, devices },
    ...(root !== null
      ? { root, emulated: emulatedIn(action) }
      : cwd === work
        ? {}
        : { place: { from: work, to: cwd } }),
  };
}

/** Writes it into the stage, which nobody else can read: what the environment holds may be secret. */
export function markFailed(left: FailedStage): void {
  writeWhole(failedPath(left.seen.stage), withChecksum(JSON.stringify(left)));
}

/** What a stage says of itself; null where its action did not fail, or where it is not the place that it was. */
export function failedStage(stage: string): FailedStage | null {
  const file = failedPath(stage);
  const text = isPlain(file) ? readPlain(file)?.toString("utf8") : undefined;
  if (text === undefined || checksumHolds(text) !== true) return null;
  const left = JSON.parse(text) as FailedStage;
  return left.seen.stage === stage ? left : null;
}
