// Whether the user may do what actions need: root, or a user namespace with ids of many owners. It is asked before
// anything starts. It does not know what the actions do.
import { probeIsolation } from "../execute/capability.js";
import { moreIds } from "../execute/ids.js";
import type { Action, TargetId } from "../model.js";
import { fail, ok, type Result } from "../problem.js";

/** Exit 3, with all the targets that lack it. */
export async function checkPrivilege(actions: readonly Action[]): Promise<Result<void>> {
  const privileged = idsOf(actions.filter((action) => action.root));
  const rooted = idsOf(actions.filter((action) => action.within !== null));
  if (privileged.length === 0 && rooted.length === 0) return ok(undefined);
  const asUser = process.getuid?.() !== 0;
  const isolation = await probeIsolation();
  if (isolation.kind === "process-groups") {
    if (asUser && privileged.length > 0)
      return fail(
        3,
        `these targets need root: ${privileged.join(", ")}`,
        `run it with sudo; ${isolation.why}`,
      );
    if (rooted.length > 0) {
      const message = `these targets run within a tree, which needs namespaces: ${rooted.join(", ")}`;
      return fail(3, message, isolation.why);
    }
    return ok(undefined);
  }
  const alone = isolation.root === "user-namespace" && isolation.ids === "one";
  return alone && privileged.length > 0
    ? fail(
        3,
        `these targets have files of many owners, and you have one user id: ${privileged.join(", ")}`,
        moreIds(),
      )
    : ok(undefined);
}

const idsOf = (actions: readonly Action[]): TargetId[] => actions.map(({ id }) => id);
