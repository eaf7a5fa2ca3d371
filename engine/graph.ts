// The order of a graph's actions and its cycles, by graphlib, and its picture. What is asked once there is an order is
// in relations.ts.
import { Graph as Graphlib, alg } from "@dagrejs/graphlib";
import { grouped } from "../cache/grouped.js";
import type { Graph } from "./model.js";
import { Exit, fail, ok, type Result } from "./problem.js";
import { relationsOf, targetsRead } from "./relations.js";

/** Something with a name, and the names of what has to be there first. */
export interface Node {
  readonly id: string;
  readonly needs: readonly string[];
}

/** Questions about nodes and what they need. */
export interface Dependencies {
  /** Every id after what it needs; ids stay as given where that is an order already. Fails with the cycle. */
  order(): Result<readonly string[]>;
  /** A way from an id back to itself, the same id first and last; null where there is none. */
  cycle(): readonly string[] | null;
}

/** Throws when a node needs one that is not there: whoever made the nodes is at fault. */
export function dependencies(nodes: readonly Node[]): Dependencies {
  // Nodes are called by their number: graphlib keeps them in objects, where names like "constructor" are
  // taken, and where numbers stay in order.
  const numbers = new Map(nodes.map(({ id }, i) => [id, String(i)]));
  const graph = new Graphlib();
  for (const i of numbers.values()) graph.setNode(i);
  for (const { id, needs } of nodes) {
    for (const need of needs) graph.setEdge(numberOf(id), numberOf(need));
  }

  function numberOf(id: string): string {
    const number = numbers.get(id);
    if (number === undefined) throw new Error(`the graph has no ${id}`);
    return number;
  }
  const idOf = (number: string): string => nodes[Number(number)]?.id ?? "";

  function cycle(): readonly string[] | null {
    // A component that is a cycle, or several through one another.
    const component = alg.findCycles(graph)[0];
    if (component === undefined) return null;
    const within = new Set(component);
    const way: string[] = [];
    // Going on within the component, some node comes again: the way from there is the cycle.
    let at = component.reduce((least, one) => (Number(one) < Number(least) ? one : least));
    while (!way.includes(at)) {
      way.push(at);
      at = graph.successors(at)?.find((one) => within.has(one)) ?? at;
    }
    return [...way.slice(way.indexOf(at)), at].map(idOf);
  }

  function order(): Result<readonly string[]> {
    const ids = alg.postorder(graph, graph.nodes()).map(idOf);
    const at = new Map(ids.map((id, i) => [id, i]));
    const isAfter = (id: string, need: string): boolean => (at.get(id) ?? 0) > (at.get(need) ?? 0);
    if (nodes.every(({ id, needs }) => needs.every((need) => isAfter(id, need)))) return ok(ids);
    return fail(Exit.usage, `these targets depend on one another: ${(cycle() ?? []).join(" → ")}`);
  }

  return { order, cycle };
}

/** Actions as nodes: an action needs the actions whose outputs it reads, and the tree that its packages are on. */
export function actionNodes(graph: Pick<Graph, "actions" | "targets">): readonly Node[] {
  const relations = relationsOf(graph);
  return graph.actions.map((action) => ({
    id: action.id,
    needs: [...new Set(targetsRead(action).map((target) => relations.target(target)?.action ?? target))],
  }));
}

/** The shapes of targets in pictures: files are notes, trees folders, verdicts diamonds. */
const SHAPES = { file: "note", tree: "folder", verdict: "diamond" } as const;

/** The picture of a graph for graphviz: targets, bold where exported, with arrows from what they read. */
export function dot(graph: Pick<Graph, "actions" | "targets">): string {
  const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const made = grouped(graph.targets, ({ action }) => action);
  const lines = graph.targets.map(
    ({ id, kind, exported }) => `  ${quote(id)} [shape=${SHAPES[kind]}${exported ? ", style=bold" : ""}];`,
  );
  for (const action of graph.actions) {
    for (const from of new Set(targetsRead(action))) {
      for (const to of made.get(action.id) ?? []) lines.push(`  ${quote(from)} -> ${quote(to.id)};`);
    }
  }
  return ["digraph imagemake {", "  rankdir=LR;", ...lines, "}", ""].join("\n");
}
