// What the contract of executors is tried with: a state directory to ask from, actions staged there by hand, and what an
// execution leaves behind anywhere.
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { hashBytes } from "../../cache/hash.js";
import type { ArtifactId } from "../../cache/index.js";
import { stageOf } from "../../cache/layout.js";
import { takePackage } from "../../cache/packages.js";
import { drivers } from "../../cli/open.js";
import { outputPath, type Executor, type Outcome, type StagedAction } from "../../engine/execute/executor.js";
import { LocalExecutor } from "../../engine/execute/local/executor.js";
import { removeTree } from "../../engine/execute/local/remove.js";
import { makeStage } from "../../engine/execute/stage.js";
import type { Action } from "../../engine/model.js";
import type { Package } from "../../engine/packages/driver.js";
import { unwrap } from "../../engine/problem.js";
import { Elsewhere } from "./elsewhere.js";
import { localIn, type LocalStore } from "./local-store.js";
import { mountsOf, processesWith } from "./sandbox.js";
import { EPOCH, inDir } from "./trees.js";

/** An executor under trial, and the side that asks it. */
export interface Tried {
  readonly executor: Executor;
  readonly near: LocalStore;
  /** A directory that actions see, wherever they run. */
  readonly dir: string;
}

/** A way to an executor. */
export type Open = (dir: string) => Promise<Omit<Tried, "dir"> & { readonly close: () => Promise<void> }>;

/** The implementations. */
export const EXECUTORS: Readonly<Record<string, Open>> = {
  "this machine": (dir) => {
    const near = localIn(join(dir, "near"), { kind: "namespaces", root: "real" });
    const { layout, index, store, whole } = near;
    const isolation = { kind: "namespaces", root: "real" } as const;
    const executor = new LocalExecutor({ layout, index, store, whole, drivers, isolation });
    return Promise.resolve({ executor, near, close: () => Promise.resolve() });
  },
  "another state directory": async (dir) => {
    const near = localIn(join(dir, "near"), { kind: "namespaces", root: "real" });
    const { contents, layout } = near;
    const seen = { contents, packages: layout.packages, hidden: join(dir, "near") };
    const executor = await Elsewhere.start(seen, dir);
    return { executor, near, close: () => executor.close() };
  },
};

/** Runs `work` with an executor, in a new directory. */
export const tried = (open: Open, work: (trial: Tried) => Promise<void>): Promise<void> =>
  inDir(async (dir) => {
    const { executor, near, close } = await open(dir);
    try {
      const seen = join(dir, "seen");
      mkdirSync(seen);
      unwrap(await executor.prepare([LAYERED], [LAYERED]));
      await work({ executor, near, dir: seen });
    } finally {
      await close();
      near.index.close();
    }
  });

/** What is to be executed; left out: what most actions have. */
export interface What {
  readonly cmd?: string;
  readonly action?: Partial<Action>;
  /** By path; null for an empty directory. */
  readonly sources?: Readonly<
    Record<string, string | { readonly program: string } | { readonly link: string } | null>
  >;
  /** Artifacts by variable; the one that `within` names is run within. */
  readonly inputs?: Readonly<Record<string, ArtifactId>>;
  readonly packages?: { readonly of: Package; readonly file: string };
  readonly stop?: AbortController;
  readonly kill?: AbortController;
}

/** How it went. */
export interface Went {
  readonly outcome: Outcome;
  /** Its log. */
  readonly said: string;
}

/** A plain action. */
export const actionOf = (parts: Partial<Action>): Action => ({
  ...{ id: "it", rule: "run", command: { kind: "shell", text: "true" }, env: {}, inputs: [], within: null },
  outputs: [{ name: "OUT", kind: "file", pattern: "out-{date}.txt" }],
  ...{
    packages: null,
    tools: [],
    date: false,
    collect: null,
    network: false,
    interactive: false,
    root: false,
  },
  ...{ native: false, timeout: null, guards: {}, holds: [], resources: { cpu: 1, memory: 0, named: [] } },
  ...{ arch: null, at: "Imagefile.ts:1" },
  ...parts,
});

/** Makes a tree over another. */
const LAYERED: Action = actionOf({ outputs: [{ name: "OUT", kind: "tree", base: "BASE" }] });

/** Stages, executes, and looks for what is left of it. */
export async function execute({ executor, near, dir }: Tried, what: What): Promise<Went> {
  const { staged, stage, log } = stageIn(near, what);
  // In the environment of all that it starts.
  const mark = `MARK-${randomUUID()}`;
  const marked = { ...staged, env: { ...staged.env, MARK: mark } };
  writeFileSync(log, "before\n");
  const [stop, kill] = [what.stop ?? new AbortController(), what.kill ?? new AbortController()];
  const circumstance = { dir: stage, log, signal: stop.signal, killSignal: kill.signal, keep: false };
  const outcome = await executor.execute(marked, circumstance);
  const running = [
    ...processesWith((read) => read("environ").includes(mark)).map((pid) => `process ${pid}`),
    ...mountsOf(dirname(dir)),
  ];
  const said = readFileSync(log, "utf8");
  unwrap(await removeTree(stage));
  rmSync(log);
  const left = [
    ...running,
    ...["near", "far"]
      .map((name) => join(dir, "..", name, ".imagemake/stage"))
      .flatMap(namesIn)
      .filter((name) => name.startsWith(staged.build)),
  ];
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  return { outcome, said };
}

const namesIn = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : []);

let count = 0;

function stageIn({ layout }: LocalStore, what: What): { staged: StagedAction; stage: string; log: string } {
  const build = `test-${(count++).toString(16).padStart(8, "0")}`;
  const stage = stageOf(layout, build);
  const work = makeStage(stage);
  const inputs = Object.entries(what.inputs ?? {}).map(([name, id]) => {
    const path =
      name === what.action?.within ? "" : join("in", name, ...(id.startsWith("t:") ? [] : ["file"]));
    return { name, id, path };
  });
  const { cmd } = what;
  const action = actionOf({
    ...(cmd === undefined ? {} : { command: { kind: "shell", text: cmd } }),
    inputs: inputs.map(({ name }) => ({ name, kind: "artifact", target: name.toLowerCase() })),
    ...what.action,
  });
  const outputs = action.outputs.flatMap((output) =>
    output.kind === "verdict" ? [] : [[output.name, outputPath(output)] as const],
  );
  if (what.packages !== undefined) takePackage(layout.packages, what.packages.of.sha256, what.packages.file);
  const staged: StagedAction = {
    ...{ build, action, components: [], key: "0".repeat(64), epoch: EPOCH, command: action.command },
    env: {
      ...action.env,
      ...Object.fromEntries(inputs.flatMap(({ name, path }) => (path === "" ? [] : [[name, path]]))),
      ...Object.fromEntries(outputs),
    },
    sources: Object.entries(what.sources ?? {}).map(([path, source]) => ({
      path,
      content: lay(join(work, path), source),
    })),
    ...{ inputs, packages: what.packages === undefined ? null : [what.packages.of], datecode: "20261130" },
  };
  return { staged, stage, log: join(layout.logs, `${build}.log`) };
}

/** Lays a source, as staging would; returns its content. */
function lay(to: string, source: NonNullable<What["sources"]>[string]): string {
  mkdirSync(source === null ? to : dirname(to), { recursive: true });
  if (source === null) return "d:";
  if (typeof source === "object" && "link" in source) {
    symlinkSync(source.link, to);
    return `l:${source.link}`;
  }
  const [text, mode] = typeof source === "string" ? [source, 0o644] : [source.program, 0o755];
  writeFileSync(to, text, { mode });
  return `${mode === 0o755 ? "x" : "f"}:${hashBytes(text)}`;
}

/** The one output, once it was made. */
export function madeOf({ outcome, said }: Went): Readonly<Record<string, ArtifactId>> {
  if (outcome.kind !== "made") throw new Error(`${JSON.stringify(outcome)}\n${said}`);
  return outcome.outputs;
}

/** The text of a file output, out of the store of whoever asked. */
export function textOf({ near }: Tried, went: Went, output = "OUT"): string {
  const id = madeOf(went)[output] ?? "";
  expectWhole(near, id);
  return readFileSync(near.store.path(id), "utf8");
}

/** What the asking side promises of it is there. */
function expectWhole({ index, store }: LocalStore, id: ArtifactId): void {
  const { size } = statSync(store.path(id));
  if (index.artifact(id)?.size !== size) throw new Error(`${id} has no row, or one of another size`);
}
