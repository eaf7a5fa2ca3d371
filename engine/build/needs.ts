// What a plan needs of what is known: outputs that are not here have to be made anew only where an action that is to be
// built reads them, or where they were asked for; and nothing beneath what a person brought is needed. It decides
// nothing from keys and looks at no source.
import type { Decider, Judgement } from "../decide.js";
import type { Action, Graph, TargetId } from "../model.js";
import { relationsOf } from "../relations.js";
import type { Shared } from "./shared.js";

/** Who needs what: the actions in build order, what is known of them, and what was asked for. */
interface Needing {
  readonly actions: readonly Action[];
  readonly decider: Pick<Decider, "absent" | "require" | "lacks">;
  readonly options: {
    readonly graph: Graph;
    readonly wanted: readonly TargetId[];
    readonly shared: Pick<Shared, "want" | "isIdle"> | null;
  };
}

/** The judgements of the needed actions, with those that must run after all because their outputs are not here. */
export function settleNeeds(
  { actions, decider, options }: Needing,
  judged: ReadonlyMap<string, Judgement>,
): ReadonlyMap<string, Judgement> {
  const relations = relationsOf(options.graph);
  const settled = new Map<string, Judgement>();
  const needed = new Set<TargetId>();
  const missed = new Map<TargetId, TargetId>();
  for (const target of options.wanted) {
    const action = relations.producer(target);
    if (action === undefined) continue;
    needed.add(action.id);
    const absent = decider.absent(judged.get(action.id)?.made?.outputs ?? {});
    if (absent.length > 0) missed.set(action.id, target);
  }
  const { shared } = options;
  /** What another machine made, and nobody needs here. */
  const idle = (action: TargetId, before: Judgement): Judgement =>
    shared?.isIdle(action) === true && before.made !== null
      ? { ...before, decision: { kind: "up-to-date" } }
      : before;
  // Readers before what they read.
  for (const action of [...actions].reverse()) {
    const before = judged.get(action.id);
    if (before === undefined || !needed.has(action.id)) continue;
    const target = missed.get(action.id);
    const taken = target === undefined || before.made === null ? null : shared?.want(action.id);
    const judgement: Judgement =
      target === undefined || before.made === null
        ? idle(action.id, before)
        : taken
          ? { ...before, decision: taken }
          : {
              ...before,
              decision: { kind: "build", reason: { kind: "artifact-lost", target } },
              made: null,
            };
    if (target !== undefined && judgement !== before) decider.require(action.id);
    settled.set(action.id, judgement);
    if (judgement.adopted === true) continue;
    for (const { id } of relations.producers(action)) needed.add(id);
    if (judgement.decision.kind !== "build") continue;
    for (const id of decider.lacks(action)) missed.set(relations.producer(id)?.id ?? id, id);
  }
  // In build order, which is the order in which plans are told.
  return new Map(
    actions.flatMap(({ id }) => {
      const judgement = settled.get(id);
      return judgement === undefined ? [] : [[id, judgement] as const];
    }),
  );
}
