// Whether this machine and this user can carry an action out: tools, a terminal, root or a user namespace with ids of many
// owners; and whether layers can be laid over their parents. It is asked before anything runs.
import type { Action, Tool } from "../../model.js";
import { Exit, fail, ok, type Result } from "../../problem.js";
import { missingTools } from "../../tools.js";
import { moreIds } from "./ids.js";
import type { Isolation } from "./sandbox.js";

/** Node has no call for extended attributes. */
const TREE_TOOLS: readonly Tool[] = [{ name: "getfattr", package: "attr" }];

/** Exit 3 with what is lacking. */
export function checkAbility(action: Action, isolation: Isolation): Result<void> {
  const tools = missingTools([...action.tools, ...(makesTree(action) ? TREE_TOOLS : [])]);
  if (!tools.ok) return tools;
  if (action.interactive && !process.stdin.isTTY)
    return fail(Exit.environment, "it asks a person, and there is no terminal");
  return checkPrivilege(action, isolation);
}

/** Exit 3 where this user may not. */
export function checkPrivilege({ root, within }: Action, isolation: Isolation): Result<void> {
  if (isolation.kind === "process-groups") {
    if (root && process.getuid?.() !== 0)
      return fail(
        Exit.environment,
        "root is needed without isolation",
        "run it with sudo, or without --no-isolation",
      );
    return within === null
      ? ok(undefined)
      : fail(Exit.environment, "namespaces are needed to run within a tree", "run it without --no-isolation");
  }
  const alone = isolation.root === "user-namespace" && isolation.ids === "one";
  return alone && root
    ? fail(Exit.environment, "files of many owners are made, and you have one user id", moreIds())
    : ok(undefined);
}

/** Whether it makes a tree. */
export const makesTree = ({ outputs }: Action): boolean => outputs.some(({ kind }) => kind === "tree");

/** Whether it writes over a tree that is there: as its root directory, or to make another of it. */
export const needsLayers = ({ outputs, within }: Action): boolean =>
  within !== null || outputs.some((output) => output.kind === "tree" && output.base !== null);
