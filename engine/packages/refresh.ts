// Which package lists a refresh resolves anew: those of the named targets, and of all that is built on them.
// It knows the graph only.
import type { Action, Graph, TargetId } from "../model.js";
import { relationsOf, targetsRead } from "../relations.js";

/** The actions whose closures are taken anew, in build order; all that have packages where no target is named. */
export function toRefresh(graph: Graph, targets: readonly TargetId[] | null): readonly Action[] {
  if (targets === null) return graph.actions.filter((action) => action.packages !== null);
  const chosen = relationsOf(graph).dependents(ownActions(graph, targets));
  return graph.actions.filter((action) => action.packages !== null && chosen.has(action.id));
}

/** The actions with packages that are these targets' own, apart from what they are built on. */
export function ownLists(graph: Graph, targets: readonly TargetId[]): readonly Action[] {
  const own = ownActions(graph, targets);
  return graph.actions.filter((action) => action.packages !== null && own.has(action.id));
}

/** Whether a target has packages of its own. */
export const hasOwnPackages = (graph: Graph, target: TargetId): boolean =>
  ownLists(graph, [target]).length > 0;

/**
 * The actions that make these targets, down to the next exported target: a packed tree's layers are its own,
 * the root filesystem under them has a name of its own.
 */
function ownActions(graph: Graph, targets: readonly TargetId[]): Set<TargetId> {
  const relations = relationsOf(graph);
  const exported = new Set(graph.targets.flatMap((target) => (target.exported ? [target.id] : [])));
  const named = new Set(targets.map(packedName));
  const isOthers = (id: TargetId): boolean => exported.has(packedName(id)) && !named.has(packedName(id));
  const own = new Set<TargetId>();
  const pending = [...targets];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const action = relations.producer(id);
    if (action === undefined || own.has(action.id)) continue;
    own.add(action.id);
    for (const read of targetsRead(action)) if (!isOthers(read)) pending.push(read);
  }
  return own;
}

/** A packed tree is `<id>.tree` and its file `<id>`: one thing to whoever names it. */
const packedName = (id: TargetId): TargetId => id.replace(/\.tree$/, "");
