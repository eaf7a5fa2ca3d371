// What a killed run left behind: stages, temporary files, layers without a name. That it was killed is known by the
// note beside the lock, which outlives only a holder that could not release it. The caller decides when to look.
import { clearTemporaries } from "../../cache/io.js";
import { leftoverLayers } from "../../cache/layers.js";
import { openStore } from "../../cache/store.js";
import { clearTrials } from "../execute/capability.js";
import { removeTree } from "../execute/remove.js";
import { clearStaleStages } from "../execute/stale.js";
import type { Project } from "../project.js";

/** Removes temporary files and layers; the lock is held. What resists is in nobody's way. */
export async function clearLeftovers(project: Project): Promise<void> {
  const { state, graphs, implicit, releases, out, store, manifests, layers } = project;
  clearTemporaries([state, graphs, implicit, releases, out, manifests]);
  await clearTrials(state);
  openStore(store, null).clean();
  for (const leftover of leftoverLayers(layers)) await removeTree(leftover);
}

/** The same, and stages, for a run with nothing to do, which takes no lock: only where nobody is at work. */
export async function clearAfterCrash(project: Project, note: string): Promise<void> {
  const { isNoted, tryLock } = await import("../../cache/lock.js");
  if (!isNoted(project.lock)) return;
  const lock = tryLock(project.lock, note);
  if ("holder" in lock) return;
  try {
    if (!lock.inherited) return;
    await clearStaleStages(project.stage);
    await clearLeftovers(project);
  } finally {
    lock.release();
  }
}
