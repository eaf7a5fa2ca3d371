// Whether this machine and this user can carry an action out: tools, a terminal, root or a user namespace with ids of many
// owners; and what is left to do where not. It is asked before anything runs, and runs nothing.
import type { Judgement } from "../decide.js";
import { canHoldTrees, probeIsolation } from "../execute/local/capability.js";
import { moreIds } from "../execute/local/ids.js";
import type { Isolation } from "../execute/local/sandbox.js";
import type { Action, Tool } from "../model.js";
import { obstaclesOf, together, type Obstacles } from "../obstacles.js";
import { fail, ok, type Problem, type Result } from "../problem.js";
import { relationsOf } from "../relations.js";
import { missingTools } from "../tools.js";
import type { RunOptions, Session } from "./session.js";

/** Node has no call for extended attributes. */
const TREE_TOOLS: readonly Tool[] = [{ name: "getfattr", package: "attr" }];

/**
 * How the actions of a run are kept apart: as well as this machine can, or not where that was asked for. It is
 * tried beside the stages: who holds the lock clears those.
 */
export const isolationFor = ({ isolated, project }: RunOptions): Promise<Result<Isolation>> =>
  isolated ? probeIsolation(project.state) : Promise.resolve(ok({ kind: "process-groups" }));

/**
 * Whether layers can be laid over their parents here; where not, trees are copied, and that is said. A Problem where no tree can
 * be made.
 */
export async function checkTrees(
  { project, emit, now }: RunOptions,
  { needed, toBuild }: { readonly needed: readonly Action[]; readonly toBuild: readonly Action[] },
  isolation: Isolation,
): Promise<Result<boolean>> {
  const layered = needed.some(
    ({ outputs, within }) =>
      within !== null || outputs.some((output) => output.kind === "tree" && output.base !== null),
  );
  const trees = toBuild.some(({ outputs }) => outputs.some(({ kind }) => kind === "tree"));
  if (toBuild.length === 0 || (!layered && !trees)) return ok(true);
  const { stage } = project;
  const able = await canHoldTrees(stage, isolation, layered);
  if (!able.ok) return able;
  const { overlays, because } = able.value;
  if (layered && !overlays)
    emit({
      type: "notice",
      level: "warning",
      message: `no overlays in ${stage}, so trees are copied (${because})`,
      at: now(),
    });
  return ok(overlays);
}

/** Exit 3 with what is lacking. */
export function checkAbility(action: Action, isolation: Isolation): Result<void> {
  const makesTree = action.outputs.some((output) => output.kind === "tree");
  const tools = missingTools([...action.tools, ...(makesTree ? TREE_TOOLS : [])]);
  if (!tools.ok) return tools;
  if (action.interactive && !process.stdin.isTTY)
    return fail(3, "it asks a person, and there is no terminal");
  return checkPrivilege(action, isolation);
}

function checkPrivilege({ root, within }: Action, isolation: Isolation): Result<void> {
  if (isolation.kind === "process-groups") {
    if (root && process.getuid?.() !== 0)
      return fail(3, "root is needed without isolation", "run it with sudo, or without --no-isolation");
    return within === null
      ? ok(undefined)
      : fail(3, "namespaces are needed to run within a tree", "run it without --no-isolation");
  }
  const alone = isolation.root === "user-namespace" && isolation.ids === "one";
  return alone && root
    ? fail(3, "files of many owners are made, and you have one user id", moreIds())
    : ok(undefined);
}

/** What the user may not do, all at once; null for nothing. */
export async function forbiddenAmong(
  { actions, options }: Session,
  judged: ReadonlyMap<string, Judgement>,
): Promise<Problem | null> {
  const toBuild = actions.filter(({ id }) => judged.get(id)?.decision.kind === "build");
  if (toBuild.length === 0) return null;
  const isolation = await isolationFor(options);
  if (!isolation.ok) return isolation.problem;
  const forbidden = await obstaclesOf(toBuild, (action) => checkPrivilege(action, isolation.value));
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
