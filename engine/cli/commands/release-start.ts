// `imagemake release start [TARGET…]`: opens an explicit release, or makes an implicit one explicit.
import { rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import type { Graph, TargetId } from "../../model.js";
import { stop, unwrap } from "../../problem.js";
import type { Project } from "../../project.js";
import {
  newRelease,
  readReleases,
  releaseFile,
  saveRelease,
  today,
  type Release,
} from "../../release/release.js";
import { openImagefile } from "../open.js";
import { output } from "../output.js";
import type { Call } from "../run.js";
import { oneDate, select } from "../select.js";
import { whileLocked } from "../state.js";

/** Writes the release's file; nothing is built and no snapshot is taken before the first build. */
export async function command(call: Call): Promise<number> {
  const { project, graph, datecode: named } = unwrap(await openImagefile(call.options, call.args, true));
  const selection = call.names.length === 0 ? null : unwrap(select(graph, call.names));
  const roster = selection?.targets ?? rosterOf(graph);
  const datecode = unwrap(oneDate(selection?.datecode ?? null, named));
  const release = await whileLocked(call, project, () => startRelease(project, datecode, roster, Date.now()));
  const file = releaseFile(project, release);
  if (call.options.json === true)
    output.write(`${JSON.stringify({ datecode: release.datecode, file, roster })}\n`);
  else process.stderr.write(`release ${release.datecode} is open with ${roster.length} targets\n${file}\n`);
  return 0;
}

/** The project's, else every exported file. */
function rosterOf(graph: Graph): readonly TargetId[] {
  if (graph.project.release.of.length > 0) return graph.project.release.of;
  return graph.targets
    .filter((target) => target.exported && target.kind === "file")
    .map((target) => target.id);
}

function startRelease(
  project: Project,
  named: string | null,
  roster: readonly TargetId[],
  now: number,
): Release {
  const releases = unwrap(readReleases(project));
  const datecode = named ?? today(now);
  const there = releases.find((release) => release.datecode === datecode);
  if (there?.explicit === true) {
    const day = datecode.slice(0, 8);
    let respin = 1;
    while (releases.some((release) => release.datecode === `${day}.${respin}`)) respin += 1;
    const hint = `imagemake release start --release ${day}.${respin} opens a respin of that day`;
    return stop(2, `there is a release ${datecode} already`, hint);
  }
  const more = { explicit: true, roster, commit: commitOf(project.dir) };
  // Naming the date takes over what was built and pinned under it; without, the new release pins anew.
  const release =
    named !== null && there !== undefined
      ? { ...there, ...more, byName: false }
      : newRelease(datecode, now, more);
  saveRelease(project, release);
  if (there !== undefined) rmSync(releaseFile(project, there), { force: true });
  return release;
}

/** The commit that the Imagefile's checkout is at; null outside git. */
function commitOf(dir: string): string | null {
  const git = spawnSync("git", ["-C", dir, "rev-parse", "HEAD"], { encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : null;
}
