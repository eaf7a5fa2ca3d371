// A build from the command line's wish to its end: decide, take the lock, pin packages, plan, schedule,
// perform, remember. The only module that knows the whole order.
import { cpus, totalmem } from "node:os";
import { reached } from "../../cache/steps.js";
import { statePath } from "../../cache/layout.js";
import type { Judgement } from "../decide.js";
import type { Isolation } from "../execute/sandbox.js";
import { passNothingOn } from "../execute/plain.js";
import { clearStaleStages, untold } from "../execute/stale.js";
import type { Action, TargetId } from "../model.js";
import { warningOnce } from "../notice.js";
import { obstaclesOf, together, type Obstacle, type Obstacles } from "../obstacles.js";
import { ok, type Problem, type Result } from "../problem.js";
import { relationsOf } from "../relations.js";
import { saveRelease, setDamagedAside } from "../release/release.js";
import type { Failure } from "../reason.js";
import { Scheduler } from "../schedule.js";
import { stampOf } from "../sources/stamp.js";
import { checkAbility, checkTrees, forbiddenAmong, isolationFor, restHint } from "./ability.js";
import { checkClaims } from "./claims.js";
import { cautionsOf } from "./inputs.js";
import { checkNative } from "./native.js";
import { clearAfterCrash, takeLock } from "./lock.js";
import { mend } from "./mend.js";
import { failed, notePublished, perform, type PerformContext, type Performed } from "./perform.js";
import {
  decideAll,
  noteRelease,
  nothingToDo,
  openSession,
  unresolvedOf,
  type RunOptions,
  type Session,
} from "./session.js";

/** How a build is to go. */
export interface BuildOptions extends RunOptions {
  /** Actions at a time. */
  readonly jobs: number;
  readonly keepGoing: boolean;
  /** Fail at once when another imagemake holds the lock. */
  readonly noWait: boolean;
}

/** What came of it. `session` is there when the run got as far as deciding. */
export interface BuildEnd {
  readonly exit: 0 | 1 | 2 | 3;
  readonly problem: Problem | null;
  readonly interrupted: boolean;
  readonly session: Session | null;
}

const ended = (session: Session | null, problem: Problem): BuildEnd => ({
  exit: problem.exit,
  problem,
  interrupted: false,
  session,
});

/** Builds what is out of date among the wanted targets. The state directory is there: see openImagefile. */
export async function build(given: BuildOptions): Promise<BuildEnd> {
  const options = { ...given, emit: warningOnce(given.emit) };
  const started = options.now();
  const { dir, state } = options.project;
  if (state !== statePath(dir)) notice(options, `the state directory is ${state}`, "info");
  const first = openSession(options, false);
  if (!first.ok) return ended(null, first.problem);
  const looked = await decideAll(first.value);
  if (!looked.ok) return ended(first.value, looked.problem);
  if (nothingToDo(looked.value) && first.value.selected.kind === "joined") {
    await clearAfterCrash(options.project);
    announceRelease(first.value);
    emitPlan(first.value, looked.value);
    const judged = first.value.actions.map((action) => [action, looked.value.get(action.id)] as const);
    notePublished(
      first.value.decider,
      judged.flatMap(([action, one]) => (one === undefined ? [] : [[action, one] as const])),
    );
    emitDone(options, started, { upToDate: looked.value.size });
    return { exit: 0, problem: null, interrupted: false, session: first.value };
  }
  // Before packages are resolved: that asks the network.
  const forbidden = options.keepGoing ? null : await forbiddenAmong(first.value, looked.value);
  if (forbidden !== null) return ended(first.value, forbidden);
  first.value.index.close();
  const locked = await takeLock(options);
  if (!locked.ok) return ended(null, locked.problem);
  try {
    return await buildLocked(options, started);
  } finally {
    locked.value.release();
  }
}

/** Everything that needs the lock. What was decided before it was taken is decided again. */
async function buildLocked(options: BuildOptions, started: number): Promise<BuildEnd> {
  const { stage, copies, store, files, layers, manifests, packages } = options.project;
  const passedOn = passNothingOn([stage, copies, store, files, layers, manifests, packages]);
  if (passedOn !== null) notice(options, passedOn);
  const isolates = await isolationFor(options);
  const { problems } = await clearStaleStages(options.project.stage);
  for (const { message } of untold(options.project, problems)) notice(options, message);
  reached("stages cleared");
  setDamagedAside(options.project, (message) => notice(options, message));
  const opened = openSession(options, false);
  if (!opened.ok) return ended(null, opened.problem);
  const session = opened.value;
  reached("index opened");
  announceRelease(session);
  remember(session);
  const judged = await decideTaking(session, isolates.ok ? isolates.value : UNISOLATED, options.keepGoing);
  if (!judged.ok) return ended(session, judged.problem);
  noteNewKeys(session, judged.value);
  const needed = session.actions.filter(({ id }) => judged.value.has(id));
  const toBuild = needed.filter(({ id }) => judged.value.get(id)?.decision.kind === "build");
  if (!isolates.ok && toBuild.length > 0) return ended(session, isolates.problem);
  const check = (action: Action): Result<void> => {
    // What was only to be linked may turn out to be lost.
    if (!isolates.ok) return isolates;
    const able = checkAbility(action, isolates.value);
    const { closures } = session.pins.release;
    return able.ok ? checkNative(action, closures, options.graph.project.nativeOnly) : able;
  };
  const obstacles = new Map<TargetId, Obstacle>();
  // Without -k the first that cannot be tried ends it all, named with all others of its kind.
  const meet = (more: Obstacles): Problem | null => {
    for (const [id, obstacle] of more) obstacles.set(id, obstacle);
    return options.keepGoing ? null : together(obstacles, restHint(options, toBuild, obstacles));
  };
  const unresolved = meet(unresolvedOf(judged.value));
  if (unresolved !== null) return ended(session, unresolved);
  emitPlan(session, judged.value);
  reached("plan made");
  const toDo = needed.filter(({ id }) => judged.value.get(id)?.decision.kind !== "up-to-date");
  const claimed = meet(await obstaclesOf(toDo, (action) => checkClaims(session.decider, action)));
  if (claimed !== null) return ended(session, claimed);
  const open = toBuild.filter(({ id }) => !obstacles.has(id));
  const unable = meet(await obstaclesOf(open, check));
  if (unable !== null) return ended(session, unable);
  const wanted = open.filter(({ id }) => !obstacles.has(id));
  const { drivers, project } = options;
  for (const caution of await cautionsOf(wanted, { dir: project.dir, drivers })) notice(options, caution);
  const fetched = await session.pins.fetch(wanted, options.keepGoing);
  if (!fetched.ok) return ended(session, fetched.problem);
  const unfetched = meet(fetched.value);
  if (unfetched !== null) return ended(session, unfetched);
  const isolation: Isolation = isolates.ok ? isolates.value : UNISOLATED;
  const able = await checkTrees(options, { needed, toBuild: wanted }, isolation);
  if (!able.ok) return ended(session, able.problem);
  const planned = new Set(toBuild.map(({ id }) => id));
  const prepare = async (action: Action): Promise<Result<void>> => {
    if (planned.has(action.id)) return ok(undefined);
    const ready = check(action);
    if (!ready.ok) return ready;
    const here = await session.pins.fetch([action], false);
    const missing = here.ok ? here.value.get(action.id) : here.problem;
    return missing === undefined ? ok(undefined) : { ok: false, problem: missing };
  };
  const expected = session.index.durations(options.project.line);
  const context = {
    ...{ session, isolation, overlays: able.value, expected, prepare },
    ...{ making: new Map(), copies: { told: false } },
  };
  const tally = await performAll(context, needed, options, obstacles);
  reached("performed");
  if (!options.signal.aborted) await options.shared?.give(session.decider, isolation, tally.made);
  remember(session);
  emitDone(options, started, tally);
  const interrupted = options.signal.aborted;
  return { exit: tally.exit, problem: null, interrupted, session };
}

const UNISOLATED: Isolation = { kind: "process-groups" };

/** Decides, and takes what a shared cache has of that; then it counts as if it had been built here. */
async function decideTaking(
  session: Session,
  isolation: Isolation,
  keepGoing: boolean,
): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const { shared } = session.options;
  for (;;) {
    const judged = await resolveAndDecide(session, keepGoing);
    if (!judged.ok || shared === null) return judged;
    if (session.options.signal.aborted || !(await shared.take(session.decider, isolation)))
      return ok(new Map([...judged.value].map(([id, one]) => [id, shared.asTaken(id, one)])));
  }
}

/**
 * Lists that cannot be read are said before the network is asked for the others, unless nothing that is to be built
 * needs them.
 */
async function resolveAndDecide(
  session: Session,
  keepGoing: boolean,
): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const judged = await pass(session, keepGoing);
  const unread = !keepGoing && session.pins.refusals(session.actions).size > 0;
  return judged.ok && unread && unresolvedOf(judged.value).size === 0 ? pass(session, true) : judged;
}

async function pass(session: Session, despite: boolean): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const resolved = await session.pins.resolve(session.actions, despite);
  remember(session);
  return resolved.ok ? decideChecked(session, despite) : resolved;
}

/** What is known counts only after its packages were verified as is asked for now: then it is decided again. */
async function decideChecked(
  session: Session,
  each: boolean,
): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const { pins, actions, options } = session;
  for (;;) {
    const judged = await decideAll(session, (damaged) => mend(session, damaged));
    if (!judged.ok) return judged;
    const unchecked = actions.filter(({ id }) => {
      const decision = judged.value.get(id)?.decision;
      return decision?.kind === "build" && decision.reason.kind === "unchecked";
    });
    if (unchecked.length === 0 || options.signal.aborted) return judged;
    const checked = await pins.check(unchecked, each);
    if (!checked.ok) return checked;
    remember(session);
  }
}

/** An imagemake that makes keys otherwise believes nothing that the one before it built, and says so. */
function noteNewKeys({ options, selected }: Session, judged: ReadonlyMap<string, Judgement>): void {
  const rekeyed = [...judged.values()].some(
    ({ decision }) =>
      decision.kind === "build" &&
      decision.reason.kind === "changed" &&
      decision.reason.changes.some(({ component }) => component === "schema"),
  );
  if (!rekeyed) return;
  const { datecode } = selected.release;
  notice(
    options,
    `this imagemake makes keys otherwise than the one that built here before: all is built again once, also in release ${datecode}`,
  );
}

interface Tally {
  built: number;
  restored: number;
  upToDate: number;
  failed: number;
  skipped: number;
  /** What was built. */
  readonly made: Action[];
  exit: 0 | 1 | 2 | 3;
}

async function performAll(
  context: PerformContext,
  needed: readonly Action[],
  options: BuildOptions,
  obstacles: Obstacles,
): Promise<Tally> {
  const relations = relationsOf(options.graph);
  const { expected } = context;
  const jobs = needed.map((action) => ({
    id: action.id,
    deps: relations.producers(action).map(({ id }) => id),
    expected: expected.get(action.id) ?? 0,
    resources: action.resources,
  }));
  const limits = { slots: options.jobs, cpu: Math.max(options.jobs, cpus().length), memory: totalmem() };
  const scheduler = new Scheduler(jobs, limits);
  const actions = new Map(needed.map((action) => [action.id, action]));
  const tally: Tally = { built: 0, restored: 0, upToDate: 0, failed: 0, skipped: 0, made: [], exit: 0 };
  const skip = (others: readonly string[], because: string): void => {
    for (const other of others) {
      if (obstacles.has(other) || skipped.has(other)) continue;
      skipped.add(other);
      tally.skipped += 1;
      options.emit({ type: "skipped", target: other, because, at: options.now() });
    }
  };
  const skipped = new Set<string>();
  for (const action of needed) {
    const problem = obstacles.get(action.id);
    if (problem === undefined) continue;
    count(tally, failed(context, action, null, { kind: "problem", problem }));
    skip(scheduler.refused(action.id), action.id);
  }
  const running = new Map<string, Promise<{ readonly id: string; readonly end: Performed }>>();
  for (;;) {
    const stopping = options.signal.aborted || (tally.failed > 0 && !options.keepGoing);
    for (const id of stopping ? [] : scheduler.next()) {
      const action = actions.get(id);
      if (action !== undefined)
        running.set(
          id,
          perform(context, action).then((end) => ({ id, end })),
        );
    }
    if (running.size === 0) break;
    const { id, end } = await Promise.race(running.values());
    running.delete(id);
    count(tally, end);
    const action = actions.get(id);
    if (end.kind === "built" && action !== undefined) tally.made.push(action);
    if (end.kind !== "failed") {
      scheduler.finished(id);
      continue;
    }
    skip(scheduler.failed(id), id);
  }
  return tally;
}

function count(tally: Tally, end: Performed): void {
  switch (end.kind) {
    case "up-to-date":
      tally.upToDate += 1;
      break;
    case "restored":
      tally.restored += 1;
      break;
    case "built":
      tally.built += 1;
      break;
    case "failed":
      tally.failed += 1;
      tally.exit = worse(tally.exit, exitOf(end.failure));
  }
}

/** Of several failures the one that a rebuild helps least: the order in which they come must not matter. */
const worse = (a: Tally["exit"], b: Tally["exit"]): Tally["exit"] => (a > b ? a : b);

const exitOf = (failure: Failure): 1 | 2 | 3 => (failure.kind === "problem" ? failure.problem.exit : 1);

/** Writes the release down: it was built in just now, and this is what it pins. */
function remember(session: Session): void {
  const { options, pins, facts } = session;
  const { project } = options;
  pins.release = { ...pins.release, lastBuild: new Date(options.now()).toISOString() };
  saveRelease(project, pins.release);
  reached("release kept", pins.release.datecode);
  // Nobody else changes releases while the lock is held.
  facts.file(project.releases, stampOf(project.releases));
  noteRelease(project, facts, pins.release);
}

/** The one line that says which release this is. */
export function announceRelease(session: Session): void {
  const { options, selected } = session;
  const { datecode, opened, explicit } = selected.release;
  const joined = selected.kind === "joined";
  options.emit({
    type: "release",
    datecode,
    opened: Date.parse(opened),
    joined,
    explicit,
    at: options.now(),
  });
}

/** What is to be done, and why. */
export function emitPlan(session: Session, judgements: ReadonlyMap<string, Judgement>): void {
  const expected = session.index.durations(session.options.project.line);
  const decisions = [...judgements].map(([target, { decision }]) => ({
    target,
    decision,
    expected: expected.get(target) ?? null,
  }));
  session.options.emit({ type: "plan", decisions, at: session.options.now() });
}

function emitDone(options: RunOptions, started: number, tally: Partial<Tally>): void {
  const { built = 0, restored = 0, upToDate = 0, failed = 0, skipped = 0 } = tally;
  const at = options.now();
  const { isolated } = options;
  options.emit({
    type: "done",
    built,
    restored,
    ...(options.shared === null ? {} : { taken: options.shared.count }),
    upToDate,
    failed,
    skipped,
    isolated,
    duration: at - started,
    at,
  });
}

const notice = (options: RunOptions, message: string, level: "info" | "warning" = "warning"): void =>
  options.emit({ type: "notice", level, message, at: options.now() });
