// Prepares the directory an action runs in: sources copied (and the copy digested), artifacts placed
// read-only, package files laid out, variables set. It starts nothing and decides nothing.
import { chmodSync, chownSync, copyFileSync, mkdirSync, symlinkSync, lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import { layerChain, layerPath } from "../../cache/layers.js";
import type { Component } from "../../cache/index.js";
import { reached } from "../../cache/steps.js";
import { stageOf } from "../../cache/layout.js";
import { packagePath, placePackage } from "../../cache/packages.js";
import { tooLong, variableWord } from "../argument.js";
import type { Decider } from "../decide.js";
import { componentsOf, unisolated, usesDate, type KeyInput } from "../key.js";
import { DEFAULT_EPOCH, variableIn, type Action, type Command, type Output, type Source } from "../model.js";
import { undated, withDate } from "../names.js";
import type { DriverContext } from "../packages/driver.js";
import { asError, fail, ok, type Result } from "../problem.js";
import type { ResolvedSource } from "../sources/resolved.js";
import { runsScript, runsText, runsTextWithin } from "../shell.js";
import { ACTION_PATH } from "../tools.js";
import { copyLayers, copyTree } from "../tree/copy.js";
import { makeTreeRoot } from "../tree/seal.js";
import { manyFiles, recordCopies, takeCopies, type Copies } from "./kept-copies.js";
import type { Isolation, Mount } from "./sandbox.js";
import { Laid, requireFree, stageDirectory, stageSource, stageText } from "./stage-source.js";
import { placeRoot, WORK_INSIDE } from "./within.js";

/** Where an output is expected. Paths are absolute. */
export interface StagedOutput {
  readonly output: Output;
  /** The file, or the directory that becomes the layer. */
  readonly path: string;
  /** Artifact of the tree beneath a layer. */
  readonly parent: string | null;
}

/** An action, ready to run. */
export interface Staged {
  readonly id: string;
  readonly dir: string;
  readonly work: string;
  /** The tree it runs within, as a directory; null for the host's root. */
  readonly root: string | null;
  /** `work`, as the action sees it. */
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly outputs: readonly StagedOutput[];
  /** Where the inputs lie, relative to `work`. */
  readonly sources: readonly string[];
  /** What the key is made of, with the digests of the copies that were staged. */
  readonly components: readonly Component[];
  /** SOURCE_DATE_EPOCH, in seconds. */
  readonly epoch: number;
  /** Copies of sources that are kept for the next action; null where there are too few, or they could not be told. */
  readonly copies: Copies | null;
  /** Lines that its log begins with: what a person has to know who reads how it failed. */
  readonly notes: readonly string[];
}

/** The environment an action is staged for. */
export interface StageContext {
  readonly decider: Decider;
  readonly signal: AbortSignal;
  readonly isolation: Isolation;
  /** Whether a layer can be laid over its parent here; without, the parent is copied. */
  readonly overlays: boolean;
}

/** Makes `<stage>/<id>` and everything in it. The caller removes it. */
export async function stageAction(
  context: StageContext,
  action: Action,
  id: string,
): Promise<Result<Staged>> {
  const { project } = context.decider.context;
  const dir = stageOf(project, id);
  const work = join(dir, "work");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  // In a directory that a group shares it would hand its group on, into trees too.
  const group = process.getegid?.();
  if (group !== undefined && lstatSync(dir).gid !== group) chownSync(dir, process.geteuid?.() ?? -1, group);
  chmodSync(dir, 0o700);
  for (const path of [work, join(work, ".out"), join(work, ".home"), join(work, ".tmp")])
    mkdirSync(path, { mode: 0o700 });
  reached("stage made", action.id);
  const mounts: Mount[] = [];
  const variables: Record<string, string> = {};
  const inputs: KeyInput[] = [];
  const notes: string[] = [];
  const resolvedSources = await resolveSources(context, action);
  if (!resolvedSources.ok) return resolvedSources;
  // What escapes a process group could still write to its copies.
  const many =
    context.isolation.kind === "namespaces" ? manyFiles([...resolvedSources.value.values()]) : null;
  try {
    const laid = new Laid(many === null ? new Map() : takeCopies(project.copies, dir, work, many));
    for (const input of action.inputs) {
      if (input.name === action.within) continue;
      if (input.kind === "artifact") {
        const placed = await placeArtifact(context, work, input.name, input.target, mounts);
        if (!placed.ok) return placed;
        variables[input.name] = placed.value.path;
        inputs.push(placed.value.key);
      } else {
        const source = resolvedSources.value.get(input.name);
        if (source === undefined) return fail(3, `${action.id}: ${input.name} was not resolved`);
        const staged = await stageSource(work, input.name, source.resolved, laid);
        if (!staged.ok) return staged;
        for (const key of staged.value.keys) inputs.push(key);
        const { variable } = staged.value;
        if (tooLong(variableWord(input.name, variable)) === null) variables[input.name] = variable;
        else if (isWord(action.command, input.name))
          return fail(2, `${action.id}: $${input.name} is more than one word of a command can hold`);
        else notes.push(stageList(work, input.name, variable));
      }
    }
    reached("sources staged", action.id);
    const repo = await stageRepository(context, action, dir, work, mounts);
    if (!repo.ok) return repo;
    if (action.packages !== null) reached("packages staged", action.id);
  } catch (error) {
    return fail(3, `${action.id}: its inputs could not be staged`, asError(error).message);
  }
  const outputs: StagedOutput[] = [];
  for (const output of action.outputs) {
    if (output.kind === "verdict") continue;
    const staged = await stageOutput(context, action, output, dir, work, mounts);
    if (!staged.ok) return staged;
    const { variable, path, parent } = staged.value;
    variables[output.name] = variable;
    outputs.push({ output, path, parent });
  }
  // Last, because what it shows of the working directory is what is mounted there by then.
  const root = await stageRoot(context, action, dir, work, mounts, inputs);
  if (!root.ok) return root;
  const [cwd, ceiling] = context.isolation.kind === "namespaces" ? [WORK_INSIDE, "/"] : [work, dir];
  const facts = await context.decider.keyFacts(action);
  if (!facts.ok) return facts;
  const epoch = await epochOf(context, action, facts.value.epoch);
  const { datecode } = context.decider.context;
  const dated = usesDate(action);
  const env: Record<string, string> = {
    PATH: ACTION_PATH,
    HOME: join(cwd, ".home"),
    TMPDIR: join(cwd, ".tmp"),
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    SOURCE_DATE_EPOCH: String(epoch),
    GIT_CEILING_DIRECTORIES: ceiling,
    ...(dated ? { DATECODE: datecode } : {}),
    ...Object.fromEntries(
      Object.entries(action.env).map(([name, value]) => [name, dated ? withDate(value, datecode) : value]),
    ),
    ...variables,
    ...(action.packages === null ? {} : { REPO: "repo" }),
  };
  const argv = argvOf(action, work, variables, dated ? datecode : null);
  const isolated = componentsOf(action, { ...facts.value, inputs });
  const components = context.decider.context.isolated ? isolated : unisolated(isolated);
  const sources = inputs.map(({ path }) => path);
  const copies = many === null ? null : await recordCopies(work, many, inputs);
  reached("staged", action.id);
  return ok({
    id,
    dir,
    work,
    root: root.value,
    cwd,
    argv,
    env,
    mounts,
    outputs,
    sources,
    components,
    epoch,
    copies,
    notes,
  });
}

/** The action's sources and what they are now, by the input's name. */
async function resolveSources(
  { decider }: StageContext,
  { inputs, within }: Action,
): Promise<Result<ReadonlyMap<string, { readonly source: Source; readonly resolved: ResolvedSource }>>> {
  const found = new Map<string, { readonly source: Source; readonly resolved: ResolvedSource }>();
  for (const input of inputs) {
    if (input.kind !== "source" || input.name === within) continue;
    const resolved = await decider.context.sources.resolve(input.source, input.name);
    if (!resolved.ok) return resolved;
    found.set(input.name, { source: input.source, resolved: resolved.value });
  }
  return ok(found);
}

/** Whether an array command has the input among its words. */
const isWord = (command: Command, name: string): boolean =>
  command.kind === "argv" && command.argv.some((word) => variableIn(word) === name);

/** Where the paths of an input do not fit into its variable, they are in a file, and the variable is not set. */
function stageList(work: string, name: string, paths: string): string {
  stageDirectory(join(work, ".inputs"));
  stageText(join(work, ".inputs", name), `${paths}\n`);
  return `imagemake: $${name} is not set: its paths are more than a variable can hold; they are in .inputs/${name}, one a line`;
}

/** The program and arguments of a command; a recipe's text is written into the stage first. */
function argvOf(
  { command, within }: Action,
  work: string,
  variables: Readonly<Record<string, string>>,
  datecode: string | null,
): string[] {
  const dated = (text: string): string => (datecode === null ? text : withDate(text, datecode));
  switch (command.kind) {
    case "shell":
      return (within === null ? runsText : runsTextWithin)(dated(command.text));
    case "argv":
      return command.argv.map((element) => {
        const name = variableIn(element);
        const value = name === undefined ? undefined : variables[name];
        return name === undefined || value === undefined
          ? dated(element)
          : value + element.slice(1 + name.length);
      });
    case "recipe": {
      stageDirectory(join(work, ".recipe"));
      const texts = { ...command.beside, [command.name]: command.text };
      for (const [name, text] of Object.entries(texts)) stageText(join(work, ".recipe", name), text);
      // A shell's recipe that has programs for node beside it finds the node that we run on.
      if (Object.keys(texts).some((name) => name.endsWith(".mjs")))
        symlinkSync(process.execPath, join(work, ".recipe", "node"));
      const path = join(".recipe", command.name);
      return command.name.endsWith(".mjs") ? [process.execPath, path] : runsScript(path);
    }
  }
}

/** The tree an action runs within, as its root directory; null where it has none. */
async function stageRoot(
  context: StageContext,
  action: Action,
  dir: string,
  work: string,
  mounts: Mount[],
  inputs: KeyInput[],
): Promise<Result<string | null>> {
  if (action.within === null) return ok(null);
  const { index, project } = context.decider.context;
  const input = action.inputs.find(({ name }) => name === action.within);
  const tree = input?.kind === "artifact" ? context.decider.artifactOf(input.target) : undefined;
  if (tree === undefined) return fail(1, `${action.id}: the tree to run within is not in the store`);
  const placed = await placeRoot({
    tree,
    layers: layerChain(tree, (id) => index.artifact(id)),
    layersDir: project.layers,
    manifests: project.manifests,
    isolation: context.isolation,
    overlays: context.overlays,
    dir,
    work,
    network: action.network,
  });
  if (!placed.ok) return placed;
  mounts.push(...placed.value.mounts);
  inputs.push({ input: action.within, path: "", content: tree });
  return ok(placed.value.root);
}

async function placeArtifact(
  context: StageContext,
  work: string,
  name: string,
  target: string,
  mounts: Mount[],
): Promise<Result<{ path: string; key: KeyInput }>> {
  const { decider } = context;
  const { index, project, store } = decider.context;
  const id = decider.artifactOf(target);
  const row = id === undefined ? undefined : index.artifact(id);
  if (id === undefined || row === undefined) return fail(1, `${target} is not in the store`);
  const path = decider.stagePathOf(name, target);
  const key = { input: name, path, content: id };
  const to = join(work, path);
  const free = requireFree(work, path);
  if (!free.ok) return free;
  if (row.kind === "tree") {
    const layers = layerChain(id, (tree) => index.artifact(tree));
    const [only] = layers;
    if (context.isolation.kind === "process-groups" && only !== undefined && layers.length === 1) {
      stageDirectory(dirname(to));
      const copied = await copyTree(layerPath(project.layers, only), to, context.isolation);
      return copied.ok ? ok({ path, key }) : copied;
    }
    stageDirectory(to);
    mounts.push({ kind: "overlay", layers, upper: null, work: null, to });
    return ok({ path, key });
  }
  stageDirectory(dirname(to));
  const placed = store.place(id, to);
  if (!placed.ok) return placed;
  if (placed.value.kind === "bind") {
    if (context.isolation.kind === "namespaces")
      mounts.push({ kind: "bind", from: placed.value.path, to, readOnly: true });
    else copyFileSync(placed.value.path, to);
  }
  return ok({ path, key });
}

/** Lays out `repo/`: the closure's package files, indexed by the distribution's own tool. */
async function stageRepository(
  context: StageContext,
  action: Action,
  dir: string,
  work: string,
  mounts: Mount[],
): Promise<Result<void>> {
  const { pins, project } = context.decider.context;
  const closure = await pins.closure(action);
  if (!closure.ok) return closure;
  if (action.packages === null || closure.value === null || closure.value === undefined) return ok(undefined);
  const driver = await pins.driver(action.packages.driver);
  const to = join(work, "repo");
  const free = requireFree(work, "repo");
  if (!free.ok) return free;
  stageDirectory(to);
  const from = context.isolation.kind === "namespaces" ? join(dir, "repo") : to;
  stageDirectory(from);
  const { packages } = closure.value;
  // Hard links: nobody stamps a package file, and the action sees them through a read-only mount.
  for (const pkg of packages) {
    const file = join(from, driver.fileName(pkg));
    stageDirectory(dirname(file));
    placePackage(project.packages, pkg.sha256, file);
  }
  const scratch = join(dir, "index");
  mkdirSync(scratch);
  const unheard = (): void => undefined;
  const driverContext: DriverContext = { scratch, signal: context.signal, progress: unheard, warn: unheard };
  const indexed = await driver.index(packages, from, action.packages.arch, driverContext);
  if (indexed.ok && context.isolation.kind === "namespaces")
    mounts.push({ kind: "bind", from, to, readOnly: true });
  return indexed;
}

async function stageOutput(
  context: StageContext,
  action: Action,
  output: Exclude<Output, { kind: "verdict" }>,
  dir: string,
  work: string,
  mounts: Mount[],
): Promise<Result<{ variable: string; path: string; parent: string | null }>> {
  if (output.kind === "file") {
    const variable = join(".out", undated(output.pattern));
    stageDirectory(dirname(join(work, variable)));
    return ok({ variable, path: join(work, variable), parent: null });
  }
  const { index, project } = context.decider.context;
  const variable = join(".out", output.name);
  const to = join(work, variable);
  const base = action.inputs.find((input) => input.name === output.base);
  const parent = base?.kind === "artifact" ? context.decider.artifactOf(base.target) : undefined;
  if (parent === undefined) {
    const made = makeTreeRoot(to, project.manifests, null);
    return made.ok ? ok({ variable, path: to, parent: null }) : made;
  }
  const layers = layerChain(parent, (tree) => index.artifact(tree));
  if (!context.overlays) {
    const made = makeTreeRoot(to, project.manifests, parent);
    if (!made.ok) return made;
    const what = { layersDir: project.layers, layers, to, scratch: join(dir, "beneath") };
    const copied = await copyLayers(what, context.isolation);
    return copied.ok ? ok({ variable, path: to, parent: null }) : copied;
  }
  const [upper, scratch] = [join(dir, "upper", output.name), join(dir, "overlay", output.name)];
  for (const path of [to, scratch]) stageDirectory(path);
  const made = makeTreeRoot(upper, project.manifests, parent);
  if (!made.ok) return made;
  mounts.push({ kind: "overlay", layers, upper, work: scratch, to });
  return ok({ variable, path: upper, parent });
}

/** The newest build date among the packages, and what the key has of the epoch; never the clock. */
async function epochOf(context: StageContext, action: Action, dated: number | null): Promise<number> {
  const { pins, project } = context.decider.context;
  let epoch = dated ?? 0;
  const closure = await pins.closure(action);
  if (closure.ok && action.packages !== null && closure.value !== null && closure.value !== undefined) {
    const driver = await pins.driver(action.packages.driver);
    for (const pkg of closure.value.packages) {
      epoch = Math.max(epoch, await driver.buildDate(packagePath(project.packages, pkg.sha256)));
    }
  }
  return epoch === 0 ? DEFAULT_EPOCH : epoch;
}
