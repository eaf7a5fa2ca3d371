// The graph's order, cycles, closures and picture, mostly as properties of any graph.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { actionNodes, dependencies, dot, type Node } from "../engine/graph.js";
import { Relations, relationsOf } from "../engine/relations.js";
import type { Action, Target } from "../engine/model.js";

/** Any graph on a few nodes; names are ones that JavaScript's objects have too, and numbers. */
const NAMES = ["b", "a", "constructor", "10", "9", "__proto__", "toString", "z/in", "x.tree", "-"];
const graphs = fc
  .record({
    size: fc.integer({ min: 1, max: NAMES.length }),
    edges: fc.array(fc.tuple(fc.nat(NAMES.length - 1), fc.nat(NAMES.length - 1)), { maxLength: 25 }),
  })
  .map(({ size, edges }) => ({ size, edges: edges.filter(([a, b]) => a < size && b < size) }));
/** Every edge goes to an earlier node, as handles do. */
const creations = graphs.map(({ size, edges }) =>
  nodes(
    size,
    edges.filter(([a, b]) => b < a),
  ),
);
/** Without cycles, but given in any order. */
const shuffled = creations.chain((made) => fc.shuffledSubarray([...made], { minLength: made.length }));
const any = graphs.map(({ size, edges }) => nodes(size, edges));

function nodes(size: number, edges: readonly (readonly [number, number])[]): readonly Node[] {
  return NAMES.slice(0, size).map((id, i) => ({
    id,
    needs: edges.filter(([a]) => a === i).map(([, b]) => NAMES[b] ?? ""),
  }));
}

/** By definition: everything there is a way to. */
function reachable(all: readonly Node[], from: readonly string[]): Set<string> {
  const seen = new Set(from);
  for (const id of seen) all.find((node) => node.id === id)?.needs.forEach((need) => seen.add(need));
  return seen;
}

const needsItself = (all: readonly Node[]): boolean =>
  all.some((node) => reachable(all, node.needs).has(node.id));

describe("order", () => {
  test("puts every node after what it needs, and has each once", () => {
    fc.assert(
      fc.property(shuffled, (all) => {
        const order = dependencies(all).order();
        if (!order.ok) throw new Error(order.problem.message);
        expect([...order.value].sort()).toEqual(all.map(({ id }) => id).sort());
        for (const { id, needs } of all) {
          for (const need of needs) {
            expect(order.value.indexOf(need)).toBeLessThan(order.value.indexOf(id));
          }
        }
      }),
    );
  });

  test("leaves the order of creation as it is", () => {
    fc.assert(
      fc.property(creations, (all) => {
        expect(dependencies(all).order()).toEqual({ ok: true, value: all.map(({ id }) => id) });
      }),
    );
  });

  test("survives a chain of fifty thousand", () => {
    const chain = Array.from({ length: 50_000 }, (_, i) => ({
      id: `n${i}`,
      needs: i === 0 ? [] : [`n${i - 1}`],
    }));
    expect(dependencies(chain).order().ok).toBe(true);
    const relations = related(chain);
    expect(relations.closure(["n49999"])).toHaveLength(50_000);
    expect(relations.dependents(["n0"]).size).toBe(50_000);
  });

  test("is refused where a node needs one that is not there", () => {
    expect(() => dependencies([{ id: "a", needs: ["b"] }])).toThrow("the graph has no b");
  });
});

describe("cycles", () => {
  test("are found if and only if there is one, and named as a way that exists", () => {
    fc.assert(
      fc.property(any, (all) => {
        const cycle = dependencies(all).cycle();
        expect(cycle !== null).toBe(needsItself(all));
        if (cycle === null) return;
        expect(cycle[0]).toBe(cycle.at(-1));
        expect(new Set(cycle).size).toBe(cycle.length - 1);
        for (const [i, id] of cycle.slice(0, -1).entries()) {
          expect(all.find((node) => node.id === id)?.needs).toContain(cycle[i + 1]);
        }
      }),
    );
  });

  test("are printed as a path", () => {
    const graph = dependencies([
      { id: "a", needs: ["b"] },
      { id: "b", needs: ["c"] },
      { id: "c", needs: ["b"] },
    ]);
    expect(graph.order()).toEqual({
      ok: false,
      problem: { exit: 2, message: "these targets depend on one another: b → c → b" },
    });
  });
});

describe("closure and dependents", () => {
  test("closure is what there is a way to: no more and no less, dependencies first", () => {
    fc.assert(
      fc.property(creations, fc.subarray(NAMES), (all, wanted) => {
        const there = wanted.filter((id) => all.some((node) => node.id === id));
        const closure = related(all)
          .closure(wanted)
          .map(({ id }) => id);
        expect(new Set(closure)).toEqual(reachable(all, there));
        expect(new Set(closure).size).toBe(closure.length);
        for (const [i, id] of closure.entries()) {
          const before = closure.slice(0, i);
          expect(before).toEqual(expect.arrayContaining([...(all.find((n) => n.id === id)?.needs ?? [])]));
        }
      }),
    );
  });

  test("closure stops beneath what is cut", () => {
    fc.assert(
      fc.property(creations, fc.subarray(NAMES), fc.subarray(NAMES), (all, wanted, cut) => {
        const rest = all.map((node) => (cut.includes(node.id) ? { ...node, needs: [] } : node));
        expect(related(all).closure(wanted, (id) => cut.includes(id))).toEqual(
          related(all).closure(
            related(rest)
              .closure(wanted)
              .map(({ id }) => id),
            () => true,
          ),
        );
      }),
    );
  });

  test("dependents are the nodes whose closure has it", () => {
    fc.assert(
      fc.property(creations, fc.constantFrom(...NAMES), (all, id) => {
        const relations = related(all);
        const expected = all
          .map((node) => node.id)
          .filter((one) => relations.closure([one]).some((action) => action.id === id));
        expect(relations.dependents([id])).toEqual(new Set([id, ...expected]));
      }),
    );
  });
});

const action = (id: string, inputs: Action["inputs"], on: string | null = null): Action => ({
  id,
  rule: "run",
  command: { kind: "shell", text: "true" },
  env: {},
  inputs,
  outputs: [],
  packages: on === null ? null : { driver: "d", repo: null, arch: "a", want: [], options: null, on },
  tools: [],
  date: false,
  collect: null,
  network: false,
  interactive: false,
  within: null,
  root: false,
  native: false,
  timeout: null,
  guards: {},
  holds: [],
  resources: { cpu: 1, memory: 1, named: [] },
  arch: null,
  at: "Imagefile.ts:1",
});
const target = (id: string, of: string, kind: Target["kind"], exported: boolean): Target => ({
  id,
  action: of,
  output: "OUT",
  kind,
  pattern: null,
  exported,
  linked: kind === "file",
});
/** Nodes as a graph: each is an action that makes one target and reads those of what it needs. */
const related = (all: readonly Node[]): Relations =>
  new Relations({
    actions: all.map(({ id, needs }) =>
      action(
        id,
        needs.map((one) => ({ name: "IN", kind: "artifact", target: one })),
      ),
    ),
    targets: all.map(({ id }) => target(id, id, "file", true)),
  });

const small = {
  actions: [
    action("root.tree", [{ name: "LIST", kind: "source", source: { kind: "list", file: "a" } }]),
    action("root", [{ name: "TREE", kind: "artifact", target: "root.tree" }]),
    action("plat", [], "root.tree"),
    action("boots", [{ name: "IN", kind: "artifact", target: 'pl"at/2' }]),
  ],
  targets: [
    target("root.tree", "root.tree", "tree", false),
    target("root", "root", "file", true),
    target("plat", "plat", "file", true),
    target('pl"at/2', "plat", "file", false),
    target("boots", "boots", "verdict", true),
  ],
};

test("a graph has its maps once, and says who makes and who reads", () => {
  const relations = relationsOf(small);
  expect(relationsOf(small)).toBe(relations);
  expect(relations.producer('pl"at/2')?.id).toBe("plat");
  expect(relations.targetOf("root.tree", "OUT")).toBe("root.tree");
  expect(relations.producers(small.actions[3] ?? action("", [])).map(({ id }) => id)).toEqual(["plat"]);
  // Packages are resolved on a tree that need not be made for it, and a new one makes them stale.
  expect(relations.closure(["plat"]).map(({ id }) => id)).toEqual(["plat"]);
  expect([...relations.dependents(["root.tree"])]).toEqual(["root.tree", "root", "plat", "boots"]);
});

test("an action needs the actions that make its inputs, and the tree that its packages are on", () => {
  expect(actionNodes(small)).toEqual([
    { id: "root.tree", needs: [] },
    { id: "root", needs: ["root.tree"] },
    { id: "plat", needs: ["root.tree"] },
    { id: "boots", needs: ["plat"] },
  ]);
});

test("the picture has every target with its kind, and an arrow from what it reads", () => {
  expect(dot(small)).toBe(`digraph imagemake {
  rankdir=LR;
  "root.tree" [shape=folder];
  "root" [shape=note, style=bold];
  "plat" [shape=note, style=bold];
  "pl\\"at/2" [shape=note];
  "boots" [shape=diamond, style=bold];
  "root.tree" -> "root";
  "root.tree" -> "plat";
  "root.tree" -> "pl\\"at/2";
  "pl\\"at/2" -> "boots";
}
`);
});
