// Replays a release matrix through the engine's own scheduler on a virtual clock, and compares how long it takes
// with what no order of work can undercut. Nothing runs and nothing waits; it knows no image.
import { readFileSync } from "node:fs";
import { Scheduler } from "../engine/schedule.js";

/** One action of the replay: what it needs first, and how long it takes in seconds. */
export interface Recorded {
  readonly id: string;
  readonly deps: readonly string[];
  readonly seconds: number;
}

/** What a scheduler says: what starts now. What it started counts as running until it is finished. */
export interface Starter {
  next(): readonly string[];
  finished(id: string): void;
}

/** Seconds the replay takes, seconds no order can undercut. */
export interface Replay {
  readonly actions: number;
  readonly slots: number;
  readonly makespan: number;
  readonly bound: number;
  /** The longest chain, and the work divided by the slots: `bound` is the larger. */
  readonly chain: number;
  readonly share: number;
}

/** The 107 actions of replay.json, which says where its durations come from. */
export const recordedActions = (): readonly Recorded[] =>
  // The file is ours, and a test checks its form.
  (
    JSON.parse(readFileSync(new URL("../../bench/replay.json", import.meta.url), "utf8")) as {
      readonly actions: readonly Recorded[];
    }
  ).actions;

/** Replays through the engine's scheduler: one core an action, as many cores as slots, memory for all. */
export function replay(actions: readonly Recorded[], slots: number): Replay {
  const resources = { cpu: 1, memory: 0, named: [] };
  const jobs = actions.map(({ id, deps, seconds }) => ({ id, deps, expected: seconds, resources }));
  const scheduler = new Scheduler(jobs, { slots, cpu: slots, memory: 0 });
  const chain = longestChain(actions);
  const share = actions.reduce((sum, action) => sum + action.seconds, 0) / slots;
  return {
    actions: actions.length,
    slots,
    makespan: makespan(actions, slots, scheduler),
    bound: Math.max(chain, share),
    chain,
    share,
  };
}

/**
 * The virtual time at which the last action ends. Throws when the scheduler leaves work undone, starts what is
 * not ready, starts something twice, or uses more than its slots: a short time would mean nothing then.
 */
export function makespan(actions: readonly Recorded[], slots: number, scheduler: Starter): number {
  const byId = new Map(actions.map((action) => [action.id, action]));
  const started = new Set<string>();
  const done = new Set<string>();
  let running: { readonly id: string; readonly end: number }[] = [];
  let now = 0;
  for (;;) {
    for (const id of scheduler.next()) {
      const action = byId.get(id);
      if (action === undefined || started.has(id)) throw new Error(`${id} was started twice or is unknown`);
      if (!action.deps.every((dep) => done.has(dep))) throw new Error(`${id} was started too early`);
      started.add(id);
      running.push({ id, end: now + action.seconds });
    }
    if (running.length > slots) throw new Error(`${running.length} actions run on ${slots} slots`);
    const first = running.reduce<number>((soonest, each) => Math.min(soonest, each.end), Infinity);
    if (first === Infinity) break;
    now = first;
    const ended = running.filter((each) => each.end === now);
    running = running.filter((each) => each.end !== now);
    for (const { id } of ended) {
      done.add(id);
      scheduler.finished(id);
    }
  }
  if (done.size < actions.length) throw new Error(`${actions.length - done.size} actions were never started`);
  return now;
}

/** Seconds of the longest chain. Actions come after what they need. */
export function longestChain(actions: readonly Recorded[]): number {
  const ends = new Map<string, number>();
  for (const { id, deps, seconds } of actions) {
    ends.set(id, seconds + Math.max(0, ...deps.map((dep) => ends.get(dep) ?? Number.NaN)));
  }
  return Math.max(0, ...ends.values());
}
