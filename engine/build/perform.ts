// One action from decision to links: stage, run, publish. Everything that happens becomes an event; every failure
// becomes a row, so that `why` and `log` know of it. What it finds damaged is removed and made anew.
import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import type { ContentStore } from "../../cache/content-store.js";
import type { ArtifactRow, BuildRow } from "../../cache/index.js";
import { problemIn, writeIfPossible } from "../../cache/io.js";
import { logPath, partPath, stageOf } from "../../cache/layout.js";
import { reached } from "../../cache/steps.js";
import { digestOf } from "../../cache/store.js";
import { discardDamaged } from "../damage.js";
import type { Decider, Judgement } from "../decide.js";
import type { Executor, Outcome } from "../execute/executor.js";
import { refused } from "../execute/guards.js";
import type { Copies } from "../execute/kept-copies.js";
import { removeStage, stageAction } from "../execute/stage.js";
import type { Action, TargetId } from "../model.js";
import { type Notice, noticeAbout } from "../notice.js";
import { asError, Exit, fail, ok, type Problem, type Result } from "../problem.js";
import { linkOutputs, publish, recordFailure } from "../publish.js";
import type { Decision, Failure } from "../reason.js";
import { forgetRecords } from "../record.js";
import { relationsOf } from "../relations.js";
import { droppedAttributes } from "../sources/dropped.js";
import { lossesOf, lossText } from "../tree/losses.js";
import { readManifest } from "../tree/manifest.js";
import { failed } from "./failed.js";
import { dropKept, mayKeep } from "./kept.js";
import type { Session } from "./session.js";
import { forgetUnfinished, makeLog, noteUnfinished } from "./unfinished.js";

/** How one action ended. */
export type Performed =
  | { readonly kind: "up-to-date" | "restored" | "built" }
  | { readonly kind: "failed"; readonly failure: Failure };

/** What performing needs beside the session. */
export interface PerformContext {
  readonly session: Session;
  /** Where actions are executed; a problem where nothing can be. */
  readonly executor: Result<Executor>;
  readonly contents: ContentStore;
  /** What was decided of the actions before the first of them ran. */
  readonly plan: ReadonlyMap<TargetId, Judgement>;
  /** Tools, privilege and packages of an action that the plan did not hold; nothing for those that it did. */
  readonly prepare: (action: Action) => Promise<Result<void>>;
  /** Actions that are made anew for a reader that the plan did not hold. */
  readonly making: Map<string, Promise<Performed>>;
  /** Whether stages of earlier builds are kept. */
  readonly keeps: boolean;
  /** Whether was said that output files are copies: once a run is enough. */
  readonly copies: { told: boolean };
}

/**
 * Brings one action up to date; what it reads must have been produced. Whatever is thrown on the way (a full
 * disk under the database, say) is this action's failure.
 */
export async function perform(context: PerformContext, action: Action): Promise<Performed> {
  try {
    return await bringUpToDate(context, action);
  } catch (error) {
    const problem = problemIn(error) ?? { exit: Exit.environment, message: asError(error).message };
    return failed(context, action, null, { kind: "problem", problem });
  }
}

async function bringUpToDate(context: PerformContext, action: Action): Promise<Performed> {
  const { decider, options } = context.session;
  const planned = context.plan.get(action.id);
  let judged =
    planned !== undefined && options.shared === null && decider.stillHolds(action, planned)
      ? ok(planned)
      : await decider.decide(action);
  if (judged.ok && (await options.shared?.takeNow(decider, context.contents, action, judged.value)) === true)
    judged = await decider.decide(action);
  if (!judged.ok) return failed(context, action, null, { kind: "problem", problem: judged.problem });
  reached("looked at", action.id);
  const { made } = judged.value;
  if (made === null) return build(context, action, judged.value.decision, judged.value);
  const decision = options.shared?.taken(action.id) ?? judged.value.decision;
  decider.products.produced(action.id, made);
  notePublished(decider, [[action, judged.value]]);
  if (decision.kind === "up-to-date") {
    options.emit({ type: "up-to-date", target: action.id, at: options.now() });
    return { kind: "up-to-date" };
  }
  const linked = await linkOutputs(decider, action, made.outputs);
  if ("problem" in linked) return failed(context, action, null, { kind: "problem", problem: linked.problem });
  noteCopied(context, linked.copied);
  options.emit({
    type: "restored",
    target: action.id,
    outputs: linked.paths,
    sizes: linked.sizes,
    reason: decision,
    at: options.now(),
  });
  return { kind: "restored" };
}

/** What was built before and counts again is what is published: later explanations compare with it. */
export function notePublished(
  { context, history }: Decider,
  judged: Iterable<readonly [Action, Judgement]>,
): void {
  const builds = new Map<Action, BuildRow>();
  for (const [action, { key, made, adopted }] of judged) {
    const row = key === null || made === null || adopted === true ? undefined : context.index.resultOf(key);
    if (row !== undefined) builds.set(action, row);
  }
  history.publish(builds);
}

/**
 * An input made anew that came out different makes readers run that the plan took for up to date: what these read and
 * is not here is made first, once.
 */
async function provide(context: PerformContext, action: Action): Promise<Result<void>> {
  const { decider, options } = context.session;
  const prepared = await context.prepare(action);
  if (!prepared.ok) return prepared;
  const damaged = await decider.damagedInputs(action);
  if (!damaged.ok) return damaged;
  for (const row of damaged.value) {
    const mended = await mend(context.session, row);
    if (!mended.ok) return mended;
  }
  for (const target of decider.lacks(action)) {
    const maker = relationsOf(options.graph).producer(target);
    if (maker === undefined) continue;
    const decision: Decision = { kind: "build", reason: { kind: "artifact-lost", target } };
    const making = context.making.get(maker.id) ?? build(context, maker, decision, null);
    context.making.set(maker.id, making);
    if ((await making).kind === "failed")
      return fail(Exit.failed, `${target}, which it reads, could not be built again`);
  }
  return ok(undefined);
}

/** `judged`: of what is to be made anew although it is known, none. */
async function build(
  context: PerformContext,
  action: Action,
  decision: Decision,
  judged: Judgement | null,
): Promise<Performed> {
  const { decider, options } = context.session;
  const { project } = decider.context;
  const tell = (problems: readonly Problem[]): void => {
    for (const { message } of problems)
      options.emit({ type: "notice", level: "warning", message, at: options.now() });
  };
  if (context.keeps) tell(await dropKept(project, context.session.index, [action.id]));
  const provided = await provide(context, action);
  if (!provided.ok) return failed(context, action, null, { kind: "problem", problem: provided.problem });
  const { executor } = context;
  if (!executor.ok) return failed(context, action, null, { kind: "problem", problem: executor.problem });
  const id = `${options.now().toString(36)}-${randomBytes(4).toString("hex")}`;
  const started = options.now();
  // The clock may be put right meanwhile.
  const began = performance.now();
  const lasted = (): number => Math.round(performance.now() - began);
  const expected = context.session.durations.likely(action);
  const log = logPath(project, id);
  options.emit({
    type: "started",
    target: action.id,
    rule: action.rule,
    build: id,
    reason: decision,
    expected,
    log,
    at: started,
  });
  makeLog(log, partPath(project, id, "log"));
  noteUnfinished(project, { id, action: action.id, started });
  reached("claimed", action.id);
  let copies: Copies | null = null;
  let kept = false;
  try {
    const staged = await stageAction(decider, action, id, judged);
    if (!staged.ok) return notRun(context, action, staged.problem, lasted());
    copies = staged.value.copies;
    for (const note of staged.value.notes) appendFileSync(log, `${note}\n`);
    const losses = await lossesIn(decider, action);
    const lost = losses.ok ? losses.value : [];
    const { dir, action: what } = staged.value;
    const { signal, killSignal, keepFailed: keep } = options;
    const outcome: Outcome = losses.ok
      ? (refused(action, lost) ??
        (await executor.value.execute(what, { dir, log, signal, killSignal, keep })))
      : { kind: "problem", problem: losses.problem };
    if (outcome.kind === "not-run") return notRun(context, action, outcome.problem, lasted());
    const record = { started, duration: lasted(), log };
    if (outcome.kind !== "made") {
      if (outcome.kind !== "interrupted") {
        // On a full disk not even that has room, and the failure is what is to be told.
        writeIfPossible(() => {
          recordFailure(decider, what, outcome, record);
          forgetUnfinished(project, action.id);
        });
        kept = keep && mayKeep(dir);
      }
      return failed(context, action, staged.value, outcome, record.duration, log, kept);
    }
    const outputs = publish(decider, what, outcome.outputs, record);
    forgetUnfinished(project, action.id);
    reached("published", action.id);
    for (const notice of [...lost, ...outcome.notices])
      options.emit({
        type: "notice",
        level: "warning",
        ...noticeAbout(action.id, notice),
        at: options.now(),
      });
    decider.products.produced(action.id, { outputs, epoch: what.epoch, build: id });
    const linked = await linkOutputs(decider, action, outputs);
    const { duration } = record;
    if ("problem" in linked)
      return failed(context, action, staged.value, { kind: "problem", problem: linked.problem }, duration);
    noteCopied(context, linked.copied);
    options.emit({
      type: "built",
      target: action.id,
      build: id,
      outputs: linked.paths,
      sizes: linked.sizes,
      digests: Object.values(outputs),
      duration,
      at: options.now(),
    });
    return { kind: "built" };
  } finally {
    tell(
      kept
        ? await dropKept(project, context.session.index, [])
        : await removeStage(project, stageOf(project, id), copies),
    );
    reached("stage removed", action.id);
  }
}

/** What it reads could not be brought to where it was to run: nothing is known of it that was not known before. */
function notRun(context: PerformContext, action: Action, problem: Problem, duration: number): Performed {
  forgetUnfinished(context.session.options.project, action.id);
  return failed(context, action, null, { kind: "problem", problem }, duration);
}

/** What is copied for want of hard links takes its room twice. */
function noteCopied({ session, copies }: PerformContext, path: string | null): void {
  if (path === null || copies.told) return;
  copies.told = true;
  session.options.emit({
    type: "notice",
    level: "warning",
    message: `${path} is a copy of what the store holds, because no hard link can be made there: files in out/ take their room twice`,
    at: session.options.now(),
  });
}

// What is lost on the way into an action's outputs, known before it runs: sentences for people, and with the guard `lossless`
// failures (engine/execute/guards.ts).

/**
 * What the formats of its outputs do not hold of the trees that it reads, and a tree not of the sources that go into it,
 * a sentence each.
 */
async function lossesIn(decider: Decider, action: Action): Promise<Result<readonly Notice[]>> {
  const said: Notice[] = [];
  for (const input of action.inputs) {
    if (input.kind !== "source" || input.source.kind !== "files" || input.source.tree?.kind !== "tree")
      continue;
    const resolved = await decider.context.sources.resolve(input.source, input.name);
    if (!resolved.ok) return resolved;
    if (resolved.value.kind !== "files") continue;
    const losses = await droppedAttributes(resolved.value.files, input.source.tree);
    if (!losses.ok) return losses;
    if (losses.value.length > 0) said.push(lossText("an overlay", losses.value));
  }
  for (const holding of action.holds) {
    const input = action.inputs.find(({ name }) => name === holding.input);
    const id = input?.kind === "artifact" ? decider.artifactOf(input.target) : undefined;
    if (id === undefined || !id.startsWith("t:")) continue;
    const manifest = readManifest(decider.context.project.manifests, digestOf(id));
    if (!manifest.ok) return manifest;
    const losses = lossesOf(manifest.value, holding);
    if (losses.length > 0) said.push(lossText(holding.format, losses));
  }
  return ok(said);
}

// What a build does about damage in the store: what it was going to read is removed and made anew. It looks at nothing itself;
// what read it while it was damaged fails (engine/execute/local/executor.ts).

/** What is damaged is removed and named, with what was built since from it: all that is made anew. */
export async function mend(
  { decider, index, options }: Session,
  damaged: ArtifactRow,
): Promise<Result<void>> {
  const { id, kind } = damaged;
  // Another action that reads it may have been here already, and may have made it anew.
  if (decider.whole.lost.has(id)) {
    const maker = index.makerOf(id);
    // They may hold that what is void now is up to date.
    forgetRecords(options.project);
    decider.products.spoil();
    const { voided, problem } = await discardDamaged({ project: options.project, index }, damaged);
    if (problem !== null) return { ok: false, problem };
    const since = new Set(voided.map(({ build }) => build.action));
    const whose = maker === undefined ? "" : ` (made by ${maker})`;
    const also =
      since.size === 0 ? "" : `; what was built from it no longer counts: ${[...since].join(", ")}`;
    options.emit({
      type: "notice",
      level: "warning",
      message: `the ${kind} ${id}${whose} in the store is damaged, and is built again${also}`,
      at: options.now(),
    });
  }
  decider.whole.forget(id);
  return ok(undefined);
}
