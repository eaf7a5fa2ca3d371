// Finds the file that a target was last built as: linked in the output directory, or in the store. It builds nothing,
// and does not know what the file is for.
import type { ArtifactId, ArtifactRow } from "../../cache/index.js";
import type { Session } from "../../engine/build/session.js";
import type { Judgement } from "../../engine/decide.js";
import type { TargetId } from "../../engine/model.js";
import { undated } from "../../engine/names.js";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { Presence } from "../../engine/presence.js";
import type { Looking } from "../look.js";
import { warn } from "../state.js";
import { describeDecision } from "../render/reason.js";

/** A file that is there. `stale`: why it is not what would be built now, null where it is. */
export interface Found {
  readonly path: string;
  /** Its name, without a date; the store's files have none. */
  readonly name: string;
  readonly size: number;
  readonly stale: string | null;
}

/** Builds that are looked through for one that went well. */
const BUILDS = 50;

/** Where a target's file is. Of a target that is out of date, the last one that was built. */
export async function findArtifact(
  looking: Looking,
  judgements: ReadonlyMap<string, Judgement>,
  target: TargetId,
): Promise<Result<Found>> {
  const made = lastMade(looking.session, judgements, target);
  if (!made.ok) return made;
  const { row, stale } = made.value;
  const { id, size } = row;
  const name = undated(relationsOf(looking.opened.graph).target(target)?.pattern ?? "");
  const path = await linked(looking, id);
  if (path !== null) return ok({ path, name, size, stale });
  const { store } = looking.session.decider.context;
  return store.has(id, size)
    ? ok({ path: store.path(id), name, size, stale })
    : fail(Exit.usage, `what was built for ${target} is gone from the store`, builds(target));
}

/** Says that what is used is not what would be built now. */
export function warnIfOld(target: TargetId, { stale }: Pick<Found, "stale">): void {
  if (stale !== null)
    warn(`${target} is out of date (${stale}), and this is what was built last; ${builds(target)}`);
}

const builds = (target: TargetId): string => `imagemake ${target} builds it`;

/** What a target is or, where that is not known, was when it was built last; `stale` says why. */
export function lastMade(
  { index, options }: Pick<Session, "index" | "options">,
  judgements: ReadonlyMap<string, Judgement>,
  target: TargetId,
): Result<{ readonly row: ArtifactRow; readonly stale: string | null }> {
  const found = relationsOf(options.graph).target(target);
  const judged = judgements.get(found?.action ?? "");
  if (found === undefined || judged === undefined) return fail(Exit.usage, `there is no target ${target}`);
  const known = judged.made?.outputs[found.output];
  const last = index
    .buildsOf(options.project.line, found.action, BUILDS)
    .find(({ status }) => status === "built");
  const id = known ?? (last && index.outputsOf(last.id)[found.output]);
  const row = id === undefined ? undefined : index.artifact(id);
  return row === undefined
    ? fail(Exit.usage, `${target} was never built here`, builds(target))
    : ok({ row, stale: known === undefined ? describeDecision(judged.decision) : null });
}

/** A link that is still what it was made as: under this release's name first, then under any other. */
async function linked({ session, opened }: Looking, id: ArtifactId): Promise<string | null> {
  const { context, whole } = session.decider;
  const presence = new Presence(context, whole);
  const links = context.index
    .links()
    .filter(({ artifact, line }) => artifact === id && line === opened.project.line)
    .sort((a, b) => Number(b.release === context.datecode) - Number(a.release === context.datecode));
  for (const { path } of links) if ((await presence.linkState(path, id)) === "good") return path;
  return null;
}
