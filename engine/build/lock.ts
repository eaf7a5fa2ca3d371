// The lock of a run, and what a run finds that takes it: stages, temporary files, layers without a name, left by one that
// was killed. That it was killed is known by the note beside the lock, which outlives only a holder that could not
// release it.
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { clearTemporaries } from "../../cache/io.js";
import { leftoverLayers } from "../../cache/layers.js";
import type { Lock } from "../../cache/lock.js";
import { reached } from "../../cache/steps.js";
import { openStore } from "../../cache/store.js";
import { clearTrials } from "../execute/local/capability.js";
import { passNothingOn } from "../execute/local/plain.js";
import { removeTree } from "../execute/local/remove.js";
import { clearStaleStages, untold } from "../execute/local/stale.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { keptStages } from "./kept.js";
import type { RunOptions } from "./session.js";

/** What taking the lock needs to know. */
export interface LockOptions extends Pick<RunOptions, "project" | "signal" | "emit" | "now"> {
  /** Fail at once when another imagemake holds it. */
  readonly noWait: boolean;
}

/** What those who wait are told. */
const lockNote = (): string => `imagemake (process ${process.pid})`;

/** Waits for the lock, or fails when it may not wait; clears what is left of those that held it before. */
export async function takeLock(options: LockOptions): Promise<Result<Lock>> {
  const { tryLock, waitForLock } = await import("../../cache/lock.js");
  const { project, signal, emit, now } = options;
  const note = lockNote();
  if (options.noWait) {
    const lock = tryLock(project.lock, note);
    return "release" in lock
      ? ok(await cleared(project, lock))
      : fail(Exit.environment, `${lock.holder} is running here`, "without --no-wait, this run waits for it");
  }
  const lock = await waitForLock(project.lock, note, signal, (holder) =>
    emit({ type: "waiting", holder, at: now() }),
  );
  return lock === "aborted"
    ? fail(Exit.failed, "interrupted while waiting for the lock")
    : ok(await cleared(project, lock));
}

/** The lock is released when what was left cannot be cleared. */
async function cleared(project: Project, lock: Lock): Promise<Lock> {
  reached("lock taken");
  const release = (): void => {
    lock.release();
    reached("lock released");
  };
  try {
    clearAllTemporaries(project);
    // The next to take the lock would not know any more that somebody was killed.
    if (lock.inherited) {
      await clearStaleStages(project.stage, keptStages(project));
      await clearLeftovers(project);
    }
    return { ...lock, release };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Makes the directories of the state fit for actions, and clears what others left of theirs; the caller holds the lock. Returns
 * what stood in the way and was not told of before.
 */
export async function clearStages(project: Project): Promise<readonly string[]> {
  const { stage, copies, store, files, layers, manifests, packages } = project;
  const passedOn = passNothingOn([stage, copies, store, files, layers, manifests, packages]);
  const { problems } = await clearStaleStages(stage, keptStages(project));
  return [
    ...(passedOn === null ? [] : [passedOn]),
    ...untold(project, problems).map(({ message }) => message),
  ];
}

/** For a run with nothing to do, which takes no lock: only where nobody is at work. */
export async function clearAfterCrash(project: Project): Promise<void> {
  const { isNoted, tryLock } = await import("../../cache/lock.js");
  if (!isNoted(project.lock)) return;
  const lock = tryLock(project.lock, lockNote());
  if ("release" in lock) (await cleared(project, lock)).release();
}

/** Of a release's file. */
const RELEASE = /^\d{8}(?:\.\d+)?\.json$/;

/**
 * Removes temporary files of what is written without the lock, too: a kill that came before it was taken left no note. They
 * are few directories with few files.
 */
function clearAllTemporaries({ state, graphs, modules, implicit, releases, line, checked }: Project): void {
  const ofAllLines = (dir: string): string[] => withDirectories(line === "" ? dir : dirname(dir));
  for (const dir of [state, graphs, modules, checked, ...ofAllLines(implicit)]) clearTemporaries(dir);
  // A person's directory: only what can be nobody else's.
  for (const dir of ofAllLines(releases)) clearTemporaries(dir, RELEASE);
}

/** A directory, if there is one, and those in it. */
function withDirectories(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const inner = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [dir, ...inner.map(({ name }) => join(dir, name))];
}

/** Removes what else a killed run left, where there may be many files. What resists is in nobody's way. */
async function clearLeftovers({ state, store, layers, out, manifests, images }: Project): Promise<void> {
  for (const dir of [out, manifests, images]) clearTemporaries(dir);
  await clearTrials(state);
  openStore(store, null).clean();
  for (const leftover of leftoverLayers(layers)) await removeTree(leftover);
  reached("leftovers cleared");
}
