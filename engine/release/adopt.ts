// Takes a file from elsewhere for a target of this release: the target's guards run on it, and it counts while the
// target is made from what it is made from now. It prints nothing.
import { statSync, type Stats } from "node:fs";
import { join } from "node:path";
import { copyAndHash } from "../../cache/copy.js";
import { hashFile } from "../../cache/hash.js";
import { ioProblem } from "../../cache/io.js";
import { fileId } from "../../cache/store.js";
import { makeScratch } from "../../cache/layout.js";
import { checkClaims } from "../build/claims.js";
import type { Session } from "../build/session.js";
import { checkFileGuards } from "../execute/guards.js";
import { removeTree } from "../execute/local/remove.js";
import type { Action, TargetId } from "../model.js";
import { withDate } from "../names.js";
import { obstaclesOf, unlessAny } from "../obstacles.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { linkOutputs } from "../publish.js";
import type { ReleasedArtifact } from "./record.js";
import { saveRelease } from "./release.js";
import { relationsOf } from "../relations.js";

/** A file for a target, and a person's reason. */
export interface Adoption {
  readonly target: TargetId;
  readonly file: string;
  readonly because: string;
}

/** The adoption as the release would record it, by the file or a copy of it; only looks. Exit 1 where a guard or a person's verdict is against it. */
export async function judgeAdoption(
  session: Session,
  { target, file: called, because }: Adoption,
  file = called,
): Promise<Result<{ readonly action: Action; readonly output: string; readonly entry: ReleasedArtifact }>> {
  const { graph, now } = session.options;
  const relations = relationsOf(graph);
  const [found, action] = [relations.target(target), relations.producer(target)];
  if (found === undefined || action === undefined || found.pattern === null)
    return fail(Exit.usage, `${target} is not a file`, "a file is adopted for a target that is one");
  if (action.outputs.length > 1)
    return fail(Exit.usage, `${target} is made together with others, and cannot be adopted alone`);
  const there = statsOf(file, called);
  if (!there.ok) return there;
  const stats = there.value;
  const wrong = checkFileGuards(file, action.guards);
  if (wrong !== null)
    return fail(Exit.failed, `${called} is refused for ${target}: ${wrong}`, "these are its guards");
  const digest = await hashFile(file, stats.size);
  const { release } = session.pins;
  if (session.decider.context.rejected.some((word) => word.digest === digest))
    return fail(Exit.failed, `${called} is refused for ${target}: this very file was rejected`);
  const resolved = await session.pins.resolve(session.actions, false);
  if (!resolved.ok) return resolved;
  const known = unlessAny(session.pins.refusals(session.actions));
  if (!known.ok) return known;
  const key = await session.decider.originOf(action);
  if (!key.ok) return key;
  const entry: ReleasedArtifact = {
    name: withDate(found.pattern, release.datecode),
    key: key.value,
    digest,
    executable: (stats.mode & 0o100) !== 0,
    size: stats.size,
    provenance: { kind: "adopted", at: new Date(now()).toISOString(), because },
  };
  const free = unlessAny(await obstaclesOf([action], (one) => checkClaims(session.decider, one)));
  return free.ok ? ok({ action, output: found.output, entry }) : free;
}

function statsOf(file: string, called: string): Result<Stats> {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats?.isFile() === true) return ok(stats);
  return fail(Exit.usage, `${called} ${stats === undefined ? "is not there" : "is not a regular file"}`);
}

/** Stores a copy of the file, records it and links it. What was judged is the copy. */
export async function adopt(session: Session, adoption: Adoption): Promise<Result<ReleasedArtifact>> {
  const { project } = session.options;
  const { decider, index, pins } = session;
  const there = statsOf(adoption.file, adoption.file);
  if (!there.ok) return there;
  let scratch: string | null = null;
  try {
    scratch = makeScratch(project, "adopt");
    const copy = join(scratch, "file");
    const copied = await copyAndHash(adoption.file, copy);
    if (!copied.ok) return fail(Exit.usage, copied.problem.message);
    const judged = await judgeAdoption(session, adoption, copy);
    if (!judged.ok) return judged;
    const { action, output, entry } = judged.value;
    const id = fileId(entry.digest, entry.executable);
    const added = await decider.context.store.addFile(copy, id);
    if (!added.ok) return added;
    index.addArtifact({ id, kind: "file", size: entry.size, layer: null, parent: null, form: null });
    pins.release = {
      ...pins.release,
      artifacts: { ...pins.release.artifacts, [adoption.target]: entry },
      lastBuild: new Date(session.options.now()).toISOString(),
    };
    saveRelease(project, pins.release);
    const linked = await linkOutputs(decider, action, { [output]: id });
    return "problem" in linked ? { ok: false, problem: linked.problem } : ok(entry);
  } catch (error) {
    return ioProblem(`adopt ${adoption.file}`, error);
  } finally {
    if (scratch !== null) await removeTree(scratch);
  }
}
