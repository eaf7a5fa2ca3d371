// Clears what a crash left in the stage directory. The caller holds the lock: no stage in there is in use.
// Mounts of actions died with their namespaces; what is still mounted there was mounted by somebody else.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { asError, type Problem } from "../problem.js";
import { removeTree } from "./remove.js";

/** Names of the stages that were cleared, and what stood in the way of the others. */
export interface Cleared {
  readonly cleared: readonly string[];
  readonly problems: readonly Problem[];
}

/** Unmounts and deletes every stage below `stageDir`; a directory that is not there has none. */
export async function clearStaleStages(stageDir: string): Promise<Cleared> {
  const cleared: string[] = [];
  const problems: Problem[] = [];
  for (const name of stages(stageDir, problems)) {
    const removed = await removeTree(join(stageDir, name), { unmount: true });
    if (removed.ok) cleared.push(name);
    else problems.push(removed.problem);
  }
  return { cleared, problems };
}

function stages(stageDir: string, problems: Problem[]): readonly string[] {
  try {
    return existsSync(stageDir) ? readdirSync(stageDir) : [];
  } catch (error) {
    problems.push({ exit: 3, message: `${stageDir} could not be read`, hint: asError(error).message });
    return [];
  }
}
