// `imagemake graph [TARGET…]`: the graph in graphviz's language, or as JSON.
import { dot } from "../../engine/graph.js";
import { Exit, unwrap } from "../../engine/problem.js";
import { openImagefile } from "../open.js";
import { output } from "../output.js";
import type { Call } from "../call.js";
import { select } from "../select.js";
import { relationsOf, targetsRead } from "../../engine/relations.js";

/** Prints every target and what it reads, or only what the named targets need. */
export async function command(call: Call<"graph">): Promise<number> {
  const { graph } = unwrap(await openImagefile(call.options, call.args, false));
  const all = graph.targets.map((target) => target.id);
  const relations = relationsOf(graph);
  const actions = relations.closure(
    call.names.length === 0 ? all : unwrap(select(graph, call.names)).targets,
  );
  const ids = new Set(actions.map((action) => action.id));
  const targets = graph.targets.filter((target) => ids.has(target.action));
  if (call.options.json !== true) {
    output.write(dot({ actions, targets }));
    return Exit.done;
  }
  const nodes = targets.map(({ id, kind, action }) => ({ id, kind, action }));
  const edges = targets.flatMap(({ id }) => {
    const action = relations.producer(id);
    return action === undefined ? [] : targetsRead(action).map((from) => ({ from, to: id }));
  });
  output.write(`${JSON.stringify({ nodes, edges }, null, 2)}\n`);
  return Exit.done;
}
