// Whether this machine can carry an action out: its tools, privilege, a terminal. It looks before anything runs, and runs
// nothing.
import type { Isolation } from "../execute/sandbox.js";
import type { Action, Tool } from "../model.js";
import { fail, type Result } from "../problem.js";
import { missingTools } from "../tools.js";
import { checkPrivilege } from "./privilege.js";

/** Node has no call for extended attributes. */
const TREE_TOOLS: readonly Tool[] = [{ name: "getfattr", package: "attr" }];

/** Exit 3 with what is lacking. */
export function checkAbility(action: Action, isolation: Isolation): Result<void> {
  const makesTree = action.outputs.some((output) => output.kind === "tree");
  const tools = missingTools([...action.tools, ...(makesTree ? TREE_TOOLS : [])]);
  if (!tools.ok) return tools;
  if (action.interactive && !process.stdin.isTTY)
    return fail(3, "it asks a person, and there is no terminal");
  return checkPrivilege(action, isolation);
}
