// Exports become targets, groups and actions, with the names that the command line knows; what an export may
// not be is refused with its name and place.
import { describe, expect, test } from "@jest/globals";
import type { Graph } from "../engine/model.js";
import { evaluating } from "./support/evaluate-support.js";

const { puppet, yard } = evaluating();

const IMPORT = `import { run, tree, check, rootfs, each, files, arg, project } from "imagemake";`;
const graphOf = (lines: readonly string[], args: Readonly<Record<string, string>> = {}): Promise<Graph> =>
  puppet.graph(yard.write({ "Imagefile.ts": [IMPORT, ...lines].join("\n") }), { args });
const problemOf = (lines: readonly string[]): Promise<string> =>
  puppet.problem(yard.write({ "Imagefile.ts": [IMPORT, ...lines].join("\n") }));

const exported = (graph: Graph) => graph.targets.filter((target) => target.exported).map(({ id }) => id);
const inner = (graph: Graph) => graph.targets.filter((target) => !target.exported).map(({ id }) => id);
const groups = (graph: Graph) => Object.fromEntries(graph.groups.map(({ name, members }) => [name, members]));

describe("names", () => {
  test("an id is the export in kebab-case and the keys as written", async () => {
    const graph = await graphOf([
      `export const liveIso = { x86_64: { Base: run({ out: "1" }), "8.2+x": run({ out: "2" }) } };`,
      `export const x86Disk2Go = run({ out: "3" });`,
      `export const ISO = run({ out: "4" });`,
      `export const liveISO2 = run({ out: "5" });`,
    ]);
    expect(exported(graph)).toEqual([
      "live-iso-x86_64-Base",
      "live-iso-x86_64-8.2+x",
      "x86-disk2-go",
      "iso",
      "live-iso2",
    ]);
  });

  test("groups are the exports and their sub-groups, in order of creation", async () => {
    const graph = await graphOf([
      `const late = { z: run({ out: "1" }), a: run({ out: "2" }) };`,
      `export const images = { sbc: each(["10", "9", "b"], (k) => run({ out: "s" + k })), cloud: run({ out: "c" }) };`,
      `export const a1 = run({ out: "3" });`,
      `export const zuerst = late;`,
      `export const nothing = {};`,
    ]);
    expect(groups(graph)).toEqual({
      zuerst: ["zuerst-z", "zuerst-a"],
      images: ["images-sbc-10", "images-sbc-9", "images-sbc-b", "images-cloud"],
      "images-sbc": ["images-sbc-10", "images-sbc-9", "images-sbc-b"],
      a1: ["a1"],
      nothing: [],
    });
    expect(graph.groups.map(({ name }) => name)).toEqual(["zuerst", "images", "images-sbc", "a1", "nothing"]);
    expect(exported(graph).slice(0, 2)).toEqual(["zuerst-z", "zuerst-a"]);
  });

  test("members of a plain object are in order of creation, whatever JavaScript makes of the keys", async () => {
    const graph = await graphOf([
      `export const boards: Record<string, unknown> = {};`,
      `for (const n of ["10", "9", "x"]) boards[n] = run({ out: n });`,
    ]);
    expect(groups(graph)).toEqual({ boards: ["boards-10", "boards-9", "boards-x"] });
  });

  test("VAR= narrows groups on every level, and takes nothing out of the graph", async () => {
    const lines = [
      `export const r = each(["a", "b"], (k) => each(["x", "y"], (l) => run({ out: k + l }), { only: "L" }), { only: "K" });`,
    ];
    const graph = await graphOf(lines, { K: "b", L: "y" });
    expect(groups(graph)).toEqual({ r: ["r-b-y"], "r-a": ["r-a-y"], "r-b": ["r-b-y"] });
    expect(exported(graph)).toHaveLength(4);
    expect(graph.args).toEqual({ K: { value: "b", of: ["a", "b"] }, L: { value: "y", of: ["x", "y"] } });
    expect(groups(await graphOf(lines))["r"]).toHaveLength(4);
  });

  test("a packed tree is the file, with the tree beside it, whoever reads it first", async () => {
    const graph = await graphOf([
      `const early = run({ out: "e" });`,
      `export const rootfs2 = { x: rootfs({ out: "r-{date}.tar" }) };`,
      `export const users = { e: early, tree: run({ inputs: { T: rootfs2.x.tree, F: rootfs2.x }, out: "u" }) };`,
    ]);
    expect(exported(graph)).toEqual(["users-e", "users-tree", "rootfs2-x"]);
    expect(inner(graph)).toEqual(["rootfs2-x.tree"]);
    expect(graph.actions.find(({ id }) => id === "users-tree")?.inputs).toEqual([
      { name: "T", kind: "artifact", target: "rootfs2-x.tree" },
      { name: "F", kind: "artifact", target: "rootfs2-x" },
    ]);
    expect(graph.targets.find(({ id }) => id === "rootfs2-x")).toEqual({
      id: "rootfs2-x",
      action: "rootfs2-x",
      output: "OUT",
      kind: "file",
      pattern: "r-{date}.tar",
      exported: true,
      linked: true,
    });
    expect(graph.targets.find(({ id }) => id === "rootfs2-x.tree")).toMatchObject({
      kind: "tree",
      pattern: null,
    });
  });

  test("what is not exported is named after the export that reaches it and the input", async () => {
    const graph = await graphOf([
      `const deep = run({ out: "same" });`,
      `const root = tree({ inputs: { DEEP: deep } });`,
      `const other = run({ out: "same", inputs: { ROOT: root } });`,
      `const clash = run({ out: "same" });`,
      `const unused = run({ out: "unused" });`,
      `export const iso = run({ out: "i", inputs: { ROOT: root, SQUASH: other } });`,
      `export const disk = run({ out: "d", inputs: { A: root, B: run({ inputs: { SQUASH: clash }, out: "b" }) } });`,
      `export const more = { x: run({ out: "m", inputs: { IN: run({ inputs: { IN: run({ out: "n" }) }, out: "o" }) } }) };`,
    ]);
    expect(inner(graph)).toEqual([
      "iso/deep",
      "iso/root",
      "iso/squash",
      "disk/squash",
      "disk/b",
      "more-x/in-2",
      "more-x/in",
    ]);
    expect(graph.actions.map(({ id }) => id)).not.toContain("unused");
  });

  test("an action with several outputs is named after the first that is exported; each output is a target", async () => {
    const graph = await graphOf([
      `const { KERNEL, INITRD, MAP } = run({ outs: { KERNEL: "vmlinuz", INITRD: "initrd", MAP: "map" } });`,
      `export const initrd = INITRD;`,
      `export const iso = run({ inputs: { K: KERNEL }, out: "iso" });`,
    ]);
    expect(graph.targets.map(({ id, action, output }) => [id, action, output])).toEqual([
      ["initrd", "initrd", "INITRD"],
      ["iso", "iso", "OUT"],
      ["iso/k", "initrd", "KERNEL"],
      ["initrd/map", "initrd", "MAP"],
    ]);
  });

  test("several exported outputs make a group", async () => {
    const graph = await graphOf([
      `export const boot = run({ outs: { KERNEL: "vmlinuz", INITRD: "initrd" } });`,
    ]);
    expect(groups(graph)).toEqual({ boot: ["boot-KERNEL", "boot-INITRD"] });
    expect(graph.actions.map(({ id }) => id)).toEqual(["boot-KERNEL"]);
  });

  test("the tree that packages are on is part of the graph", async () => {
    const graph = await graphOf([`export const p = tree({ on: tree({}) });`]);
    expect(graph.actions.map(({ id, packages }) => [id, packages?.on])).toEqual([
      ["p/on", undefined],
      ["p", "p/on"],
    ]);
  });
});

describe("actions", () => {
  test("come after what they read, and have the values that harm least", async () => {
    const graph = await graphOf([
      `export const a = run({ inputs: { S: files("src/*") }, cmd: "x", out: "o" });`,
    ]);
    expect(graph.actions).toEqual([
      {
        id: "a",
        rule: "run",
        command: { kind: "shell", text: "x" },
        env: {},
        inputs: [{ name: "S", kind: "source", source: { kind: "files", patterns: ["src/*"] } }],
        outputs: [{ name: "OUT", kind: "file", pattern: "o" }],
        packages: null,
        tools: [{ name: "bash", package: "bash" }],
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
        resources: { cpu: 1, memory: 64 * 1024 * 1024, named: [] },
        arch: null,
        at: "Imagefile.ts:2",
      },
    ]);
  });

  test("a chain of thousands is no trouble", async () => {
    const graph = await graphOf([
      `let last = run({ out: "0" });`,
      `for (let i = 1; i < 3000; i++) last = run({ inputs: { IN: last }, out: String(i) });`,
      `export const end = last;`,
    ]);
    expect(graph.actions).toHaveLength(3000);
    expect(graph.actions.at(-1)?.id).toBe("end");
  });

  test("a cycle, which only tampering can make, is printed as a path", async () => {
    expect(
      await problemOf([
        `const inputs: any = {};`,
        `export const a = run({ inputs: { B: tree({ out: "b" }) }, out: "a" });`,
        `const h = Object.getOwnPropertySymbols(a)[0]!;`,
        `const b = (a as any)[h].draft.spec.inputs.B;`,
        `b[h].draft.spec.inputs.A = a;`,
      ]),
    ).toBe("these targets depend on one another: a/b → a → a/b");
  });
});

describe("project", () => {
  test("lists have ids; what a release holds is never narrowed, and is every exported file unless said", async () => {
    const lines = (release: string) => [
      `export const r = each(["a", "b"], (k) => rootfs({ out: k }), { only: "K" });`,
      `export const t = tree({});`,
      `export const boots = { x: check({ inputs: { IN: r.a } }) };`,
      `export default project({ default: [r, { t }], epoch: 5, release: { ${release} } });`,
    ];
    const graph = await graphOf(lines(`gate: [boots], steps: ["announce"]`), { K: "b" });
    expect(graph.project).toEqual({
      default: ["r-b", "t"],
      epoch: 5,
      nativeOnly: [],
      release: {
        of: ["r-a", "r-b"],
        gate: ["boots-x"],
        steps: ["announce"],
        into: null,
        sums: { file: "sha256sum.txt", form: "bsd" },
        sign: {
          ...{ tool: "signify", keys: "release-keys", name: "{date}", passphrase: "{date}.pass" },
          comment: "This key is only valid for images with date {date}.",
          ...{ key: null, home: null, program: null, publicKey: null },
        },
      },
    });
    const said = await graphOf(lines(`of: [r, r.a]`), { K: "b" });
    expect(said.project.release.of).toEqual(["r-a", "r-b"]);
  });

  test("a target that is not exported, and a gate that is not a check, are refused", async () => {
    expect(await problemOf([`const a = run({});`, `export default project({ default: [a] });`])).toBe(
      "Imagefile.ts:2: project: default: this target is not exported",
    );
    expect(
      await problemOf([`export const a = run({});`, `export default project({ release: { gate: [a] } });`]),
    ).toBe("project: release.gate: a is not a check");
  });
});

describe("refused", () => {
  const each = (expression: string) =>
    `Imagefile.ts:3: export a ${expression}; expected a target or an object of targets`;
  const values: readonly (readonly [string, string])[] = [
    [`"text"`, each("is a string")],
    [`3`, each("is a number")],
    [`undefined`, each("is undefined")],
    [`() => run({})`, each("is a function")],
    [`(async () => run({}))()`, each("is a promise (is an await missing?)")],
    [`[run({})]`, each("is an array, whose members have no names (each(…) gives them some)")],
    [`files("x")`, each("is a source")],
    [`new Map()`, each("is a Map")],
    [`project({})`, each("is what project(…) makes, which belongs into the default export")],
    [
      `{ x: { y: "text" } }`,
      "Imagefile.ts:3: export a.x.y is a string; expected a target or an object of targets",
    ],
    [`{ all: run({}) }`, `Imagefile.ts:3: key "all" of a: names with "all" mean whole groups; take another`],
    [
      `{ x: { "all-b": run({}) } }`,
      `Imagefile.ts:3: key "all-b" of a.x: names with "all" mean whole groups; take another`,
    ],
    [
      `{ "a b": run({}) }`,
      `Imagefile.ts:3: key "a b" of a: expected letters, digits and _ . + -, since it is part of a target's name`,
    ],
  ];
  test.each(values)("export const a = %s", async (value, message) => {
    expect(await problemOf([``, `export const a = ${value};`])).toBe(message);
  });

  const files: readonly (readonly [string, readonly string[], string])[] = [
    [
      "a default that is no project",
      [`export default run({});`],
      "Imagefile.ts:2: the default export is a target; expected project(…)",
    ],
    [
      "an object in itself",
      [`export const a: any = {};`, `a.b = { c: a };`],
      "Imagefile.ts:2: export a.b.c contains itself",
    ],
    [
      "two targets with the same id",
      [`export const liveIso = run({ out: "a" });`, `export const live = { iso: run({ out: "b" }) };`],
      "Imagefile.ts:2 and Imagefile.ts:3: two targets with the same id, live-iso",
    ],
    [
      "two targets with one output name",
      [`export const a = run({ out: "x-{date}" });`, `export const b = run({ out: "x-{date}" });`],
      "Imagefile.ts:2 and Imagefile.ts:3: a and b have the same output name, x-{date}",
    ],
    [
      "an output name that another gets on some date",
      [`export const a = run({ out: "x-{date}.img" });`, `export const b = run({ out: "x-20261130.img" });`],
      "Imagefile.ts:3: b, x-20261130.img, has the name that a, x-{date}.img, gets in the release of that date (one of the two needs another name, or {date})",
    ],
    [
      "an output name that another gets in a respin",
      [`export const a = run({ out: "20261130.1-x" });`, `export const b = run({ out: "{date}-x" });`],
      "Imagefile.ts:2: a, 20261130.1-x, has the name that b, {date}-x, gets in the release of that date (one of the two needs another name, or {date})",
    ],
    [
      "an output name that an inner target has too",
      [`const a = run({ out: "x" });`, `export const b = run({ inputs: { A: a }, out: "x" });`],
      "Imagefile.ts:3 and Imagefile.ts:2: b and b/a have the same output name, x",
    ],
    [
      "a target under two names",
      [`export const a = run({});`, `export const b = { c: a };`],
      "Imagefile.ts:2: one target is exported twice, as a and as b-c",
    ],
    [
      "a group and a target with one name",
      [`export const root = { a: run({ out: "a" }) };`, `export const rootAll = run({ out: "b" });`],
      "group root and target root-all have the same name, root-all; rename an export",
    ],
    [
      "two groups with one name",
      [`export const ab = { c: { x: run({ out: "1" }) } };`, `export const abC = { y: run({ out: "2" }) };`],
      "group ab-c and group ab-c have the same name, ab-c; rename an export",
    ],
    [
      "a check as an input",
      [`export const a = run({ inputs: { C: check({}) }, out: "a" });`],
      "Imagefile.ts:2: run: input C is a check, which has no output to read",
    ],
  ];
  test.each(files)("%s", async (_, lines, message) => {
    expect(await problemOf(lines)).toBe(message);
  });
});
