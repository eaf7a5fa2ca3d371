// What the commands of a release's life share: which release is meant, changing it under the lock, saying what
// came of it. It knows none of the commands.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Graph, TargetId } from "../engine/model.js";
import { asError, ok, fail, unwrap, type Result } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import type { Release, ReleaseState } from "../engine/release/record.js";
import { readReleases, releaseFile, saveRelease, selectRelease } from "../engine/release/release.js";
import { requireState } from "../engine/release/states.js";
import { output } from "./output.js";
import type { Call } from "./call.js";
import { projectOfCall, whileLocked } from "./state.js";

/** States in which a release still has moves to come that lead to people. */
const LIVE: readonly ReleaseState[] = ["open", "collected", "signed"];

/**
 * The release of the call: named, else the newest explicit one in one of these states, else the newest explicit one that is
 * not at its end, else the one that a build joins, else the newest explicit one, else the newest.
 */
export function meant(project: Project, call: Call, states: readonly ReleaseState[]): Result<Release> {
  const releases = unwrap(readReleases(project));
  const named = call.options.release ?? call.args["DATECODE"];
  if (named !== undefined) {
    const found = releases.find(({ datecode }) => datecode === named);
    return found === undefined ? fail(2, `there is no release ${named}`) : ok(found);
  }
  const explicit = releases.filter((release) => release.explicit);
  const newest = (among: readonly ReleaseState[]): Release | undefined =>
    explicit.filter(({ state }) => among.includes(state)).at(-1);
  const found =
    newest(states) ?? newest(LIVE) ?? joinedByBuilds(releases) ?? explicit.at(-1) ?? releases.at(-1);
  return found === undefined
    ? fail(2, "there is no release here", "imagemake release start opens one")
    : ok(found);
}

/** The release that a build would join now. */
export function joinedByBuilds(releases: readonly Release[]): Release | undefined {
  const selected = unwrap(selectRelease(releases, null, Date.now()));
  return selected.kind === "joined" ? selected.release : undefined;
}

/** The one that status is about; undefined where there is none that is neither given up nor withdrawn. */
export function shownRelease(releases: readonly Release[], named: string | undefined): Release | undefined {
  if (named !== undefined) return releases.find(({ datecode }) => datecode === named);
  const explicit = releases.filter((release) => release.explicit);
  return (
    explicit.filter(({ state }) => LIVE.includes(state)).at(-1) ??
    joinedByBuilds(releases) ??
    explicit.filter(({ state }) => state === "promoted").at(-1)
  );
}

/**
 * Changes the release, which must be in one of these states, under the lock; with -n only says so. `work` gives it as it is
 * to be written.
 */
export async function moveRelease(
  call: Call,
  states: readonly ReleaseState[],
  would: (release: Release, project: Project) => string | Promise<string>,
  work: (release: Release, project: Project) => Release | Promise<Release>,
): Promise<number> {
  const project = projectOfCall(call);
  const pick = (): Release => unwrap(requireState(unwrap(meant(project, call, states)), states));
  if (call.options.dryRun === true) {
    process.stderr.write(`would ${await would(pick(), project)}\n`);
    return 0;
  }
  const release = await whileLocked(call, project, async () => {
    const changed = await work(pick(), project);
    saveRelease(project, changed);
    return changed;
  });
  tell(call, project, release);
  return 0;
}

/** What a release without a roster is about, and one that is started without targets: the project's, else every exported file. */
export function rosterOf({ project, targets }: Graph): readonly TargetId[] {
  if (project.release.of.length > 0) return project.release.of;
  return targets.filter(({ exported, kind }) => exported && kind === "file").map(({ id }) => id);
}

/** What takes a target off the roster that the Imagefile no longer has. */
export const dropping = (target: TargetId): string => `imagemake release drop ${target} --because TEXT`;

/** What the Imagefile's releases are of since this one was started, and its roster has not. */
export const offRoster = ({ roster, atStart }: Release, graph: Graph): readonly TargetId[] =>
  atStart === null
    ? []
    : rosterOf(graph).filter((id) => !atStart.includes(id) && roster?.includes(id) !== true);

/** The same in words; null where there is nothing of the kind. */
export function offRosterLine(release: Release, graph: Graph): string | null {
  const off = offRoster(release, graph);
  const [was, it] = off.length === 1 ? ["was", "it"] : ["were", "them"];
  return off.length === 0
    ? null
    : `${off.join(", ")} ${was} added after release ${release.datecode} was started, and its roster is fixed from then on: ` +
        `it goes without ${it}; \`imagemake release start\` opens another with ${it}`;
}

/** The checks of the gate that have not passed and that nobody let through: `release sign` refuses while there are any. */
export const unpassed = (
  gate: readonly TargetId[],
  hasPassed: (check: TargetId) => boolean,
  waived: Release["waived"],
): readonly TargetId[] =>
  gate.filter((check) => !hasPassed(check) && !waived.some(({ target }) => target === check));

/** The state, on stderr, or as data. */
export function tell(call: Call, project: Project, release: Release): void {
  const { datecode, state, collected } = release;
  const dir = collected === null ? null : resolve(project.dir, collected.dir);
  const file = releaseFile(project, release);
  if (call.options.json === true) output.write(`${JSON.stringify({ datecode, state, dir, file })}\n`);
  else if (call.options.quiet !== true)
    process.stderr.write(`release ${datecode} is ${state}${dir === null ? "" : `, ${dir}`}\n`);
}

/** The text of a small file that the command line names; `what` says what it should be. */
export function readGiven(path: string, what: string): Result<string> {
  if (!existsSync(path)) return fail(2, `there is no ${path}`, `it should be ${what}`);
  try {
    return ok(readFileSync(path, "utf8"));
  } catch (error) {
    return fail(2, `${path} cannot be read as ${what}`, asError(error).message);
  }
}

/** An option of a command's own, if it is text. */
export function text(call: Call, name: string): string | null {
  const value = call.own[name];
  return typeof value === "string" ? value : null;
}
