// The graph of actions, by graphlib: order, cycles, what is needed, what depends on it, and a picture.
// It does not know what an action does.
import { Graph as Graphlib, alg } from "@dagrejs/graphlib";
import type { Action, Graph, TargetId } from "./model.js";
import { fail, ok, type Result } from "./problem.js";

/** Something with a name, and the names of what has to be there first. */
export interface Node {
  readonly id: string;
  readonly needs: readonly string[];
}

/** Questions about nodes and what they need. Answers are in the nodes' order, dependencies first. */
export interface Dependencies {
  /** Every id after what it needs; ids stay as given where that is an order already. Fails with the cycle. */
  order(): Result<readonly string[]>;
  /** A way from an id back to itself, the same id first and last; null where there is none. */
  cycle(): readonly string[] | null;
  /** These and everything they need. Ids that are not there are passed over. */
  closure(wanted: Iterable<string>): readonly string[];
  /** Everything that needs one of these, however far; not these themselves. */
  dependents(of: Iterable<string>): readonly string[];
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

  /** Without recursion, since graphs may be deep. In order of number, which is the order of the nodes. */
  function reach(from: Iterable<string>, next: (number: string) => readonly string[] | undefined): string[] {
    const seen = new Set<string>();
    for (const id of from) {
      const number = numbers.get(id);
      if (number !== undefined) seen.add(number);
    }
    for (const number of seen) next(number)?.forEach((one) => seen.add(one));
    return [...seen].sort((a, b) => Number(a) - Number(b));
  }

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

  let sorted: Result<readonly string[]> | undefined;
  function order(): Result<readonly string[]> {
    sorted ??= sort();
    return sorted;
  }

  function sort(): Result<readonly string[]> {
    const ids = alg.postorder(graph, graph.nodes()).map(idOf);
    const at = new Map(ids.map((id, i) => [id, i]));
    const isAfter = (id: string, need: string): boolean => (at.get(id) ?? 0) > (at.get(need) ?? 0);
    if (nodes.every(({ id, needs }) => needs.every((need) => isAfter(id, need)))) return ok(ids);
    return fail(2, `these need each other: ${(cycle() ?? []).join(" → ")}`);
  }

  /** Dependencies first, also where the nodes were given in another order. */
  function inOrder(found: readonly string[]): readonly string[] {
    const ids = found.map(idOf);
    const all = order();
    if (!all.ok) return ids;
    const wanted = new Set(ids);
    return all.value.filter((id) => wanted.has(id));
  }

  return {
    order,
    cycle,
    closure: (wanted) => inOrder(reach(wanted, (number) => graph.successors(number))),
    dependents: (of) => {
      const begin = new Set(of);
      return inOrder(reach(begin, (number) => graph.predecessors(number))).filter((id) => !begin.has(id));
    },
  };
}

/** Actions as nodes: an action needs the actions whose outputs it reads, and the tree that its packages are on. */
export function actionNodes(graph: Pick<Graph, "actions" | "targets">): readonly Node[] {
  const actionOf = new Map(graph.targets.map((target) => [target.id, target.action]));
  return graph.actions.map((action) => ({
    id: action.id,
    needs: [...new Set(targetsRead(action).map((target) => actionOf.get(target) ?? target))],
  }));
}

/** Targets that an action needs before it can be run or resolved. */
export function targetsRead(action: Action): readonly TargetId[] {
  const inputs = action.inputs.flatMap((input) => (input.kind === "artifact" ? [input.target] : []));
  const on = action.packages?.on ?? null;
  return on === null ? inputs : [...inputs, on];
}

/** The shapes of targets in pictures: files are notes, trees folders, verdicts diamonds. */
const SHAPES = { file: "note", tree: "folder", verdict: "diamond" } as const;

/** The picture of a graph for graphviz: targets, bold where exported, with arrows from what they read. */
export function dot(graph: Pick<Graph, "actions" | "targets">): string {
  const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const made = new Map<TargetId, TargetId[]>();
  const lines = graph.targets.map(({ id, action, kind, exported }) => {
    made.set(action, [...(made.get(action) ?? []), id]);
    return `  ${quote(id)} [shape=${SHAPES[kind]}${exported ? ", style=bold" : ""}];`;
  });
  for (const action of graph.actions) {
    for (const from of new Set(targetsRead(action))) {
      for (const to of made.get(action.id) ?? []) lines.push(`  ${quote(from)} -> ${quote(to)};`);
    }
  }
  return ["digraph imagemake {", "  rankdir=LR;", ...lines, "}", ""].join("\n");
}
