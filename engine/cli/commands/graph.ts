// `imagemake graph [TARGET…]`: the graph in graphviz's language, or as JSON.
import { wantedActions } from "../../build/session.js";
import { unwrap } from "../../problem.js";
import { openImagefile } from "../open.js";
import type { Call } from "../run.js";
import { select } from "../select.js";

/** Prints every action and what it reads, or only what the named targets need. */
export async function command(call: Call): Promise<number> {
  const { graph } = unwrap(await openImagefile(call.options, call.args, false));
  const all = graph.targets.map((target) => target.id);
  const wanted = call.names.length === 0 ? all : unwrap(select(graph, call.names)).targets;
  const actions = wantedActions(graph, wanted);
  const producer = new Map(graph.targets.map((target) => [target.id, target.action]));
  const edges = actions.flatMap((action) =>
    action.inputs.flatMap((input) =>
      input.kind === "artifact" ? [[producer.get(input.target) ?? input.target, action.id] as const] : [],
    ),
  );
  if (call.options.json === true) {
    const nodes = actions.map(({ id, rule }) => ({ id, rule }));
    process.stdout.write(
      `${JSON.stringify({ nodes, edges: edges.map(([from, to]) => ({ from, to })) }, null, 2)}\n`,
    );
    return 0;
  }
  const lines = [
    "digraph imagemake {",
    "  rankdir=LR; node [shape=box];",
    ...actions.map(({ id, rule }) => `  ${JSON.stringify(id)} [label=${JSON.stringify(`${id}\n${rule}`)}];`),
    ...edges.map(([from, to]) => `  ${JSON.stringify(from)} -> ${JSON.stringify(to)};`),
    "}",
  ];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  return 0;
}
