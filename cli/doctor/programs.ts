// Looks for the programs that the engine, the package managers' drivers and the actions call. It runs none of them.
import { addTo } from "../../cache/grouped.js";
import type { Action, TargetId, Tool } from "../../engine/model.js";
import type { Drivers } from "../../engine/packages/driver.js";
import { findTool, installing } from "../../engine/tools.js";
import { listed } from "../render/numbers.js";
import { fine, lacking, type Finding } from "./finding.js";

/** What the engine itself calls. */
const OWN: readonly Tool[] = [
  { name: "perl", package: "perl-base" },
  { name: "setpriv", package: "util-linux" },
  { name: "unshare", package: "util-linux" },
  { name: "mount", package: "mount" },
  { name: "umount", package: "mount" },
  { name: "sync", package: "coreutils" },
];

/** What it calls where there are trees. */
const FOR_TREES: readonly Tool[] = [{ name: "getfattr", package: "attr" }];

/** A line for each package, with its programs and the actions that call them. */
export async function programs(actions: readonly Action[], drivers: Drivers): Promise<Finding[]> {
  const packages = new Map<string, { tools: Map<string, Tool>; wanted: Set<TargetId> }>();
  const need = (tools: readonly Tool[], wanted: readonly TargetId[]): void => {
    for (const tool of tools) {
      const entry = packages.get(tool.package) ?? { tools: new Map(), wanted: new Set() };
      packages.set(tool.package, entry);
      entry.tools.set(tool.name, tool);
      for (const id of wanted) entry.wanted.add(id);
    }
  };
  need(OWN, []);
  const trees = actions.filter((action) => action.outputs.some((output) => output.kind === "tree"));
  if (trees.length > 0) need(FOR_TREES, ids(trees));
  const byDriver = new Map<string, TargetId[]>();
  for (const { id, packages: request } of actions) if (request !== null) addTo(byDriver, request.driver, id);
  for (const [name, wanted] of byDriver) need((await drivers[name]?.())?.tools ?? [], wanted);
  for (const { id, tools } of actions) need(tools, [id]);
  return [...packages].map(([name, { tools, wanted }]) => look(name, [...tools.values()], [...wanted]));
}

const ids = (actions: readonly Action[]): TargetId[] => actions.map(({ id }) => id);

function look(name: string, tools: readonly Tool[], wanted: readonly TargetId[]): Finding {
  const missing = tools.filter((tool) => findTool(tool.name) === null);
  if (missing.length > 0) {
    return lacking(`no ${listed(missing.map((tool) => tool.name))}`, installing(missing), wanted);
  }
  const programs = tools.map((tool) => tool.name);
  return fine(
    programs.length === 1 && programs[0] === name ? name : `${name}: ${programs.join(" ")}`,
    wanted,
  );
}
