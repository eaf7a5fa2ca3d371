// What keeps actions from being tried: packages that cannot be resolved or fetched, tools and privilege that are not
// here. Each is a problem of one action; together they become one that names them all.
import type { Action, TargetId } from "./model.js";
import { Exit, ok, type ExitStatus, type Problem, type Result } from "./problem.js";

/** A problem of one action; `at` is the place in the Imagefile that is wrong, where that is what is wrong. */
export interface Obstacle extends Problem {
  readonly at?: string;
}

/** By action. */
export type Obstacles = ReadonlyMap<TargetId, Obstacle>;

/** One problem for all of them, null for none: what several have in common is said once. `hint` helps against several. */
export function together(obstacles: Obstacles, hint?: string): Problem | null {
  const groups = new Map<string, { readonly obstacle: Obstacle; readonly ids: TargetId[] }>();
  for (const [id, obstacle] of obstacles) {
    const { at, message, hint: help } = obstacle;
    const same = JSON.stringify([at, message, help]);
    const group = groups.get(same) ?? { obstacle, ids: [] };
    group.ids.push(id);
    groups.set(same, group);
  }
  const [first, ...others] = groups.values();
  if (first === undefined) return null;
  if (others.length === 0) {
    const { exit, hint: help } = first.obstacle;
    const helps = [help, hint].filter((one) => one !== undefined);
    const message = sentence(first);
    return helps.length === 0 ? { exit, message } : { exit, message, hint: helps.join("\n") };
  }
  const lines = [first, ...others].flatMap((group) => [
    `  ${sentence(group)}`,
    ...(group.obstacle.hint === undefined ? [] : [`    ${group.obstacle.hint.replaceAll("\n", "\n    ")}`]),
  ]);
  const message = `${obstacles.size} targets cannot be built:\n${lines.join("\n")}`;
  const exit = worstOf(obstacles);
  return hint === undefined ? { exit, message } : { exit, message, hint };
}

/** The same as a result. */
export function unlessAny(obstacles: Obstacles, hint?: string): Result<void> {
  const problem = together(obstacles, hint);
  return problem === null ? ok(undefined) : { ok: false, problem };
}

/** Those that `check` finds, asked of each action. */
export async function obstaclesOf(
  actions: readonly Action[],
  check: (action: Action) => Result<void> | Promise<Result<void>>,
): Promise<Map<TargetId, Obstacle>> {
  const found = new Map<TargetId, Obstacle>();
  for (const action of actions) {
    const checked = await check(action);
    if (!checked.ok) found.set(action.id, checked.problem);
  }
  return found;
}

function sentence({
  obstacle,
  ids,
}: {
  readonly obstacle: Obstacle;
  readonly ids: readonly TargetId[];
}): string {
  const { at, message } = obstacle;
  return `${at === undefined ? "" : `${at}: `}${ids.join(", ")}: ${message}`;
}

/** The status that a rebuild helps least. */
export const worstOf = (obstacles: Obstacles): ExitStatus =>
  [...obstacles.values()].reduce<ExitStatus>((worst, { exit }) => (exit > worst ? exit : worst), Exit.failed);
