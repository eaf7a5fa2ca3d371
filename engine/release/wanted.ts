// What a release is to be collected from: for each target of its roster the artifact that it is now, or why there is none.
import { hostname } from "node:os";
import { digestOf } from "../../cache/store.js";
import type { Session } from "../build/session.js";
import type { Judgement } from "../decide.js";
import type { TargetId } from "../model.js";
import { withDate } from "../names.js";
import type { Decision } from "../reason.js";
import { relationsOf } from "../relations.js";
import type { ToCollect } from "./collect.js";
import type { Release, ReleasedArtifact } from "./record.js";

/** A target that cannot be collected: it is not in the Imagefile, was rejected, or is not up to date. */
export interface Unwhole {
  readonly target: TargetId;
  readonly why: "gone" | "rejected" | Decision;
}

/** The files of a release, the passes of its gate, and what is wrong with it. */
export interface WantedFiles {
  readonly items: readonly ToCollect[];
  readonly verdicts: Release["verdicts"];
  readonly wrong: readonly Unwhole[];
}

/** Looks up what the targets of `roster` were judged to be. */
export function wantedFiles(
  session: Session,
  judgements: ReadonlyMap<TargetId, Judgement>,
  roster: readonly TargetId[],
  release: Release,
): WantedFiles {
  const { graph } = session.options;
  const relations = relationsOf(graph);
  const wrong: Unwhole[] = [];
  const items: ToCollect[] = [];
  for (const id of roster) {
    const target = relations.target(id);
    const judged = target === undefined ? undefined : judgements.get(target.action);
    const artifact = target === undefined ? undefined : judged?.made?.outputs[target.output];
    const row = artifact === undefined ? undefined : session.index.artifact(artifact);
    if (target === undefined || judged === undefined) wrong.push({ target: id, why: "gone" });
    else if (judged.decision.kind !== "up-to-date") wrong.push({ target: id, why: judged.decision });
    else if (
      session.decider.context.rejected.some(
        ({ digest }) => artifact !== undefined && digest === digestOf(artifact),
      )
    )
      wrong.push({ target: id, why: "rejected" });
    else if (target.pattern !== null && artifact !== undefined && row !== undefined) {
      const [key, digest] = [judged.key ?? "", digestOf(artifact)];
      const before = release.artifacts[id];
      const result = session.index.resultOf(key);
      const at = new Date(result?.started ?? Date.now()).toISOString();
      const machine = session.index.originOf(result?.id ?? "")?.machine ?? hostname();
      const provenance: ReleasedArtifact["provenance"] =
        before?.digest === digest ? before.provenance : { kind: "built", at, machine };
      const name = withDate(target.pattern, release.datecode);
      const executable = artifact.startsWith("x:");
      items.push({
        target: id,
        id: artifact,
        artifact: { name, key, digest, executable, size: row.size, provenance },
      });
    }
  }
  const at = new Date().toISOString();
  const passed = graph.project.release.gate.flatMap((id) => {
    const judged = judgements.get(relations.target(id)?.action ?? "");
    return judged?.decision.kind === "up-to-date" && judged.key !== null
      ? [[id, { key: judged.key, at }] as const]
      : [];
  });
  return { items, verdicts: Object.fromEntries(passed), wrong };
}
