// Looks at what the machine gives: node, namespaces, overlays, disk and memory. It leaves nothing behind.
import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { totalmem } from "node:os";
import type { Action } from "../../engine/model.js";
import type { Result } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { canHoldTrees, probeIsolation } from "../../engine/execute/local/capability.js";
import { moreIds, ownIds, userName } from "../../engine/execute/local/ids.js";
import type { Isolation } from "../../engine/execute/local/sandbox.js";
import { formatBytes } from "../render/bytes.js";
import { NODE_LEAST, tooOld } from "../node.js";
import { fine, lacking, poor, type Finding } from "./finding.js";

/** Free disk, in bytes, without which there is no point in beginning: with trees and without. */
const [ROOM_FOR_TREES, ROOM] = [2_000_000_000, 100_000_000];

/** A line for each of them. */
export async function machine(project: Project, actions: readonly Action[]): Promise<Finding[]> {
  const isolation = await probeIsolation(whereToTry(project));
  return [
    node(),
    ...namespaces(isolation, actions),
    ...(isolation.ok ? await overlays(project, isolation.value, actions) : []),
    disk(project, actions),
    memory(actions),
  ];
}

/** It need not have been built here before. */
const whereToTry = ({ state, dir }: Project): string => (existsSync(state) ? state : dir);

function node(): Finding {
  const { node: version } = process.versions;
  const what = `node ${version}`;
  return tooOld(version) === null
    ? fine(what)
    : lacking(what, `install node ${NODE_LEAST.join(".")} or newer`);
}

function namespaces(probed: Result<Isolation>, actions: readonly Action[]): Finding[] {
  if (!probed.ok) {
    const { message, hint = "" } = probed.problem;
    return [
      lacking(
        message,
        hint,
        actions.map(({ id }) => id),
      ),
    ];
  }
  const isolation = probed.value;
  const privileged = actions.filter((action) => action.root).map(({ id }) => id);
  if (isolation.kind === "process-groups" || isolation.root === "real") return [fine("namespaces, as root")];
  const inside = fine("namespaces, as root of a user namespace");
  if (ownIds() === "all" || privileged.length === 0) return [inside];
  return [
    inside,
    lacking("only one user id in namespaces, and trees have many owners", moreIds(), privileged),
  ];
}

/** Without overlays trees are copied; without extended attributes there are none. */
async function overlays(
  project: Project,
  isolation: Isolation,
  actions: readonly Action[],
): Promise<Finding[]> {
  const makers = (layered: boolean): string[] =>
    actions
      .filter(({ outputs }) =>
        outputs.some((output) => output.kind === "tree" && (!layered || output.base !== null)),
      )
      .map(({ id }) => id);
  const [trees, layered] = [makers(false), makers(true)];
  if (trees.length === 0) return [];
  const able = await canHoldTrees(whereToTry(project), isolation, layered.length > 0);
  if (!able.ok) return [lacking(able.problem.message, able.problem.hint ?? "", trees)];
  const { overlays: can, because } = able.value;
  if (layered.length === 0) return [];
  if (can) return [fine("overlays: trees are layers", layered)];
  const what = `no overlays, so that trees are copied (${because})`;
  return [poor(what, "put the project on ext4, xfs or btrfs", layered)];
}

function disk(project: Project, actions: readonly Action[]): Finding {
  try {
    accessSync(project.dir, constants.W_OK);
  } catch {
    return lacking(`${project.dir} cannot be written`, `give it to ${userName()}, or use sudo`);
  }
  const { bavail, bsize } = statfsSync(project.dir);
  const free = bavail * bsize;
  const trees = actions.some((action) => action.outputs.some((output) => output.kind === "tree"));
  const room = trees ? ROOM_FOR_TREES : ROOM;
  const what = `disk: ${formatBytes(free)} free in ${project.dir}`;
  return free >= room
    ? fine(what)
    : lacking(what, `free some: ${formatBytes(room)} at least; imagemake cache gc drops what nothing needs`);
}

function memory(actions: readonly Action[]): Finding {
  const limit = process.constrainedMemory();
  const here = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const greedy = actions.filter(({ resources }) => resources.memory > here);
  const what = `memory: ${formatBytes(here)}`;
  if (greedy.length === 0) return fine(what);
  const most = greedy.reduce((most, { resources }) => Math.max(most, resources.memory), 0);
  return lacking(
    what,
    `${formatBytes(most)} are wanted`,
    greedy.map(({ id }) => id),
  );
}
