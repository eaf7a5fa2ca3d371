// Stages an action: sources are copied, and the copy is what is digested; what it reads is named by digest, its variables
// are set, its key is known. It starts nothing, decides nothing, and brings no artifact there: that is the executor's.
import { chmodSync, chownSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { stageOf } from "../../cache/layout.js";
import { packagePath } from "../../cache/packages.js";
import { reached } from "../../cache/steps.js";
import type { Decider, Judgement } from "../decide.js";
import { componentsOf, type KeyInput, keyOf, unisolated, usesDate } from "../key.js";
import { type Action, DEFAULT_EPOCH, type Source } from "../model.js";
import type { Package } from "../packages/driver.js";
import { asError, Exit, fail, ok, type Problem, type Result } from "../problem.js";
import type { Project } from "../project.js";
import type { ResolvedSource } from "../sources/resolved.js";
import { outputPath, type StagedAction, type StagedInput } from "./executor.js";
import { type Copies, keepCopies, manyFiles, recordCopies, takeCopies } from "./kept-copies.js";
import { removeTree } from "./local/remove.js";
import { untold } from "./local/stale.js";
import { commandOf, environmentOf, setVariable, type Variables } from "./stage-command.js";
import { Laid, makeRoom, type Stage, stageSource } from "./stage-source.js";

/** A stage, and the action in it. */
export interface Staged {
  readonly dir: string;
  readonly action: StagedAction;
  /** Copies of sources that are kept for the next action; null where there are too few, or they could not be told. */
  readonly copies: Copies | null;
  /** Lines that its log begins with: what a person has to know who reads how it failed. */
  readonly notes: readonly string[];
}

/** Where in a stage's directory its action works. */
export const workIn = (dir: string): string => join(dir, "work");

/** Makes the directory of a stage, with the one in it that the action works in; returns that. */
export function makeStage(dir: string): string {
  const work = workIn(dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  // In a directory that a group shares it would hand its group on, into trees too.
  const group = process.getegid?.();
  if (group !== undefined && lstatSync(dir).gid !== group) chownSync(dir, process.geteuid?.() ?? -1, group);
  chmodSync(dir, 0o700);
  for (const path of [work, join(work, ".out"), join(work, ".home"), join(work, ".tmp")])
    mkdirSync(path, { mode: 0o700 });
  return work;
}

/**
 * Makes `<stage>/<build>` and what of the action lies there. The caller removes it. What was judged of the action holds for
 * what was copied, or is corrected by that.
 */
export async function stageAction(
  decider: Decider,
  action: Action,
  build: string,
  judged: Pick<Judgement, "facts"> | null,
): Promise<Result<Staged>> {
  const { datecode, isolated, project } = decider.context;
  const dir = stageOf(project, build);
  const work = makeStage(dir);
  reached("stage made", action.id);
  const sources = await resolveSources(decider, action);
  if (!sources.ok) return sources;
  // Without isolation, what escapes a process group could still write to its copies.
  const many = isolated ? manyFiles([...sources.value.values()]) : null;
  const variables: Variables = { set: {}, notes: [] };
  let lying: Result<Lying>;
  try {
    const kept = many === null ? new Map<string, string>() : takeCopies(project.copies, dir, work, many);
    lying = await layInputs(decider, action, { work, laid: new Laid(kept) }, sources.value, variables);
  } catch (error) {
    return fail(Exit.environment, `${action.id}: its inputs could not be staged`, asError(error).message);
  }
  if (!lying.ok) return lying;
  reached("sources staged", action.id);
  const { laid, read, inputs } = lying.value;
  for (const output of action.outputs)
    if (output.kind !== "verdict") variables.set[output.name] = outputPath(output);
  const known = judged?.facts ?? null;
  const facts = known === null ? await decider.keyFacts(action) : ok(known);
  if (!facts.ok) return facts;
  const closure = await decider.context.pins.closure(action);
  if (!closure.ok) return closure;
  const packages = closure.value?.packages ?? null;
  const seen = usesDate(action) ? datecode : null;
  const all = componentsOf(action, { ...facts.value, inputs });
  const components = isolated ? all : unisolated(all);
  const staged: StagedAction = {
    ...{ build, action, components, key: keyOf(components) },
    epoch: await epochOf(decider, action, packages, facts.value.epoch),
    command: commandOf(action, variables, seen),
    env: environmentOf(action, variables, seen),
    ...{ sources: laid.sources(), inputs: read, packages, datecode },
  };
  const copies = many === null ? null : await recordCopies(work, many, inputs);
  return ok({ dir, action: staged, copies, notes: variables.notes });
}

/** What lies in a stage or will lie there, and what the key has of it. */
interface Lying {
  readonly laid: Laid;
  readonly read: readonly StagedInput[];
  readonly inputs: readonly KeyInput[];
}

/** Lays the sources, and makes room for what the executor will bring. */
async function layInputs(
  decider: Decider,
  action: Action,
  stage: Stage,
  sources: ReadonlyMap<string, { readonly resolved: ResolvedSource }>,
  variables: Variables,
): Promise<Result<Lying>> {
  const read: StagedInput[] = [];
  const inputs: KeyInput[] = [];
  for (const input of action.inputs) {
    const { name } = input;
    if (input.kind === "artifact") {
      const id = decider.artifactOf(input.target);
      if (id === undefined) return fail(Exit.failed, `${input.target} is not in the store`);
      // What an action runs within lies nowhere in its stage.
      const path = name === action.within ? "" : decider.stagePathOf(name, input.target);
      read.push({ name, id, path });
      inputs.push({ input: name, path, content: id });
      if (path !== "") variables.set[name] = path;
    } else {
      const source = sources.get(name);
      if (source === undefined) return fail(Exit.environment, `${action.id}: ${name} was not resolved`);
      const staged = await stageSource(stage, name, source.resolved);
      if (!staged.ok) return staged;
      for (const key of staged.value.keys) inputs.push(key);
      const set = setVariable(stage, action, variables, name, staged.value.variable);
      if (!set.ok) return set;
    }
  }
  const places = read
    .filter(({ path }) => path !== "")
    .map(({ id, path }) => [path, id.startsWith("t:")] as const);
  for (const [path, isTree] of [...places, ...(action.packages === null ? [] : [["repo", true] as const])]) {
    const room = makeRoom(stage, path, isTree);
    if (!room.ok) return room;
  }
  return ok({ laid: stage.laid, read, inputs });
}

/**
 * Removes a stage whose action has ended, and keeps what of it saves the next action time. Returns what stood in the way and was
 * not told of before: what cannot be removed now is before the next build; it spoils nothing.
 */
export async function removeStage(
  project: Project,
  dir: string,
  copies: Copies | null,
): Promise<readonly Problem[]> {
  const kept = copies === null ? ok(undefined) : await keepCopies(project.copies, dir, workIn(dir), copies);
  const problems = [kept, await removeTree(dir)].flatMap((done) => (done.ok ? [] : [done.problem]));
  return untold(project, problems);
}

/** The action's sources and what they are now, by the input's name. */
async function resolveSources(
  decider: Decider,
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

// What dates an action: the newest build date among its packages, and what the key has of the epoch; never the clock.

/** SOURCE_DATE_EPOCH, in seconds; `dated` is what the key has of it. */
async function epochOf(
  { context: { pins, project } }: Decider,
  action: Action,
  packages: readonly Package[] | null,
  dated: number | null,
): Promise<number> {
  let epoch = dated ?? 0;
  if (action.packages !== null && packages !== null) {
    const driver = await pins.driver(action.packages.driver);
    for (const { sha256 } of packages)
      epoch = Math.max(epoch, await driver.buildDate(packagePath(project.packages, sha256)));
  }
  return epoch === 0 ? DEFAULT_EPOCH : epoch;
}
