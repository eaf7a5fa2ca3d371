// A build from the command line's wish to its end: decide, take the lock, pin packages, plan, schedule,
// perform, remember. The only module that knows the whole order.
import type { ContentStore } from "../../cache/content-store.js";
import { problemIn } from "../../cache/io.js";
import { reached } from "../../cache/steps.js";
import { statePath } from "../../cache/layout.js";
import type { Judgement } from "../decide.js";
import type { Emit } from "../events.js";
import { keepManifests } from "../contents/stored.js";
import { relationsOf } from "../relations.js";
import type { Action, TargetId } from "../model.js";
import { warningOnce } from "../notice.js";
import { obstaclesOf, together, type Obstacle, type Obstacles } from "../obstacles.js";
import { asError, Exit, type ExitStatus, ok, type Problem, type Result } from "../problem.js";
import { saveRelease, setDamagedAside } from "../release/release.js";
import { stampOf } from "../sources/stamp.js";
import { checkNative, forbiddenAmong, restHint } from "./ability.js";
import { checkClaims } from "./claims.js";
import { contentsOf, executorOf, type OpenExecutor } from "./here.js";
import { cautionsOf } from "./inputs.js";
import { clearAfterCrash, clearStages, takeLock } from "./lock.js";
import { dropKept, keptStages } from "./kept.js";
import { mend, notePublished } from "./perform.js";
import { Planned } from "./durations.js";
import { performAll, type CourseOptions, type Tally } from "./course.js";
import {
  decideAll,
  isReleaseAsNoted,
  isStanding,
  noteRelease,
  nothingToDo,
  openSession,
  unresolvedOf,
  type RunOptions,
  type Session,
} from "./session.js";

/** How a build is to go. */
export interface BuildOptions extends CourseOptions {
  /** Fail at once when another imagemake holds the lock. */
  readonly noWait: boolean;
  /** What executes actions; this machine where it is left out. */
  readonly executor?: OpenExecutor;
  /** Told when all is decided that will be, before anything runs: what the decisions rest on is in the session. */
  readonly decided?: (session: Session) => void;
}

/** What came of it. `session` is there when the run got as far as deciding. */
export interface BuildEnd {
  readonly exit: typeof Exit.done | ExitStatus;
  readonly problem: Problem | null;
  readonly interrupted: boolean;
  /** How many actions were built. */
  readonly built: number;
  readonly session: Session | null;
}

const ended = (session: Session | null, problem: Problem): BuildEnd => ({
  exit: problem.exit,
  problem,
  interrupted: false,
  built: 0,
  session,
});

/** Builds what is out of date among the wanted targets. The state directory is there: see openImagefile. */
export async function build(given: BuildOptions): Promise<BuildEnd> {
  const options = { ...given, emit: warningOnce(given.emit) };
  const began = performance.now();
  const { dir, state } = options.project;
  if (state !== statePath(dir)) notice(options, `the state directory is ${state}`, "info");
  const first = openSession(options, false);
  if (!first.ok) return ended(null, first.problem);
  const before = first.value.index.version();
  const looked = await decideAll(first.value);
  if (!looked.ok) return ended(first.value, looked.problem);
  if (nothingToDo(looked.value) && first.value.selected.kind === "joined") {
    await clearAfterCrash(options.project);
    announceRelease(first.value);
    options.decided?.(first.value);
    emitPlan(first.value, looked.value);
    const judged = first.value.actions.flatMap((action) => {
      const one = looked.value.get(action.id);
      return one === undefined || isStanding(one) ? [] : [[action, one] as const];
    });
    notePublished(first.value.decider, judged);
    emitDone(options, began, { upToDate: looked.value.size });
    return { exit: Exit.done, problem: null, interrupted: false, built: 0, session: first.value };
  }
  // Before packages are resolved: that asks the network.
  const forbidden = options.keepGoing
    ? null
    : await forbiddenAmong(first.value, looked.value, () => executorOf(first.value, options.executor));
  if (forbidden !== null) return ended(first.value, forbidden);
  const others = { wereAtWork: false };
  const emit: Emit = (event) => {
    if (event.type === "waiting") others.wereAtWork = true;
    options.emit(event);
  };
  const locked = await takeLock({ ...options, emit });
  if (!locked.ok) {
    first.value.index.close();
    return ended(null, locked.problem);
  }
  try {
    const plan =
      others.wereAtWork || !isAsBefore(first.value, before)
        ? null
        : { session: first.value, judged: looked.value };
    if (plan === null) first.value.index.close();
    // What was looked at before others were at work no longer counts.
    return await buildLocked(others.wereAtWork ? { ...options, earlier: null } : options, began, plan);
  } finally {
    locked.value.release();
  }
}

/** What was decided before the lock was taken. */
interface Plan {
  readonly session: Session;
  readonly judged: ReadonlyMap<string, Judgement>;
}

/**
 * Whether what was decided without the lock counts under it: nobody wrote in between, no packages are to be resolved, and
 * nothing that is damaged is to be removed.
 */
const isAsBefore = (session: Session, version: number): boolean =>
  session.options.shared === null &&
  session.index.version() === version &&
  session.decider.whole.lost.size === 0 &&
  session.actions.every(({ packages }) => packages === null) &&
  isReleaseAsNoted(session);

/** Everything that needs the lock. What was decided before it was taken is decided again, unless `plan` may be kept. */
async function buildLocked(options: BuildOptions, began: number, plan: Plan | null): Promise<BuildEnd> {
  for (const message of await clearStages(options.project)) notice(options, message);
  reached("stages cleared");
  setDamagedAside(options.project, (message) => notice(options, message));
  const opened = plan === null ? openSession(options, false) : ok(plan.session);
  if (!opened.ok) return ended(null, opened.problem);
  const session = opened.value;
  reached("index opened");
  announceRelease(session);
  remember(session);
  const [executor, contents] = [await executorOf(session, options.executor), await contentsOf(session)];
  const judged = plan === null ? await decideTaking(session, contents, options.keepGoing) : ok(plan.judged);
  if (!judged.ok) return ended(session, judged.problem);
  noteNewKeys(session, judged.value);
  const needed = session.actions.filter(({ id }) => judged.value.has(id));
  const toBuild = needed.filter(({ id }) => judged.value.get(id)?.decision.kind === "build");
  if (!executor.ok && toBuild.length > 0) return ended(session, executor.problem);
  const unable = async (actions: readonly Action[]): Promise<Obstacles> => {
    // What was only to be linked may turn out to be lost.
    if (!executor.ok) return new Map(actions.map(({ id }) => [id, executor.problem]));
    const { closures } = session.pins.release;
    const { nativeOnly } = options.graph.project;
    const found = await executor.value.obstacles(actions, "able");
    return obstaclesOf(actions, (action) => {
      const problem = found.get(action.id);
      return problem === undefined ? checkNative(action, closures, nativeOnly) : { ok: false, problem };
    });
  };
  const obstacles = new Map<TargetId, Obstacle>();
  // Without -k the first that cannot be tried ends it all, named with all others of its kind.
  const meet = (more: Obstacles): Problem | null => {
    for (const [id, obstacle] of more) obstacles.set(id, obstacle);
    return options.keepGoing ? null : together(obstacles, restHint(options, toBuild, obstacles));
  };
  const unresolved = meet(unresolvedOf(judged.value));
  if (unresolved !== null) return ended(session, unresolved);
  options.decided?.(session);
  emitPlan(session, judged.value);
  reached("plan made");
  const toDo = needed.filter(({ id }) => judged.value.get(id)?.decision.kind !== "up-to-date");
  const claimed = meet(await obstaclesOf(toDo, (action) => checkClaims(session.decider, action)));
  if (claimed !== null) return ended(session, claimed);
  const open = toBuild.filter(({ id }) => !obstacles.has(id));
  const lacking = meet(await unable(open));
  if (lacking !== null) return ended(session, lacking);
  const wanted = open.filter(({ id }) => !obstacles.has(id));
  const { drivers, project } = options;
  for (const caution of await cautionsOf(wanted, { dir: project.dir, drivers })) notice(options, caution);
  const fetched = await session.pins.fetch(wanted, options.keepGoing);
  if (!fetched.ok) return ended(session, fetched.problem);
  const unfetched = meet(fetched.value);
  if (unfetched !== null) return ended(session, unfetched);
  const ready = executor.ok ? await executor.value.prepare(needed, wanted) : ok([]);
  if (!ready.ok) return ended(session, ready.problem);
  for (const warning of ready.value) notice(options, warning);
  const keeps = keptStages(project).length > 0;
  const stands = needed.filter(({ id }) => judged.value.get(id)?.decision.kind !== "build");
  const stuck = keeps
    ? await dropKept(
        project,
        session.index,
        stands.map(({ id }) => id),
      )
    : [];
  for (const { message } of stuck) notice(options, message);
  const planned = new Set(toBuild.map(({ id }) => id));
  const prepare = async (action: Action): Promise<Result<void>> => {
    if (planned.has(action.id)) return ok(undefined);
    const obstacle = (await unable([action])).get(action.id);
    if (obstacle !== undefined) return { ok: false, problem: obstacle };
    const here = await session.pins.fetch([action], false);
    const missing = here.ok ? here.value.get(action.id) : here.problem;
    return missing === undefined ? ok(undefined) : { ok: false, problem: missing };
  };
  const context = {
    ...{ session, executor, contents, plan: judged.value, prepare },
    ...{ making: new Map(), copies: { told: false }, keeps },
  };
  session.decider.products.settle();
  const tally = await performAll(context, needed, judged.value, obstacles, options);
  reached("performed");
  if (!options.signal.aborted) {
    await options.shared?.give(session.decider, contents, tally.made);
    await describeImages(session, needed, tally.made);
  }
  remember(session);
  emitDone(options, began, tally);
  const interrupted = options.signal.aborted;
  return { exit: tally.exit, problem: null, interrupted, built: tally.built, session };
}

/** Writes down what went into the images; the images are made, whatever comes of that. */
async function describeImages(
  { decider, options }: Session,
  needed: readonly Action[],
  made: readonly Action[],
): Promise<void> {
  const told = ({ message }: { readonly message: string }): void =>
    notice(options, `there is no manifest of an image: ${message}`);
  try {
    for (const problem of await keepManifests(decider, options.drivers, needed, new Set(made))) told(problem);
  } catch (error) {
    told(problemIn(error) ?? asError(error));
  }
}

/** Decides, and takes what a shared cache has of that; then it counts as if it had been built here. */
async function decideTaking(
  session: Session,
  contents: ContentStore,
  keepGoing: boolean,
): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const { shared } = session.options;
  for (;;) {
    const judged = await resolveAndDecide(session, keepGoing);
    if (!judged.ok || shared === null) return judged;
    if (session.options.signal.aborted || !(await shared.take(session.decider, contents)))
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
function announceRelease(session: Session): void {
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

/** What is to be done, and why, in an order in which each action comes after what it reads. */
export function plannedOf(session: Session, judgements: ReadonlyMap<string, Judgement>): Planned[] {
  const relations = relationsOf(session.options.graph);
  return [...judgements].flatMap(([id, { decision }]) => {
    const action = relations.producer(id);
    return action === undefined ? [] : [new Planned(action, decision, session.durations)];
  });
}

/** Tells it. */
function emitPlan(session: Session, judgements: ReadonlyMap<string, Judgement>): void {
  const decisions = plannedOf(session, judgements);
  session.options.emit({ type: "plan", decisions, at: session.options.now() });
}

function emitDone(options: RunOptions, began: number, tally: Partial<Tally>): void {
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
    duration: Math.round(performance.now() - began),
    at,
  });
}

const notice = (options: RunOptions, message: string, level: "info" | "warning" = "warning"): void =>
  options.emit({ type: "notice", level, message, at: options.now() });
