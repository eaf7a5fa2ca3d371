// `imagemake release start [TARGET…]`: opens an explicit release, or makes an implicit one explicit, and takes the
// snapshots of everything on its roster.
import { rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import type { Action, Graph, TargetId } from "../../engine/model.js";
import { withDate } from "../../engine/names.js";
import { together, type Obstacles } from "../../engine/obstacles.js";
import type { Pins } from "../../engine/packages/pins.js";
import { ProblemError, stop, unwrap } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { relationsOf } from "../../engine/relations.js";
import { requireOtherNames } from "../../engine/release/check.js";
import { standing, type Release } from "../../engine/release/record.js";
import { newRelease, readReleases, releaseFile, saveRelease, today } from "../../engine/release/release.js";
import { sessionOf, tellLine } from "../exchange.js";
import { rosterOf } from "../life.js";
import { openImagefile, type Opened } from "../open.js";
import { output } from "../output.js";
import { counted } from "../render/count.js";
import type { Call } from "../call.js";
import { oneDate, select } from "../select.js";
import { whileLocked } from "../state.js";

/** Writes the release's file once all snapshots are there; nothing is built. With -n only says what it would do. */
export async function command(call: Call): Promise<number> {
  const preview = call.options.dryRun === true;
  const opened = unwrap(await openImagefile(call.options, call.args, !preview));
  const { project, graph } = opened;
  const selection = call.names.length === 0 ? null : unwrap(select(graph, call.names));
  const roster = selection?.targets ?? rosterOf(graph);
  const named = unwrap(oneDate(selection?.datecode ?? null, opened.datecode));
  const begin = (): Promise<Release> => start(call, opened, named, roster);
  const release = await (preview ? begin() : whileLocked(call, project, begin));
  const file = releaseFile(project, release);
  const { datecode, snapshots } = release;
  if (call.options.json === true) output.write(`${JSON.stringify({ datecode, file, roster, snapshots })}\n`);
  else if (preview) process.stderr.write(`would open release ${datecode} with ${roster.length} targets\n`);
  else {
    const taken = Object.keys(snapshots).length;
    const pinned = taken === 0 ? "" : ` and ${counted(taken, "snapshot")}`;
    tellLine(call, `release ${datecode} is open with ${counted(roster.length, "target")}${pinned}\n${file}`);
  }
  return 0;
}

async function start(
  call: Call,
  opened: Opened,
  named: string | null,
  roster: readonly TargetId[],
): Promise<Release> {
  const { project, graph } = opened;
  const preview = call.options.dryRun === true;
  const { release, there } = begun(project, named, { roster, atStart: rosterOf(graph) }, Date.now());
  const names = graph.targets.flatMap(({ id, pattern }) =>
    roster.includes(id) && pattern !== null ? [withDate(pattern, release.datecode)] : [],
  );
  unwrap(requireOtherNames(names, graph.project.release.sums.file));
  const { pins, actions } = sessionOf(call, opened, release.datecode, roster, preview);
  pins.release = release;
  if (preview) {
    for (const name of await pins.lacking(actions)) tellLine(call, `would take the snapshot of ${name}`);
    return release;
  }
  await takeSnapshots(pins, graph, roster, named);
  saveRelease(project, pins.release);
  if (there !== null) rmSync(releaseFile(project, there), { force: true });
  return pins.release;
}

/** All of the roster's, or the release is not opened. */
async function takeSnapshots(
  pins: Pins,
  graph: Graph,
  roster: readonly TargetId[],
  named: string | null,
): Promise<void> {
  const refused = await pins.snapshot(relationsOf(graph).closure(roster));
  const problem = together(refused, narrower(graph, roster, named, refused));
  if (problem !== null)
    throw new ProblemError({
      ...problem,
      message: `no release was opened: ${problem.message}`,
    });
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
function begun(
  project: Project,
  named: string | null,
  about: Pick<Release, "roster" | "atStart">,
  now: number,
): { readonly release: Release; readonly there: Release | null } {
  const releases = unwrap(readReleases(project));
  const datecode = named ?? today(now);
  const there = releases.find((release) => release.datecode === datecode) ?? null;
  if (there?.explicit === true) {
    const day = datecode.slice(0, 8);
    let respin = 1;
    while (releases.some((release) => release.datecode === `${day}.${respin}`)) respin += 1;
    const hint = `imagemake release start --release ${day}.${respin} opens a respin of that day`;
    return stop(2, `there is a release ${datecode} already`, hint);
  }
  const more = { explicit: true, ...about, commit: commitOf(project.dir), rejected: standing(releases) };
  // Naming the date takes over what was built and pinned under it; without, the new release pins anew.
  const release =
    named !== null && there !== null ? { ...there, ...more, byName: false } : newRelease(datecode, now, more);
  return { release, there };
}

/** The commit that the Imagefile's checkout is at; null outside git. */
function commitOf(dir: string): string | null {
  const git = spawnSync("git", ["-C", dir, "rev-parse", "HEAD"], { encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : null;
}
