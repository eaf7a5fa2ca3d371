// Finds the file that a target was last built as: linked in the output directory, or in the store. It builds nothing,
// and does not know what the file is for.
import type { ArtifactId } from "../../cache/index.js";
import type { Judgement } from "../../engine/decide.js";
import type { TargetId } from "../../engine/model.js";
import { undated } from "../../engine/names.js";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { Presence } from "../../engine/presence.js";
import type { Looking } from "../look.js";
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
  const { index, decider } = looking.session;
  const found = relationsOf(looking.opened.graph).target(target);
  const judged = judgements.get(found?.action ?? "");
  if (found === undefined || judged === undefined) return fail(Exit.usage, `there is no target ${target}`);
  const builds = `imagemake ${target} builds it`;
  const known = judged.made?.outputs[found.output];
  const id = known ?? lastBuilt(looking, found.action, found.output);
  const row = id === undefined ? undefined : index.artifact(id);
  if (id === undefined || row === undefined)
    return fail(Exit.usage, `${target} was never built here`, builds);
  const stale = known === undefined ? describeDecision(judged.decision) : null;
  const name = undated(found.pattern ?? "");
  const path = await linked(looking, id);
  if (path !== null) return ok({ path, name, size: row.size, stale });
  const { store } = decider.context;
  return store.has(id, row.size)
    ? ok({ path: store.path(id), name, size: row.size, stale })
    : fail(Exit.usage, `what was built for ${target} is gone from the store`, builds);
}

function lastBuilt({ session, opened }: Looking, action: string, output: string): ArtifactId | undefined {
  const { index } = session;
  const last = index.buildsOf(opened.project.line, action, BUILDS).find(({ status }) => status === "built");
  return last && index.outputsOf(last.id)[output];
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
