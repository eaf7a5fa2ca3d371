// `imagemake release start [TARGET…]`: opens an explicit release, or makes an implicit one explicit, and takes the
// snapshots of everything on its roster.
import { rmSync } from "node:fs";
import type { TargetId } from "../../engine/model.js";
import { withDate } from "../../engine/names.js";
import { Exit, unwrap } from "../../engine/problem.js";
import { requireOtherNames } from "../../engine/release/check.js";
import type { Release } from "../../engine/release/record.js";
import { readReleases, releaseFile, saveRelease } from "../../engine/release/release.js";
import { rosterOf } from "../../engine/release/roster.js";
import { begun, takeSnapshots } from "../../engine/release/start.js";
import { sessionOf, tellLine } from "../life.js";
import { openImagefile, type Opened } from "../open.js";
import { output } from "../output.js";
import { counted } from "../render/numbers.js";
import type { Call } from "../call.js";
import { oneDate, select } from "../select.js";
import { whileLocked } from "../state.js";

/** Writes the release's file once all snapshots are there; nothing is built. With -n only says what it would do. */
export async function command(call: Call<"release start">): Promise<number> {
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
  return Exit.done;
}

async function start(
  call: Call<"release start">,
  opened: Opened,
  named: string | null,
  roster: readonly TargetId[],
): Promise<Release> {
  const { project, graph } = opened;
  const preview = call.options.dryRun === true;
  const about = { roster, atStart: rosterOf(graph) };
  const { release, there } = unwrap(begun(project, unwrap(readReleases(project)), named, about, Date.now()));
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
  unwrap(await takeSnapshots(pins, graph, roster, named));
  saveRelease(project, pins.release);
  if (there !== null) rmSync(releaseFile(project, there), { force: true });
  return pins.release;
}
