// What may not be executed, before anything costs time; and what is left to do where something cannot be.
import type { Judgement } from "../decide.js";
import type { Executor } from "../execute/executor.js";
import type { Action } from "../model.js";
import { together, type Obstacles } from "../obstacles.js";
import type { Problem, Result } from "../problem.js";
import { relationsOf } from "../relations.js";
import type { RunOptions, Session } from "./session.js";

/** What the user may not do, all at once; null for nothing. */
export async function forbiddenAmong(
  { actions, options }: Session,
  judged: ReadonlyMap<string, Judgement>,
  open: () => Promise<Result<Executor>>,
): Promise<Problem | null> {
  const toBuild = actions.filter(({ id }) => judged.get(id)?.decision.kind === "build");
  if (toBuild.length === 0) return null;
  const executor = await open();
  if (!executor.ok) return executor.problem;
  const forbidden = await executor.value.obstacles(toBuild, "allowed");
  return together(forbidden, restHint(options, toBuild, forbidden));
}

/** Said where something is left that -k would build. */
export function restHint(
  { graph, wanted }: RunOptions,
  toBuild: readonly Action[],
  obstacles: Obstacles,
): string | undefined {
  if (obstacles.size === 0) return undefined;
  const blocked = new Set(obstacles.keys());
  const relations = relationsOf(graph);
  for (const action of graph.actions)
    if (relations.producers(action).some(({ id }) => blocked.has(id))) blocked.add(action.id);
  const open = new Set(toBuild.flatMap(({ id }) => (blocked.has(id) ? [] : [id])));
  return wanted.some((target) => open.has(relations.producer(target)?.id ?? ""))
    ? "-k builds the rest"
    : undefined;
}
