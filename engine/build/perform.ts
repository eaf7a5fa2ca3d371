// One action from decision to links: stage, run, publish. Everything that happens becomes an event; every
// failure becomes a row, so that `why` and `log` know of it.
import { appendFileSync } from "node:fs";
import { join, relative } from "node:path";
import { randomBytes } from "node:crypto";
import { problemIn, writeIfPossible } from "../../cache/io.js";
import type { BuildRow } from "../../cache/index.js";
import { reached } from "../../cache/steps.js";
import { logPath, nurseryPath, stageOf } from "../../cache/layout.js";
import type { Decider, Judgement } from "../decide.js";
import type { Decision, Failure } from "../reason.js";
import { devicesOf } from "../execute/local/devices.js";
import { strippedText } from "../execute/local/plain.js";
import type { Stripped } from "../execute/local/started.js";
import { keepCopies, type Copies } from "../execute/kept-copies.js";
import { runJob, type Isolation } from "../execute/local/sandbox.js";
import { removeTree } from "../execute/local/remove.js";
import { untold } from "../execute/local/stale.js";
import { stageAction } from "../execute/stage.js";
import type { Staged } from "../execute/staged.js";
import { emulatedIn, endedWithin } from "../execute/local/within.js";
import type { Action, TargetId } from "../model.js";
import { linkOutputs, publish, recordFailure } from "../publish.js";
import { noticeAbout } from "../notice.js";
import { asError, fail, ok, type Result } from "../problem.js";
import { relationsOf } from "../relations.js";
import { endedInPipe } from "../shell.js";
import { failed } from "./failed.js";
import { lossesIn, refused, toldBy } from "./losses.js";
import { damagedMeanwhile, mend } from "./mend.js";
import type { Session } from "./session.js";
import { forgetUnfinished, makeLog, noteUnfinished } from "./unfinished.js";

/** How one action ended. */
export type Performed =
  | { readonly kind: "up-to-date" | "restored" | "built" }
  | { readonly kind: "failed"; readonly failure: Failure };

/** What performing needs beside the session. */
export interface PerformContext {
  readonly session: Session;
  readonly isolation: Isolation;
  /** Whether the stage can carry an overlay's upper directory. */
  readonly overlays: boolean;
  /** What was decided of the actions before the first of them ran. */
  readonly plan: ReadonlyMap<TargetId, Judgement>;
  /** Tools, privilege and packages of an action that the plan did not hold; nothing for those that it did. */
  readonly prepare: (action: Action) => Promise<Result<void>>;
  /** Actions that are made anew for a reader that the plan did not hold. */
  readonly making: Map<string, Promise<Performed>>;
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
    const problem = problemIn(error) ?? { exit: 3, message: asError(error).message };
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
  if (judged.ok && (await options.shared?.takeNow(decider, context.isolation, action, judged.value)) === true)
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
    if ((await making).kind === "failed") return fail(1, `${target}, which it reads, could not be made anew`);
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
  const provided = await provide(context, action);
  if (!provided.ok) return failed(context, action, null, { kind: "problem", problem: provided.problem });
  const { project } = decider.context;
  const { isolation, overlays } = context;
  const id = `${options.now().toString(36)}-${randomBytes(4).toString("hex")}`;
  const started = options.now();
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
  makeLog(log, nurseryPath(project, id, "log"));
  noteUnfinished(project, { id, action: action.id, started });
  reached("claimed", action.id);
  let copies: Copies | null = null;
  const staging = performance.now();
  try {
    const staged = await stageAction(
      { decider, signal: options.signal, isolation, overlays },
      action,
      id,
      judged,
    );
    if (!staged.ok) {
      forgetUnfinished(project, action.id);
      return failed(
        context,
        action,
        null,
        { kind: "problem", problem: staged.problem },
        options.now() - started,
      );
    }
    copies = staged.value.copies;
    for (const note of staged.value.notes) appendFileSync(log, `${note}\n`);
    const losses = await lossesIn(decider, action);
    const lost = losses.ok ? losses.value : [];
    const refusal: Failure | null = losses.ok
      ? refused(action, lost)
      : { kind: "problem", problem: losses.problem };
    const ran = refusal ?? (await run(context, action, staged.value, log));
    const said = toldBy(action, staged.value.work);
    const stripped = "stripped" in ran ? [...strippedText(ran.stripped), ...said.losses] : [];
    const failure =
      "stripped" in ran
        ? (refused(action, stripped) ?? (await damagedMeanwhile(decider, action, staging)))
        : ran;
    const record = { started, duration: options.now() - started, log };
    if (failure !== null) {
      if (failure.kind !== "interrupted") {
        // On a full disk not even that has room, and the failure is what is to be told.
        writeIfPossible(() => {
          recordFailure(decider, action, staged.value, failure, record);
          forgetUnfinished(project, action.id);
        });
      }
      return failed(context, action, staged.value, failure, record.duration, log);
    }
    // What comes after Ctrl-C is not published.
    if (options.signal.aborted) {
      return failed(context, action, staged.value, { kind: "interrupted" }, record.duration, log);
    }
    const published = await publish({ decider, isolation: context.isolation }, action, staged.value, record);
    if (published.kind === "failure") recordFailure(decider, action, staged.value, published.failure, record);
    forgetUnfinished(project, action.id);
    reached("published", action.id);
    if (published.kind === "failure") {
      return failed(context, action, staged.value, published.failure, record.duration, log);
    }
    const { outputs, notices } = published;
    for (const notice of [...lost, ...stripped, ...said.warnings, ...notices]) {
      options.emit({
        type: "notice",
        level: "warning",
        ...noticeAbout(action.id, notice),
        at: options.now(),
      });
    }
    decider.products.produced(action.id, { outputs, epoch: staged.value.epoch, build: id });
    const linked = await linkOutputs(decider, action, outputs);
    if ("problem" in linked)
      return failed(
        context,
        action,
        staged.value,
        { kind: "problem", problem: linked.problem },
        record.duration,
      );
    const { duration } = record;
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
    await removeStage(context, stageOf(project, id), copies);
    reached("stage removed", action.id);
  }
}

/** A stage that cannot be removed now is removed before the next build; it spoils nothing. */
async function removeStage(context: PerformContext, dir: string, copies: Copies | null): Promise<void> {
  const { decider, options } = context.session;
  const { project } = decider.context;
  const kept =
    copies === null ? ok(undefined) : await keepCopies(project.copies, dir, join(dir, "work"), copies);
  const problems = [kept, await removeTree(dir)].flatMap((done) => (done.ok ? [] : [done.problem]));
  for (const { message } of untold(project, problems))
    options.emit({ type: "notice", level: "warning", message, at: options.now() });
}

async function run(
  context: PerformContext,
  action: Action,
  staged: Staged,
  log: string,
): Promise<Failure | { readonly stripped: readonly Stripped[] }> {
  const { options } = context.session;
  const outcome = await runJob(
    {
      stage: staged.dir,
      ...(staged.root !== null
        ? { root: staged.root, emulated: emulatedIn(action) }
        : staged.cwd === staged.work
          ? {}
          : { place: { from: staged.work, to: staged.cwd } }),
      cwd: staged.cwd,
      layersDir: context.session.decider.context.project.layers,
      argv: staged.argv,
      env: staged.env,
      log,
      mounts: staged.mounts,
      network: action.network,
      interactive: action.interactive,
      devices: devicesFor(action),
      plain: plainIn(action, staged),
      timeoutMs: action.timeout === null ? null : action.timeout * 1000,
    },
    context.isolation,
    options.signal,
    options.killSignal,
  );
  switch (outcome.kind) {
    case "exited": {
      const inText = action.command.kind === "shell" ? endedInPipe(outcome.status) : null;
      for (const why of [endedWithin(action, outcome.status), inText])
        if (why !== null) appendFileSync(log, `imagemake: ${why}\n`);
      return outcome.status === 0 ? outcome : { kind: "exit", status: outcome.status };
    }
    case "signal":
      return { kind: "signal", signal: outcome.signal };
    case "timeout":
      return { kind: "timeout", seconds: action.timeout ?? 0 };
    case "interrupted":
      return { kind: "interrupted" };
    case "problem":
      return outcome;
  }
}

/** Where its outputs that are files may be. */
const plainIn = (action: Action, { outputs, work }: Staged): readonly string[] => [
  ...outputs.flatMap(({ output, path }) => (output.kind === "file" ? [relative(work, path)] : [])),
  ...(action.collect === null ? [] : [".", ".out"]),
];

/** Device nodes the action declared. IMAGEMAKE_ACCEL=tcg keeps KVM out of reach where it is no good. */
const devicesFor = (action: Action): readonly string[] =>
  devicesOf(
    action.resources.named.filter((name) => name !== "kvm" || process.env["IMAGEMAKE_ACCEL"] !== "tcg"),
  );

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
