// What the key holds and what it does not: every field of an action is in it or is circumstance with a reason,
// and nothing that is hashed depends on where or when a project is built.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { componentsOf, keyOf, type KeyFacts } from "../engine/key.js";
import type { Action, PackageRequest } from "../engine/model.js";
import { atTime, makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(60_000);

const PACKAGES: PackageRequest = {
  driver: "apt",
  repo: { at: "http://mirror" },
  arch: "amd64",
  want: ["vim"],
  options: { recommends: false },
  on: null,
};

const ACTION: Action = {
  id: "image",
  rule: "run",
  command: { kind: "shell", text: "make" },
  env: { LANG: "C" },
  inputs: [{ name: "SRC", kind: "source", source: { kind: "files", patterns: ["src/*"] } }],
  outputs: [{ name: "OUT", kind: "file", pattern: "image-{date}.img" }],
  packages: PACKAGES,
  tools: [{ name: "tar", package: "tar" }],
  date: false,
  collect: null,
  network: false,
  interactive: false,
  within: null,
  root: false,
  native: false,
  timeout: 60,
  guards: { minSize: 1 },
  holds: [],
  resources: { cpu: 1, memory: 1, named: [] },
  arch: "amd64",
  at: "Imagefile.ts:1",
};

/** What the engine would find out about an action: one file for each input, a version for each tool. */
const factsOf = (action: Action): KeyFacts => ({
  inputs: action.inputs.map(({ name }) => ({ input: name, path: `src/${name}`, content: "f:00" })),
  closure: action.packages === null ? null : "closure",
  tools: Object.fromEntries(action.tools.map(({ name }) => [name, "1.0"])),
  datecode: "20261121",
  epoch: null,
});

const key = (action: Action, facts: Partial<KeyFacts> = {}): string =>
  keyOf(componentsOf(action, { ...factsOf(action), ...facts }));

/** A field in the key: each of these actions has another key than the one above. */
interface InKey {
  readonly changed: readonly Partial<Action>[];
}
/** A field that is not: these have the same key. */
interface Circumstance {
  readonly same: readonly Partial<Action>[];
}

const packages = (more: Partial<PackageRequest>): Partial<Action> => ({ packages: { ...PACKAGES, ...more } });

/** A new field of `Action` does not compile until it has its place here. */
const FIELDS = {
  id: { same: [{ id: "other" }] },
  rule: { changed: [{ rule: "rootfs" }] },
  command: {
    changed: [
      { command: { kind: "shell", text: "make all" } },
      { command: { kind: "argv", argv: ["make"] } },
      { command: { kind: "argv", argv: ["make", "all"] } },
      { command: { kind: "argv", argv: ["make all"] } },
      { command: { kind: "recipe", name: "make.sh", text: "make" } },
      { command: { kind: "recipe", name: "make.mjs", text: "make" } },
      { command: { kind: "recipe", name: "make.sh", text: "make all" } },
      { command: { kind: "recipe", name: "make.sh", text: "make", beside: { "lib.sh": "" } } },
      { command: { kind: "recipe", name: "make.sh", text: "make", beside: { "lib.sh": ":" } } },
    ],
  },
  env: {
    changed: [{ env: {} }, { env: { LANG: "de" } }, { env: { LANG: "C", A: "" } }, { env: { LC: "C" } }],
  },
  inputs: {
    changed: [
      { inputs: [] },
      { inputs: [{ name: "SRCS", kind: "source", source: { kind: "env", name: "X" } }] },
      { inputs: [...ACTION.inputs, { name: "B", kind: "artifact", target: "b" }] },
    ],
  },
  outputs: {
    changed: [
      { outputs: [{ name: "OUT", kind: "file", pattern: "image.img" }] },
      { outputs: [{ name: "OUT", kind: "file", pattern: "image-{date}.img.xz" }] },
      { outputs: [{ name: "ONE", kind: "file", pattern: "image-{date}.img" }] },
      { outputs: [{ name: "OUT", kind: "tree", base: null }] },
      { outputs: [{ name: "OUT", kind: "tree", base: "BASE" }] },
      { outputs: [{ name: "OUT", kind: "verdict" }] },
      { outputs: [...ACTION.outputs, { name: "LOG", kind: "file", pattern: "log" }] },
    ],
  },
  packages: {
    changed: [
      { packages: null },
      packages({ driver: "xbps" }),
      packages({ options: {} }),
      packages({ on: "base" }),
    ],
  },
  tools: { changed: [{ tools: [] }, { tools: [...ACTION.tools, { name: "xz", package: "xz-utils" }] }] },
  date: { changed: [{ date: true }] },
  collect: { changed: [{ collect: "image-{date}.img" }] },
  network: { changed: [{ network: true }] },
  within: { changed: [{ within: "SRC" }] },
  interactive: { changed: [{ interactive: true }] },
  root: { changed: [{ root: true }] },
  native: { same: [{ native: true }] },
  timeout: { same: [{ timeout: null }, { timeout: 1 }] },
  guards: {
    changed: [{ guards: {} }, { guards: { minSize: 2 } }, { guards: { minSize: 1, magic: "1f8b" } }],
  },
  holds: {
    changed: [{ holds: [{ input: "SRC", beneath: "", without: [], format: "cpio", lacks: ["acl"] }] }],
  },
  resources: { same: [{ resources: { cpu: 8, memory: 2, named: ["kvm"] } }] },
  arch: { changed: [{ arch: null }, { arch: "arm64" }] },
  at: { same: [{ at: "a.ts:7" }] },
} satisfies Record<keyof Action, InKey | Circumstance>;

/** What of a package request the closure stands for. */
const CLOSURE: Record<string, Partial<PackageRequest>> = {
  repo: { repo: { at: "http://another" } },
  want: { want: ["vim", "vim-common"] },
};

describe("a field of an action", () => {
  const fields: [string, InKey | Circumstance][] = Object.entries(FIELDS);

  test("is listed, each of them", () => {
    expect(Object.keys(FIELDS).sort()).toEqual(Object.keys(ACTION).sort());
  });

  test.each(fields.flatMap(([name, field]) => ("changed" in field ? [[name, field] as const] : [])))(
    "%s is in the key: every change changes it",
    (_, { changed }) => {
      const keys = [ACTION, ...changed.map((more) => ({ ...ACTION, ...more }))].map((action) => key(action));
      expect(new Set(keys).size).toBe(keys.length);
    },
  );

  test.each(fields.flatMap(([name, field]) => ("same" in field ? [[name, field] as const] : [])))(
    "%s is circumstance",
    (_name, { same }) => {
      for (const more of same) expect(key({ ...ACTION, ...more })).toBe(key(ACTION));
    },
  );

  test.each(Object.entries(CLOSURE))("packages.%s is in the key as the closure it leads to", (_, more) => {
    const changed = { ...ACTION, ...packages(more) };
    expect(key(changed)).toBe(key(ACTION));
    expect(key(changed, { closure: "another" })).not.toBe(key(ACTION));
  });
});

describe("what the engine found out", () => {
  test("each input's variable, path, x bit and content count, and so do closure, tools and epoch", () => {
    const input = { input: "SRC", path: "src/a", content: "f:00" };
    const found: Partial<KeyFacts>[] = [
      { inputs: [input] },
      { inputs: [{ ...input, input: "SRD" }] },
      { inputs: [{ ...input, path: "src/b" }] },
      { inputs: [{ ...input, content: "f:01" }] },
      { inputs: [{ ...input, content: "x:00" }] },
      { inputs: [{ ...input, content: "l:00" }] },
      { inputs: [{ ...input, content: "t:00" }] },
      { inputs: [{ ...input, path: "", content: "not set" }] },
      { inputs: [{ ...input, path: "", content: "=" }] },
      { inputs: [{ ...input, path: "", content: "=not set" }] },
      { inputs: [] },
      { closure: "another" },
      { tools: { tar: "1.1" } },
      { tools: { tar: "missing" } },
      { epoch: 0 },
      { epoch: 1_577_836_800 },
    ];
    const keys = found.map((facts) => key(ACTION, facts));
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("the date counts only where the action uses it; its output's name does not", () => {
    const tomorrow = { datecode: "20261122" };
    const using: Partial<Action>[] = [
      { date: true },
      { env: { LABEL: "void-{date}" } },
      { command: { kind: "shell", text: "mkiso -V {date}" } },
      { command: { kind: "argv", argv: ["mkiso", "{date}"] } },
    ];
    const not: Partial<Action>[] = [{}, { collect: "image-{date}.img" }, { outputs: ACTION.outputs }];
    for (const more of using)
      expect(key({ ...ACTION, ...more }, tomorrow)).not.toBe(key({ ...ACTION, ...more }));
    for (const more of not) expect(key({ ...ACTION, ...more }, tomorrow)).toBe(key({ ...ACTION, ...more }));
  });

  test("no two lists of components run together", () => {
    const a = { name: "a", value: "b" };
    const lists = [
      [a, { name: "c", value: "d" }],
      [{ name: "a", value: "b1:c1:d" }],
      [{ name: "ab", value: "" }],
      [a],
    ];
    expect(new Set(lists.map(keyOf)).size).toBe(lists.length);
  });
});

const PROJECT = {
  "Imagefile.ts": `
export const file = run({
  inputs: { SRC: files("src/**"), NAMES: list("names"), SET: env("IM_SET", { optional: true }), PROBE: probe("cat names") },
  cmd: 'cat $SRC $NAMES $PROBE > "$OUT"', out: "file-{date}.txt", env: { LANG: "C" }, guards: { minSize: 1 },
});
export const tree = run({ inputs: { IN: file }, cmd: 'cp "$IN" "$OUT/f"; ln -s f "$OUT/l"; mkdir "$OUT/d"', tree: true });
export const packed = run({ inputs: { TREE: tree }, cmd: 'cat "$TREE/f" > "$OUT"', out: "packed-{date}.bin" });
export const outs = run({ inputs: { IN: packed }, cmd: 'cp "$IN" "$A"; pwd > "$B"', outs: { A: "a-{date}", B: "b" } });
export const collected = run({ inputs: {}, cmd: 'echo > "x-20010101.txt"', out: "y-{date}.txt", collect: "x-{date}.txt" });
export const dated = run({ inputs: {}, cmd: 'echo "$DATECODE" > "$OUT"', date: true, out: "dated-{date}.txt" });
`,
  "src/a.txt": "a\n",
  "src/deep/b.txt": "b\n",
  names: "vim\nnano\n",
};
const TARGETS = ["file", "tree", "packed", "outs-A", "outs-B", "collected", "dated"];

interface Shown {
  readonly key: string;
  readonly components: readonly { readonly name: string; readonly value: string }[];
  readonly last: { readonly id: string };
  readonly outputs: Readonly<Record<string, string>>;
}

describe("the same project in two directories, under two dates", () => {
  const places = [
    { at: "2031-05-06T23:50:00Z", date: "20310506", more: "" },
    { at: "2031-11-12T01:02:03Z", date: "20311112", more: "\n// moved down\n\n" },
  ] as const;
  let projects: TestProject[];
  let shown: Record<string, Shown>[];
  beforeAll(async () => {
    projects = places.map(({ more }) =>
      makeProject({ ...PROJECT, "Imagefile.ts": more + PROJECT["Imagefile.ts"] }),
    );
    shown = await Promise.all(
      places.map(async ({ at }, place) => {
        const options = { under: atTime(at), env: { IM_SET: "yes" } };
        const project = projects[place];
        const ended = await project?.call(options, ...TARGETS);
        if (ended?.status !== 0) throw new Error(ended?.stderr);
        const rows: [string, Shown][] = [];
        for (const target of TARGETS) {
          const { stdout } = (await project?.call(options, "show", target, "--json")) ?? { stdout: "" };
          rows.push([target, JSON.parse(stdout) as Shown]);
        }
        return Object.fromEntries(rows);
      }),
    );
  });
  afterAll(() => projects.forEach((project) => project.remove()));

  test("gives the same keys and the same results, except where the date is used", () => {
    const [here, there] = shown;
    for (const target of TARGETS) {
      const [one, other] = [here?.[target], there?.[target]];
      if (target === "dated") {
        expect(one?.key).not.toBe(other?.key);
      } else {
        expect([target, one?.components]).toEqual([target, other?.components]);
        expect([target, one?.key, one?.outputs]).toEqual([target, other?.key, other?.outputs]);
      }
    }
  });

  test("hashes no build id, no path of the project, no line of the Imagefile and no date", () => {
    places.forEach(({ date }, place) => {
      for (const target of TARGETS) {
        const { components, last } = shown[place]?.[target] ?? { components: [], last: { id: "?" } };
        const text = JSON.stringify(components);
        expect(components.length).toBeGreaterThan(3);
        for (const circumstance of [projects[place]?.dir ?? "?", last.id, "Imagefile", ".imagemake"]) {
          expect(text).not.toContain(circumstance);
        }
        if (target !== "dated") expect(text).not.toContain(date);
      }
    });
  });
});

describe("inputs that hold nothing", () => {
  test("are in the key all the same: the command sees a variable or does not", async () => {
    const project = makeProject({
      "Imagefile.ts": `
const said = 'echo "\${EMPTY-not there}" > "$OUT"';
export const without = run({ inputs: {}, cmd: said, out: "out.txt" });
`,
    });
    try {
      await project.good("without");
      project.write(
        "Imagefile.ts",
        project
          .read("Imagefile.ts")
          .replace("inputs: {}", 'inputs: { EMPTY: files("none/*", { optional: true }) }'),
      );
      await project.good("without");
      expect(project.read("out/out.txt")).toBe("\n");
    } finally {
      project.remove();
    }
  });
});
