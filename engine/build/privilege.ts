// Whether the user may do what an action needs: root, or a user namespace with ids of many owners. It is asked before
// anything starts. It does not know what the action does.
import { moreIds } from "../execute/ids.js";
import type { Isolation } from "../execute/sandbox.js";
import type { Action } from "../model.js";
import { fail, ok, type Result } from "../problem.js";

/** Exit 3 with what is lacking. */
export function checkPrivilege({ root, within }: Action, isolation: Isolation): Result<void> {
  if (isolation.kind === "process-groups") {
    if (root && process.getuid?.() !== 0)
      return fail(3, "root is needed", `run it with sudo; ${isolation.why}`);
    return within === null
      ? ok(undefined)
      : fail(3, "namespaces are needed to run within a tree", isolation.why);
  }
  const alone = isolation.root === "user-namespace" && isolation.ids === "one";
  return alone && root
    ? fail(3, "files of many owners are made, and you have one user id", moreIds())
    : ok(undefined);
}
