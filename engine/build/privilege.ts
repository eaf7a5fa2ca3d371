// Whether the user may do what an action needs: root, or a user namespace with ids of many owners. It is asked before
// anything starts. It does not know what the action does.
import type { Judgement } from "../decide.js";
import { probeIsolation } from "../execute/capability.js";
import { moreIds } from "../execute/ids.js";
import type { Isolation } from "../execute/sandbox.js";
import type { Action } from "../model.js";
import { obstaclesOf, together } from "../obstacles.js";
import { fail, ok, type Problem, type Result } from "../problem.js";
import { restHint } from "./rest.js";
import type { Session } from "./session.js";

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

/** What the user may not do, all at once; null for nothing. */
export async function forbiddenAmong(
  { actions, options }: Session,
  judged: ReadonlyMap<string, Judgement>,
): Promise<Problem | null> {
  const toBuild = actions.filter(({ id }) => judged.get(id)?.decision.kind === "build");
  if (!toBuild.some(({ root, within }) => root || within !== null)) return null;
  const isolation = await probeIsolation();
  const forbidden = obstaclesOf(toBuild, (action) => checkPrivilege(action, isolation));
  return together(forbidden, restHint(options, toBuild, forbidden));
}
