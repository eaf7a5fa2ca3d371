// What the release commands share: which release is meant, changing it under the lock, saying what came of it, the
// place of a collected one, and a session in one.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { openSession, type Session } from "../engine/build/session.js";
import type { Emit } from "../engine/events.js";
import type { TargetId } from "../engine/model.js";
import { asError, Exit, fail, ok, type Result, stop, unwrap } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import { collectedPlace, isLimited, ownPlace } from "../engine/release/place.js";
import type { Collected, Release, ReleaseState } from "../engine/release/record.js";
import { meantOf, readReleases, releaseFile, saveRelease, type Selected } from "../engine/release/release.js";
import { requireState } from "../engine/release/states.js";
import type { CallWith } from "./call.js";
import { type Opened, openImagefile, runOf } from "./open.js";
import { output } from "./output.js";
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

// The place of a collected release for a command that changes something there. Who calls sudo and may not edit the
// Imagefile is held to what that says.

/** The place, with its directory absolute, or why it is not believed. */
export async function collectedOf(
  call: CallWith<"directory" | "file" | "release">,
  project: Project,
  release: Release,
): Promise<Result<Collected>> {
  const own = await ownOf(call, project, release);
  return own.ok ? collectedPlace(project, release, own.value) : own;
}

async function ownOf(
  { options, args }: CallWith<"directory" | "file" | "release">,
  project: Project,
  { datecode }: Release,
): Promise<Result<string | null>> {
  if (!isLimited(project)) return ok(null);
  const opened = await openImagefile(options, args, false);
  return opened.ok ? ok(ownPlace(project, opened.value.graph.project.release.into, datecode)) : opened;
}

// What the commands between machines share: a session in the release they are about, and words for people.

/** A line on stderr, unless it should be quiet. */
export function tellLine({ options }: CallWith<"quiet">, line: string): void {
  if (options.quiet !== true) process.stderr.write(`${line}\n`);
}

/** A session over these targets, or over all. */
export function sessionOf(
  call: CallWith<"quiet">,
  opened: Opened,
  datecode: string | null,
  wanted: readonly TargetId[],
  readOnly: boolean,
): Session {
  const emit: Emit = (event) => {
    if (event.type === "phase") tellLine(call, `${event.phase} ${event.detail}`);
    if (event.type === "notice") tellLine(call, event.message);
  };
  return unwrap(openSession(runOf(opened, { wanted, datecode, emit }), readOnly));
}

/** The release, if it is there already: export, adoption and refresh open none. */
export function joined(selected: Selected, datecode: string | null): Selected {
  if (selected.kind === "joined") return selected;
  return stop(
    Exit.usage,
    datecode === null ? "no release is open" : `there is no release ${datecode}`,
    "imagemake release start opens one; a build opens one by itself",
  );
}
