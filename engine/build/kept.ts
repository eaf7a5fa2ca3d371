// The stages of actions that failed, kept as they were left for `imagemake shell`: one a target, until its next build, and few
// in all. The caller holds the lock.
import { readdirSync, statfsSync } from "node:fs";
import { isDirectory } from "../../cache/io.js";
import { stageOf } from "../../cache/layout.js";
import type { Index } from "../../cache/index.js";
import { type FailedStage, failedStage } from "../execute/local/failed-stage.js";
import { removeTree } from "../execute/local/remove.js";
import { untold } from "../execute/local/stale.js";
import type { TargetId } from "../model.js";
import type { Problem } from "../problem.js";
import type { Project } from "../project.js";

/** So many are kept in all: each may hold a whole root file system. */
const KEPT = 3;

/** Where less of a file system is free, nothing is kept on it. */
const FREE = 0.1;

/** Names of the stages that are kept, the oldest first. */
export function keptStages(project: Pick<Project, "stage">): string[] {
  if (!isDirectory(project.stage)) return [];
  return readdirSync(project.stage)
    .filter((name) => isDirectory(stageOf(project, name)))
    .flatMap((name) => {
      const failed = failedStage(stageOf(project, name));
      return failed === null ? [] : [{ name, at: failed.at }];
    })
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
}

/** How a target's last build stood when it failed; null where that is not kept, or where it did not fail. */
export function keptOf(project: Project, index: Index, action: TargetId): FailedStage | null {
  const last = index.lastBuild(project.line, action);
  return last?.status === "failed" ? failedStage(stageOf(project, last.id)) : null;
}

/** Whether the stage of what failed just now stays: it says how it stood, and there is room. */
export function mayKeep(dir: string): boolean {
  if (failedStage(dir) === null) return false;
  const { bavail, blocks } = statfsSync(dir);
  return blocks === 0 || bavail / blocks >= FREE;
}

/** Removes what is kept of these targets, and the oldest of the others that are too many. Returns what stood in the way. */
export async function dropKept(
  project: Project,
  index: Index,
  actions: readonly TargetId[],
): Promise<readonly Problem[]> {
  const kept = keptStages(project);
  if (kept.length === 0) return [];
  const ids = new Set(actions.map((action) => index.lastBuild(project.line, action)?.id));
  const [gone, others] = [kept.filter((name) => ids.has(name)), kept.filter((name) => !ids.has(name))];
  gone.push(...others.slice(0, Math.max(0, others.length - KEPT)));
  const problems: Problem[] = [];
  for (const name of gone) {
    const removed = await removeTree(stageOf(project, name));
    if (!removed.ok) problems.push(removed.problem);
  }
  return untold(project, problems);
}
