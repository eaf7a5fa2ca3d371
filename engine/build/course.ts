// The actions of a plan in the scheduler's order: what stands is told of, the rest is performed, and what needs something that
// failed is skipped. It decides nothing and runs nothing itself.
import { cpus, totalmem } from "node:os";
import type { Judgement } from "../decide.js";
import type { Action } from "../model.js";
import type { Obstacles } from "../obstacles.js";
import type { Failure } from "../reason.js";
import { relationsOf } from "../relations.js";
import { Scheduler } from "../schedule.js";
import { failed } from "./failed.js";
import { perform, type PerformContext, type Performed } from "./perform.js";
import { isStanding, type RunOptions } from "./session.js";
import { Exit, type ExitStatus } from "../problem.js";

/** How many actions ended how, and with which exit status. */
export interface Tally {
  built: number;
  restored: number;
  upToDate: number;
  failed: number;
  skipped: number;
  /** What was built. */
  readonly made: Action[];
  exit: typeof Exit.done | ExitStatus;
}

/** How the actions are to go. */
export interface CourseOptions extends RunOptions {
  /** Actions at a time. */
  readonly jobs: number;
  readonly keepGoing: boolean;
}

/** Performs all of them; `obstacles` keep some from being tried. */
export async function performAll(
  context: PerformContext,
  needed: readonly Action[],
  judged: ReadonlyMap<string, Judgement>,
  obstacles: Obstacles,
  options: CourseOptions,
): Promise<Tally> {
  // What stands waits for nothing, and nothing is to be done about it.
  const [standing, open] = halves(needed, ({ id }) => isStanding(judged.get(id)));
  const relations = relationsOf(options.graph);
  const { durations } = context.session;
  const jobs = open.map((action) => ({
    id: action.id,
    deps: relations.producers(action).map(({ id }) => id),
    expected: durations.likely(action) ?? 0,
    resources: action.resources,
  }));
  const limits = { slots: options.jobs, cpu: Math.max(options.jobs, cpus().length), memory: totalmem() };
  const scheduler = new Scheduler(jobs, limits);
  const actions = new Map(open.map((action) => [action.id, action]));
  const tally: Tally = {
    built: 0,
    restored: 0,
    upToDate: 0,
    failed: 0,
    skipped: 0,
    made: [],
    exit: Exit.done,
  };
  const skip = (others: readonly string[], because: string): void => {
    for (const other of others) {
      if (obstacles.has(other) || skipped.has(other)) continue;
      skipped.add(other);
      tally.skipped += 1;
      options.emit({ type: "skipped", target: other, because, at: options.now() });
    }
  };
  const skipped = new Set<string>();
  for (const { id } of standing) {
    options.emit({ type: "up-to-date", target: id, at: options.now() });
    count(tally, { kind: "up-to-date" });
  }
  for (const action of open) {
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

function halves<T>(all: readonly T[], isFirst: (one: T) => boolean): readonly [first: T[], second: T[]] {
  const [first, second]: [T[], T[]] = [[], []];
  for (const one of all) (isFirst(one) ? first : second).push(one);
  return [first, second];
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

const exitOf = (failure: Failure): 1 | 2 | 3 =>
  failure.kind === "problem" ? failure.problem.exit : Exit.failed;
