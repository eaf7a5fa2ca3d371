// New snapshots for a release: whose, and what they change in its packages. It writes no release file.
import type { Action, Graph, TargetId } from "../model.js";
import { type Obstacles, unlessAny } from "../obstacles.js";
import { packageChanges } from "../packages/closure.js";
import type { Pins } from "../packages/pins.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { PackageChange } from "../reason.js";
import { relationsOf, targetsRead } from "../relations.js";

/** What a refresh changes in one target's packages. */
export interface Row {
  readonly target: TargetId;
  readonly changes: readonly PackageChange[];
}

/** What came of it: what changed, what was resolved for the first time, and what could not be. */
export interface Refreshed {
  readonly rows: readonly Row[];
  readonly added: readonly { readonly target: TargetId; readonly packages: number }[];
  readonly refused: Obstacles;
}

/** What helps where some lists cannot be resolved in the new snapshots: nothing is written down until then. */
function restOf(isNamed: boolean, isAll: boolean): string {
  const stays = "the release stays as it was";
  if (isAll) return stays;
  return isNamed
    ? `${stays}; -k refreshes the rest`
    : `${stays}; -k refreshes the rest, and so does naming it`;
}

/**
 * Resolves anew what the release has resolved already, and what is named. The rest comes with the next build, out of the
 * new snapshots too: what could not be resolved was asked of the old one.
 */
export async function refresh(
  pins: Pins,
  graph: Graph,
  targets: readonly TargetId[] | null,
  keepGoing: boolean,
): Promise<Result<Refreshed>> {
  const before = pins.release.closures;
  const { roster } = pins.release;
  const all =
    targets === null && roster !== null && roster.length > 0
      ? relationsOf(graph)
          .closure(roster)
          .filter(({ packages }) => packages !== null)
      : toRefresh(graph, targets);
  const named = targets === null ? [] : ownLists(graph, targets);
  const actions = all.filter((action) => Object.hasOwn(before, action.id) || named.includes(action));
  // All in one go, also those of lists that nothing has resolved yet: a release is of one moment.
  const unreachable = await pins.snapshot([...new Set([...(await pins.forget(all)), ...named])]);
  const stays = "the release stays as it was";
  const narrower = "naming targets refreshes what they are built from";
  const reached = unlessAny(unreachable, targets === null ? `${stays}; ${narrower}` : stays);
  if (!reached.ok) return reached;
  const resolved = await pins.resolve(actions, keepGoing);
  if (!resolved.ok) return resolved;
  const refused = pins.refusals(actions);
  const isAll = actions.every(({ id }) => refused.has(id));
  const whole = keepGoing ? ok(undefined) : unlessAny(refused, restOf(targets !== null, isAll));
  if (!whole.ok) return whole;
  const after = pins.release.closures;
  const added = actions.flatMap(({ id }) => {
    const found = Object.hasOwn(before, id) ? undefined : after[id];
    return found === undefined ? [] : [{ target: id, packages: found.packages.length }];
  });
  const rows = actions.flatMap(({ id }) => {
    if (!Object.hasOwn(before, id)) return [];
    const changes = packageChanges(before[id]?.packages ?? [], after[id]?.packages ?? []);
    return changes.length === 0 ? [] : [{ target: id, changes }];
  });
  return ok({ rows, added, refused });
}

/** Targets without packages are a mistake, unless they came along with others (in a group). */
export function requireOwn(graph: Graph, targets: readonly TargetId[] | null): Result<void> {
  if (targets === null || targets.some((target) => hasOwnPackages(graph, target))) return ok(undefined);
  const names = targets.join(", ");
  const what = targets.length === 1 ? `${names} has no packages of its own` : `none of ${names} has packages`;
  return fail(Exit.usage, what, "name what is built from packages, or nothing for all");
}

// Which package lists a refresh resolves anew: those of the named targets, and of all that is built on them.
// It knows the graph only.

/** The actions whose closures are taken anew, in build order; all that have packages where no target is named. */
export function toRefresh(graph: Graph, targets: readonly TargetId[] | null): readonly Action[] {
  if (targets === null) return graph.actions.filter((action) => action.packages !== null);
  const chosen = relationsOf(graph).dependents(ownActions(graph, targets));
  return graph.actions.filter((action) => action.packages !== null && chosen.has(action.id));
}

/** The actions with packages that are these targets' own, apart from what they are built on. */
function ownLists(graph: Graph, targets: readonly TargetId[]): readonly Action[] {
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
