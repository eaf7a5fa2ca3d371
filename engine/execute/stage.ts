// Prepares the directory an action runs in: sources copied (and the copy digested), artifacts placed
// read-only, package files laid out, variables set. It starts nothing and decides nothing.
import { chmodSync, chownSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { stageOf } from "../../cache/layout.js";
import { reached } from "../../cache/steps.js";
import type { Judgement } from "../decide.js";
import { componentsOf, keyOf, unisolated, usesDate, type KeyInput } from "../key.js";
import type { Action, Source } from "../model.js";
import { asError, fail, ok, type Result } from "../problem.js";
import type { ResolvedSource } from "../sources/resolved.js";
import { manyFiles, recordCopies, takeCopies } from "./kept-copies.js";
import type { Mount } from "./local/sandbox.js";
import { argvOf, environmentOf, setVariable, type Variables } from "./stage-command.js";
import { epochOf, stageRepository } from "./stage-packages.js";
import { Laid, stageSource } from "./stage-source.js";
import { placeArtifact, stageOutput, stageRoot } from "./local/stage-trees.js";
import type { Stage, StageContext, Staged, StagedOutput } from "./staged.js";
import { WORK_INSIDE } from "./local/within.js";

/**
 * Makes `<stage>/<id>` and everything in it. The caller removes it. What was judged of the action holds for what was
 * copied, or is corrected by that.
 */
export async function stageAction(
  context: StageContext,
  action: Action,
  id: string,
  judged: Pick<Judgement, "facts"> | null,
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
  const stage: Stage = { ...context, action, dir, work, mounts };
  const variables: Variables = { set: {}, notes: [] };
  const inputs: KeyInput[] = [];
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
        const placed = await placeArtifact(stage, input.name, input.target);
        if (!placed.ok) return placed;
        variables.set[input.name] = placed.value.path;
        inputs.push(placed.value.key);
      } else {
        const source = resolvedSources.value.get(input.name);
        if (source === undefined) return fail(3, `${action.id}: ${input.name} was not resolved`);
        const staged = await stageSource(work, input.name, source.resolved, laid);
        if (!staged.ok) return staged;
        for (const key of staged.value.keys) inputs.push(key);
        const set = setVariable(stage, variables, input.name, staged.value.variable);
        if (!set.ok) return set;
      }
    }
    reached("sources staged", action.id);
    const repo = await stageRepository(stage);
    if (!repo.ok) return repo;
    if (action.packages !== null) reached("packages staged", action.id);
  } catch (error) {
    return fail(3, `${action.id}: its inputs could not be staged`, asError(error).message);
  }
  const outputs: StagedOutput[] = [];
  for (const output of action.outputs) {
    if (output.kind === "verdict") continue;
    const staged = await stageOutput(stage, output);
    if (!staged.ok) return staged;
    const { variable, path, parent } = staged.value;
    variables.set[output.name] = variable;
    outputs.push({ output, path, parent });
  }
  // Last, because what it shows of the working directory is what is mounted there by then.
  const root = await stageRoot(stage, inputs);
  if (!root.ok) return root;
  const [cwd, ceiling] = context.isolation.kind === "namespaces" ? [WORK_INSIDE, "/"] : [work, dir];
  const known = judged?.facts ?? null;
  const facts = known === null ? await context.decider.keyFacts(action) : ok(known);
  if (!facts.ok) return facts;
  const epoch = await epochOf(stage, facts.value.epoch);
  const datecode = usesDate(action) ? context.decider.context.datecode : null;
  const env = environmentOf(stage, variables, { cwd, ceiling, epoch, datecode });
  const argv = argvOf(stage, variables, datecode);
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
    key: keyOf(components),
    epoch,
    copies,
    notes: variables.notes,
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
