// What may not be executed, before anything costs time: what the machine or the user cannot do, what does not work
// where the processor is emulated; and what is left to do where something cannot be.
import type { Judgement } from "../decide.js";
import type { Executor } from "../execute/executor.js";
import type { Action } from "../model.js";
import { type Obstacles, together } from "../obstacles.js";
import { Exit, fail, ok, type Problem, type Result } from "../problem.js";
import { relationsOf } from "../relations.js";
import { emulatedCpu } from "../tools.js";
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

// What does not work where the processor is emulated: targets that say so, and packages that the project names.
// Refused before anything runs, by name.

/** Closures by action, as a release pins them. */
type Closures = Readonly<
  Record<string, { readonly packages: readonly { readonly name: string; readonly version: string }[] }>
>;

/** Whether what is to be built under emulation is not marked itself and holds none of `nativeOnly`. */
export function checkNative(
  { id, tools, arch, native }: Action,
  closures: Closures,
  nativeOnly: readonly string[],
): Result<void> {
  if (!tools.some(({ name }) => emulatedCpu(name) !== undefined)) return ok(undefined);
  const marked = new Set(nativeOnly);
  const found = (closures[id]?.packages ?? []).filter(({ name }) => marked.has(name));
  if (!native && found.length === 0) return ok(undefined);
  const names = found.map(({ name, version }) => `${name} ${version}`).join(", ");
  const why = native ? "it is marked as native" : `it holds ${names}, which the project marks as native-only`;
  return fail(
    Exit.environment,
    `${why}: it cannot be built under emulation`,
    `build it on a machine of ${arch ?? "its architecture"}, and bring it here with imagemake release import`,
  );
}
