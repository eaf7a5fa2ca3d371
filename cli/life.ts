// What the commands of a release's life share: which release is meant, changing it under the lock, saying what came of
// it.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { asError, Exit, fail, ok, unwrap, type Result } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import type { Release, ReleaseState } from "../engine/release/record.js";
import { readReleases, releaseFile, saveRelease } from "../engine/release/release.js";
import { requireState } from "../engine/release/states.js";
import { meantOf } from "../engine/release/which.js";
import { output } from "./output.js";
import type { CallWith } from "./call.js";
import { projectOfCall, whileLocked } from "./state.js";

/** A call that changes a release. */
export type Changing = CallWith<"directory" | "file" | "release" | "dryRun" | "json" | "quiet" | "wait">;

/** The release of the call, among those on disk; `states` are those that the command leads on from. */
export const meant = (
  project: Project,
  call: CallWith<"release">,
  states: readonly ReleaseState[],
): Result<Release> =>
  meantOf(unwrap(readReleases(project)), call.options.release ?? call.args["DATECODE"], states);

/**
 * Changes the release, which must be in one of these states, under the lock; with -n only says so. `work` gives it as it is
 * to be written.
 */
export async function moveRelease(
  call: Changing,
  states: readonly ReleaseState[],
  would: (release: Release, project: Project) => string | Promise<string>,
  work: (release: Release, project: Project) => Release | Promise<Release>,
): Promise<number> {
  const project = projectOfCall(call);
  const pick = (): Release => unwrap(requireState(unwrap(meant(project, call, states)), states));
  if (call.options.dryRun === true) {
    process.stderr.write(`would ${await would(pick(), project)}\n`);
    return Exit.done;
  }
  const release = await whileLocked(call, project, async () => {
    const changed = await work(pick(), project);
    saveRelease(project, changed);
    return changed;
  });
  tell(call, project, release);
  return Exit.done;
}

/** The state, on stderr, or as data. */
export function tell(call: CallWith<"json" | "quiet">, project: Project, release: Release): void {
  const { datecode, state, collected } = release;
  const dir = collected === null ? null : resolve(project.dir, collected.dir);
  const file = releaseFile(project, release);
  if (call.options.json === true) output.write(`${JSON.stringify({ datecode, state, dir, file })}\n`);
  else if (call.options.quiet !== true)
    process.stderr.write(`release ${datecode} is ${state}${dir === null ? "" : `, ${dir}`}\n`);
}

/** The text of a small file that the command line names; `what` says what it should be. */
export function readGiven(path: string, what: string): Result<string> {
  if (!existsSync(path)) return fail(Exit.usage, `there is no ${path}`, `it should be ${what}`);
  try {
    return ok(readFileSync(path, "utf8"));
  } catch (error) {
    return fail(Exit.usage, `${path} cannot be read as ${what}`, asError(error).message);
  }
}
