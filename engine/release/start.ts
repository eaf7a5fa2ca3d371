// How a release begins: under which date, in whose place, and with the snapshots of all that it is of.
import { runProgram } from "../../cache/program.js";
import type { Action, Graph, TargetId } from "../model.js";
import { together, type Obstacles } from "../obstacles.js";
import type { Pins } from "../packages/pins.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { relationsOf } from "../relations.js";
import { standing, type Release } from "./record.js";
import { newRelease, today } from "./release.js";

/** All of the roster's, or the release is not opened. */
export async function takeSnapshots(
  pins: Pins,
  graph: Graph,
  roster: readonly TargetId[],
  named: string | null,
): Promise<Result<void>> {
  const refused = await pins.snapshot(relationsOf(graph).closure(roster));
  const problem = together(refused, narrower(graph, roster, named, refused));
  return problem === null
    ? ok(undefined)
    : { ok: false, problem: { ...problem, message: `no release was opened: ${problem.message}` } };
}

/** How to begin without what cannot be had: the targets of the roster that need none of it. */
function narrower(
  graph: Graph,
  roster: readonly TargetId[],
  named: string | null,
  refused: Obstacles,
): string | undefined {
  const needs = (target: TargetId): boolean =>
    relationsOf(graph)
      .closure([target])
      .some(({ id }: Action) => refused.has(id));
  const without = roster.filter(needs);
  const rest = roster.filter((target) => !without.includes(target));
  if (rest.length === 0) return undefined;
  const date = named === null ? "" : ` --release ${named}`;
  return `\`imagemake release start ${rest.join(" ")}${date}\` opens it without ${without.join(", ")}`;
}

/** The release as it begins, and the implicit one whose place it takes. */
export function begun(
  project: Project,
  releases: readonly Release[],
  named: string | null,
  about: Pick<Release, "roster" | "atStart">,
  now: number,
): Result<{ readonly release: Release; readonly there: Release | null }> {
  const datecode = named ?? today(now);
  const there = releases.find((release) => release.datecode === datecode) ?? null;
  if (there?.explicit === true) {
    const day = datecode.slice(0, 8);
    let respin = 1;
    while (releases.some((release) => release.datecode === `${day}.${respin}`)) respin += 1;
    const hint = `imagemake release start --release ${day}.${respin} opens a respin of that day`;
    return fail(Exit.usage, `there is a release ${datecode} already`, hint);
  }
  const more = { explicit: true, ...about, commit: commitOf(project.dir), rejected: standing(releases) };
  // Naming the date takes over what was built and pinned under it; without, the new release pins anew.
  const release =
    named !== null && there !== null ? { ...there, ...more, byName: false } : newRelease(datecode, now, more);
  return ok({ release, there });
}

/** The commit that the Imagefile's checkout is at; null outside git. */
function commitOf(dir: string): string | null {
  const { status, stdout } = runProgram("git", ["-C", dir, "rev-parse", "HEAD"]);
  return status === 0 ? stdout.toString().trim() : null;
}
