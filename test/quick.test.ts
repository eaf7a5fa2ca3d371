// A run with nothing to do: what it loads, and every kind of change after which it is not believed. Through the
// real command line, with a hook that writes down every module node resolves.
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { atTime, makeProject, type CallOptions, type Ended, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const COPY = `const copy = (SRC: ReturnType<typeof files>, out: string) => run({ inputs: { SRC }, cmd: 'cat $SRC > "$OUT"', out });\n`;
const IMAGEFILE = `${COPY}
export const plain = copy(files("plain.txt"), "plain-{date}.txt");
export const same = copy(files("same.txt"), "same.txt");
export const touched = copy(files("touched.txt"), "touched.txt");
export const xbit = copy(files("xbit.txt"), "xbit.txt");
export const added = copy(files("added/*.txt"), "added.txt");
export const unmatched = copy(files("unmatched/*.txt"), "unmatched.txt");
export const removed = copy(files("removed/*.txt"), "removed.txt");
export const deep = copy(files("deep"), "deep.txt");
export const absent = copy(files("absent/*.txt", { optional: true }), "absent.txt");
export const behind = copy(files("behind.txt"), "behind.txt");
export const repointed = copy(files("repointed.txt"), "repointed.txt");
export const comment = run({ inputs: { L: list("comment.list") }, cmd: 'cp "$L" "$OUT"', out: "comment.txt" });
export const setting = run({ inputs: { SET: env("IM_SET", { optional: true }) }, cmd: 'echo "$SET" > "$OUT"', out: "setting.txt" });
export const deleted = copy(files("deleted.txt"), "deleted.txt");
export const edited = copy(files("edited.txt"), "edited.txt");
export const linked = copy(files("linked.txt"), "linked.txt");
export const mode = copy(files("mode.txt"), "mode.txt");
export const again = copy(files("again.txt"), "again-{date}.txt");
export const tree = run({ inputs: {}, cmd: 'echo > "$OUT/f"', tree: true });
export const flavour = copy(files("flavour.txt"), \`flavour-\${arg("FLAVOUR", "plain")}.txt\`);
`;
/** Imagefiles of one target each, for changes that concern a whole one. */
const LINES: Readonly<Record<string, string>> = {
  "own.ts": `${COPY}export const own = copy(files("plain.txt"), "own.txt");\n`,
  "module.ts": `import { name } from "./lib/name.js";\n${COPY}export const module = copy(files("plain.txt"), \`module-\${name}.txt\`);\n`,
  "reads.ts": `import { existsSync } from "node:fs";\n${COPY}export const reads = copy(files("plain.txt"), \`reads-\${existsSync("flag")}.txt\`);\n`,
  "started.ts": `${COPY}export const started = copy(files("plain.txt"), "started-{date}.txt");\n`,
  "expired.ts": `${COPY}export const expired = copy(files("plain.txt"), "expired-{date}.txt");\n`,
  "probes.ts": `export const probes = run({ inputs: { P: probe("cat plain.txt") }, cmd: 'cp "$P" "$OUT"', out: "probes.txt" });\n`,
  "tool.ts": `import { declareOne } from ${JSON.stringify(fileURLToPath(new URL("../engine/declare.js", import.meta.url)))};
export const tool = declareOne({ rule: "mine", command: { kind: "shell", text: 'echo > "$OUT"' }, inputs: {},
  outputs: [{ name: "OUT", kind: "file", pattern: "tool.txt" }], tools: [{ name: new URL("tool", import.meta.url).pathname, package: "none" }] });\n`,
};
const SOURCES = [
  "plain",
  "flavour",
  "same",
  "touched",
  "xbit",
  "added/a",
  "unmatched/a",
  "removed/a",
  "removed/b",
  "deep/er/a",
  "real",
  "first",
  "other",
  "deleted",
  "edited",
  "linked",
  "mode",
  "again",
];

/** Writes the URL of every module that is loaded, in each of the ways, to the file in MODULES. */
const HOOK = `import { appendFileSync } from "node:fs";
import Module, { register, syncBuiltinESMExports } from "node:module";
import vm from "node:vm";
const note = (found) => appendFileSync(process.env.MODULES, (found.startsWith("/") ? "file://" : "") + found + "\\n");
vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options);
    note(options.filename);
  }
};
const load = Module._load;
Module._load = function (request, parent, ...more) {
  note(Module._resolveFilename(request, parent));
  return load.call(this, request, parent, ...more);
};
syncBuiltinESMExports();
register("./loader.mjs", import.meta.url);
`;
const LOADER = `import { appendFileSync } from "node:fs";
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  appendFileSync(process.env.MODULES, found.url + "\\n");
  return found;
}`;

interface Watched extends Ended {
  /** URLs of all that was loaded. */
  readonly modules: readonly string[];
}

let project: TestProject;
let hooks: string;
let runs = 0;

/** Runs imagemake and writes down what it loads. */
async function watched(options: CallOptions, ...words: string[]): Promise<Watched> {
  const log = join(hooks, `run-${(runs += 1)}`);
  writeFileSync(log, "");
  const env = { ...options.env, MODULES: log, NODE_OPTIONS: `--import ${join(hooks, "hook.mjs")}` };
  const ended = await project.call({ ...options, env }, ...words);
  return {
    ...ended,
    modules: readFileSync(log, "utf8")
      .split("\n")
      .filter((url) => url !== ""),
  };
}

const wasQuick = ({ modules }: Watched): boolean => !modules.some((url) => url.endsWith("/run/command.js"));

/** Does it for each, some at a time. */
async function each<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  const left = [...all];
  const worker = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one);
  };
  await Promise.all([worker(), worker(), worker()]);
}

/** Waits until everything in the project changed longer ago than a digest is doubted. */
async function settled(): Promise<void> {
  const newest = (dir: string): number =>
    Math.max(
      ...readdirSync(dir, { withFileTypes: true })
        .filter(({ name }) => name !== ".imagemake" && name !== "out")
        .map((entry) =>
          entry.isDirectory() ? newest(join(dir, entry.name)) : statSync(join(dir, entry.name)).ctimeMs,
        ),
      statSync(dir).ctimeMs,
    );
  while (Date.now() - newest(project.dir) < 3100) await setTimeout(50);
}

beforeAll(async () => {
  hooks = mkdtempSync(join(tmpdir(), "imagemake-hooks-"));
  writeFileSync(join(hooks, "loader.mjs"), LOADER);
  writeFileSync(join(hooks, "hook.mjs"), HOOK);
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    ...LINES,
    "lib/name.ts": `// from "imagemake"\nexport const name = "one";\n`,
    "comment.list": "vim\nnano\n",
    tool: "#!/bin/sh\necho tool 1.0\n",
    ...Object.fromEntries(SOURCES.map((name) => [`${name}.txt`, `${name}\n`])),
  });
  chmodSync(project.path("tool"), 0o755);
  symlinkSync("real.txt", project.path("behind.txt"));
  symlinkSync("first.txt", project.path("repointed.txt"));
  await settled();
  const all =
    "plain same touched xbit added unmatched removed deep absent behind repointed comment setting deleted edited linked mode tree flavour";
  await project.good(...all.split(" "));
  await each(Object.keys(LINES), (file) => project.good("-f", file, file.replace(".ts", "")));
});
afterAll(() => {
  project.remove();
  rmSync(hooks, { recursive: true });
});

describe("a run with nothing to do", () => {
  test("loads neither the Imagefile nor any library", async () => {
    await project.good("plain", "tree", "absent");
    const run = await watched({}, "plain", "tree", "absent");
    expect(run).toMatchObject({
      status: 0,
      stdout: "",
      stderr: expect.stringMatching(/^release \d{8} \(.*\)\nnothing to do\n$/),
    });
    expect(run.modules.filter((url) => url.includes("node_modules") || url.includes("Imagefile"))).toEqual(
      [],
    );
    const own = run.modules.filter((url) => url.startsWith("file:") && !url.startsWith(`file://${hooks}`));
    const names = own.map((url) => url.replace(/^.*\/dist\//, ""));
    expect(names[0]).toBe("run/imagemake.js");
    expect(
      names.filter((name) => !/^run\/(?:imagemake|node|compiled|start|rolldown-runtime)\.js$/.test(name)),
    ).toEqual([]);
    // What a bundled file takes along is not seen by its name.
    const heavy = ["node:child_process", "node:worker_threads", "node:crypto"];
    expect(run.modules.filter((url) => heavy.includes(url))).toEqual([]);
  });

  test("with files of settings it loads nothing more", async () => {
    const env = { XDG_CONFIG_HOME: project.path("xdg") };
    for (const file of ["imagemake.toml", "xdg/imagemake/config.toml"]) project.write(file, "jobs = 2\n");
    await settled();
    await project.call({ env }, "plain", "tree");
    const run = await watched({ env }, "plain", "tree");
    expect([wasQuick(run), run.stderr]).toEqual([true, expect.stringMatching(/\nnothing to do\n$/)]);
    expect(run.modules.filter((url) => url.includes("toml") || url === "node:crypto")).toEqual([]);
    // The witness: what a build loads.
    const built = await watched({ env }, "-n", "plain");
    expect(built.modules.filter((url) => url.includes("smol-toml"))).not.toEqual([]);
    rmSync(project.path("imagemake.toml"));
    rmSync(project.path("xdg"), { recursive: true });
  });

  test("the witness sees what other runs load: the saved graph spares jiti and zod, an edited Imagefile does not", async () => {
    const named = (run: Watched): string[] =>
      ["jiti", "zod", "graphlib", "execa", "ora", "better-sqlite3", "chokidar", "smol-toml"].filter((name) =>
        run.modules.some(
          (url) => url.includes(`/node_modules/${name}/`) || url.endsWith(`/library-${name}.js`),
        ),
      );
    const saved = await watched({}, "-n", "plain");
    expect(named(saved)).toEqual(["better-sqlite3"]);
    project.write("fresh.ts", LINES["own.ts"] ?? "");
    const evaluated = await watched({}, "-f", "fresh.ts", "-n", "own");
    expect(named(evaluated)).toEqual(["jiti", "zod", "graphlib", "better-sqlite3"]);
  });

  test("-q and -s are quick and silent; -q of what is out of date is silent with status 1", async () => {
    const [question, quiet, never] = await Promise.all([
      watched({}, "-q", "plain", "tree", "absent"),
      watched({}, "-s", "plain", "tree", "absent"),
      watched({}, "-q", "flavour", "FLAVOUR=new"),
    ]);
    for (const run of [question, quiet]) {
      expect({ ...run, modules: [] }).toEqual({ status: 0, stdout: "", stderr: "", modules: [] });
      expect(wasQuick(run)).toBe(true);
    }
    expect({ ...never, modules: [] }).toEqual({ status: 1, stdout: "", stderr: "", modules: [] });
  });

  test("is quick from another directory with -C and with -j, and right after a build of settled sources", async () => {
    const [elsewhere, jobs] = await Promise.all([
      watched({ cwd: "/" }, "-C", project.dir, "plain", "tree", "absent"),
      watched({}, "-j", "8", "-k", "plain", "tree", "absent"),
    ]);
    expect([wasQuick(elsewhere), wasQuick(jobs)]).toEqual([true, true]);
    const built = await project.good("plain", "FLAVOUR=other", "flavour");
    expect(built.stderr).toContain("built 1");
    expect(wasQuick(await watched({}, "plain", "FLAVOUR=other", "flavour"))).toBe(true);
  });

  test("is quick again after one of several targets was built anew, time after time", async () => {
    await project.good("again", "same");
    for (const content of ["one\n", "another\n"]) {
      project.write("again.txt", content);
      await settled();
      expect((await project.good("again", "same")).stderr).toMatch(/\nbuilt 1, /);
      expect(wasQuick(await watched({}, "again", "same"))).toBe(true);
    }
  });

  test("an unrelated file leaves it quick; another environment does not, and the first one does again", async () => {
    await project.call({ env: { IM_SET: "a" } }, "setting");
    expect(wasQuick(await watched({ env: { IM_SET: "a" } }, "setting"))).toBe(true);
    project.write("unrelated/file", "x");
    expect(wasQuick(await watched({ env: { IM_SET: "a", OTHER: "b" } }, "setting"))).toBe(true);
    const other = await watched({ env: { IM_SET: "b" } }, "setting");
    expect([wasQuick(other), other.stderr]).toEqual([false, expect.stringContaining("built 1")]);
    expect(wasQuick(await watched({}, "setting"))).toBe(false);
  });
});

/** What is found after a change: by its summary line. */
const NOTHING = /\nnothing to do\n$/;
const BUILT = /\nbuilt 1, /;
const RESTORED = /\nbuilt 0, restored 1, /;

/** Case, words, the change, what the next run finds. */
const CHANGES: readonly (readonly [
  string,
  readonly string[],
  (path: (...parts: string[]) => string) => void | Promise<void>,
  RegExp,
])[] = [
  [
    "a source with other bytes, of the same size and with its old time",
    ["same"],
    (path) => {
      const { atime, mtime } = statSync(path("same.txt"));
      writeFileSync(path("same.txt"), "SAME\n");
      utimesSync(path("same.txt"), atime, mtime);
    },
    BUILT,
  ],
  ["a source that was only touched", ["touched"], (path) => utimesSync(path("touched.txt"), 1, 1), NOTHING],
  ["a source that became executable", ["xbit"], (path) => chmodSync(path("xbit.txt"), 0o755), BUILT],
  ["a file added to a glob", ["added"], (path) => writeFileSync(path("added/b.txt"), "b\n"), BUILT],
  [
    "a file that a glob does not match",
    ["unmatched"],
    (path) => writeFileSync(path("unmatched/b.md"), "b\n"),
    NOTHING,
  ],
  ["a file removed from a glob", ["removed"], (path) => rmSync(path("removed/b.txt")), BUILT],
  ["a file added deep in a directory", ["deep"], (path) => writeFileSync(path("deep/er/b"), "b\n"), BUILT],
  ["a directory that was not there", ["absent"], () => project.write("absent/a.txt", "a\n"), BUILT],
  ["what is behind a symlink", ["behind"], (path) => appendFileSync(path("real.txt"), "more\n"), BUILT],
  [
    "a symlink that points elsewhere",
    ["repointed"],
    (path) => {
      rmSync(path("repointed.txt"));
      symlinkSync("other.txt", path("repointed.txt"));
    },
    BUILT,
  ],
  [
    "a comment in a list",
    ["comment"],
    (path) => appendFileSync(path("comment.list"), "# editors\n"),
    NOTHING,
  ],
  ["a deleted output", ["deleted"], (path) => rmSync(path("out/deleted.txt")), RESTORED],
  [
    "an output edited in place",
    ["edited"],
    (path) => {
      chmodSync(path("out/edited.txt"), 0o644);
      writeFileSync(path("out/edited.txt"), "EDITED\n");
    },
    /\nbuilt (1|0, restored 1), /,
  ],
  [
    "an output replaced by a symlink to the same bytes",
    ["linked"],
    (path) => {
      renameSync(path("out/linked.txt"), path("moved.txt"));
      symlinkSync("../moved.txt", path("out/linked.txt"));
    },
    RESTORED,
  ],
  ["an output that became executable", ["mode"], (path) => chmodSync(path("out/mode.txt"), 0o755), RESTORED],
  [
    "a layer gone from the store",
    ["tree"],
    (path) => rmSync(path(".imagemake/store/layers"), { recursive: true }),
    BUILT,
  ],
  ["the Imagefile", ["-f", "own.ts", "own"], (path) => appendFileSync(path("own.ts"), "// more\n"), NOTHING],
  [
    "a module that the Imagefile imports",
    ["-f", "module.ts", "module"],
    (path) => writeFileSync(path("lib/name.ts"), `export const name = "two";\n`),
    BUILT,
  ],
  [
    "a file that the Imagefile looked for",
    ["-f", "reads.ts", "reads"],
    (path) => writeFileSync(path("flag"), ""),
    BUILT,
  ],
  [
    "a release that was started",
    ["-f", "started.ts", "started"],
    async () => {
      await project.good("-f", "started.ts", "release", "start", "--release", "20310203");
    },
    RESTORED,
  ],
  [
    "a tool in another version",
    ["-f", "tool.ts", "tool"],
    (path) => writeFileSync(path("tool"), "#!/bin/sh\necho tool 1.1\n"),
    BUILT,
  ],
];

describe("a run is not believed to have nothing to do after a change of", () => {
  const before = new Map<string, Watched>();
  const after = new Map<string, Watched>();
  beforeAll(async () => {
    // Each line of words has its own record, so all can be changed at once.
    await each(CHANGES, async ([, words]) => await project.good(...words));
    // Each build wrote the release that others had joined: those find nothing to do, and remember that, once more.
    await each(CHANGES, async ([, words]) => await project.good(...words));
    await each(CHANGES, async ([name, words]) => void before.set(name, await watched({}, ...words)));
    for (const [, , change] of CHANGES) await change((...parts) => project.path(...parts));
    await each(CHANGES, async ([name, words]) => void after.set(name, await watched({}, ...words)));
  });

  test.each(CHANGES)("%s", (name, _words, _change, found) => {
    const said = (run: Watched | undefined): unknown[] => [run && wasQuick(run), run?.status, run?.stderr];
    expect(said(before.get(name))).toEqual([true, 0, expect.stringMatching(NOTHING)]);
    expect(said(after.get(name))).toEqual([false, 0, expect.stringMatching(found)]);
  });

  test("the clock: an implicit release that is too old is not joined", async () => {
    const words = ["-f", "expired.ts", "expired"];
    await project.good(...words);
    const soon = new Date(Date.now() + 11 * 3_600_000).toISOString();
    const late = new Date(Date.now() + 25 * 3_600_000).toISOString();
    expect(wasQuick(await watched({ under: atTime(soon) }, ...words))).toBe(true);
    const after = await watched({ under: atTime(late) }, ...words);
    expect([wasQuick(after), after.stderr]).toEqual([false, expect.stringMatching(RESTORED)]);
  });

  test("nothing at all, where a probe is asked each time", async () => {
    const words = ["-f", "probes.ts", "probes"];
    const idle = await watched({}, ...words);
    expect([wasQuick(idle), idle.stderr]).toEqual([false, expect.stringMatching(NOTHING)]);
  });
});
