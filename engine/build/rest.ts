// What is left of a build that cannot go on as a whole. It knows what reads what, and nothing of why.
import type { Action } from "../model.js";
import type { Obstacles } from "../obstacles.js";
import type { RunOptions } from "./session.js";

/** Said where something is left that -k would build. */
export function restHint(
  { graph, wanted }: RunOptions,
  toBuild: readonly Action[],
  obstacles: Obstacles,
): string | undefined {
  const blocked = new Set(obstacles.keys());
  const producer = new Map(graph.targets.map((target) => [target.id, target.action]));
  for (const { id, inputs } of graph.actions)
    if (inputs.some((input) => input.kind === "artifact" && blocked.has(producer.get(input.target) ?? "")))
      blocked.add(id);
  const open = new Set(toBuild.flatMap(({ id }) => (blocked.has(id) ? [] : [id])));
  return wanted.some((target) => open.has(producer.get(target) ?? "")) ? "-k builds the rest" : undefined;
}
