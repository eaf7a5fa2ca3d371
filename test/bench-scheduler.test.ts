// Guards the replay: the data are the matrix they claim to be, a cheating or lazy scheduler is found out, and
// the engine's own reaches its bar.
import { describe, expect, test } from "@jest/globals";
import {
  longestChain,
  makespan,
  recordedActions,
  replay,
  type Recorded,
  type Starter,
} from "../bench/scheduler.js";

const action = (id: string, seconds: number, ...deps: string[]): Recorded => ({ id, deps, seconds });

/** Starts what it is told, round by round. */
const scripted = (...rounds: string[][]): Starter => ({
  next: () => rounds.shift() ?? [],
  finished: () => undefined,
});

describe("the replayed matrix", () => {
  test("has 107 actions, each after what it needs, each with a duration", () => {
    const seen = new Set<string>();
    for (const { id, deps, seconds } of recordedActions()) {
      expect(seen.has(id)).toBe(false);
      for (const dep of deps) expect(seen.has(dep)).toBe(true);
      expect(seconds).toBeGreaterThan(0);
      seen.add(id);
    }
    expect(seen.size).toBe(107);
  });

  test("has the layers of the release: root filesystems, platforms on them, images on those", () => {
    const count = (prefix: string): number =>
      recordedActions().filter(({ id }) => id.startsWith(prefix)).length;
    expect(
      ["rootfs-", "platformfs-", "images-sbc-", "images-cloud-", "pxe-", "wsl-", "live-iso-"].map(count),
    ).toEqual([9, 12, 8, 2, 2, 4, 70]);
    const chain = recordedActions().find(({ id }) => id === "images-sbc-rpi-armv7l-musl");
    expect(chain?.deps).toEqual(["platformfs-rpi-armv7l-musl"]);
  });
});

describe("the virtual clock", () => {
  const pair = [action("a", 3), action("b", 4, "a"), action("c", 2)];

  test("adds up what waits and overlaps what does not", () => {
    expect(makespan(pair, 2, scripted(["a", "c"], [], ["b"]))).toBe(7);
    expect(longestChain(pair)).toBe(7);
  });

  test.each([
    ["starts too early", scripted(["a", "b"])],
    ["starts twice", scripted(["a", "a"])],
    ["starts something unknown", scripted(["x"])],
    ["leaves work undone", scripted(["a"], ["b"])],
  ])("finds a scheduler that %s", (_, scheduler) => {
    expect(() => makespan(pair, 2, scheduler)).toThrow();
  });

  test("finds a scheduler that uses more than its slots", () => {
    expect(() => makespan(pair, 1, scripted(["a", "c"]))).toThrow(/slots/);
  });
});

describe("the engine's scheduler", () => {
  test("replays the matrix on 8 slots within 1.05 of the lower bound", () => {
    const { actions, makespan: taken, bound } = replay(recordedActions(), 8);
    expect(actions).toBe(107);
    expect(taken / bound).toBeGreaterThanOrEqual(1);
    expect(taken / bound).toBeLessThanOrEqual(1.05);
  });

  test("starts the long chain before the short work: first come first served would take 15", () => {
    const actions = [action("s1", 5), action("s2", 5), action("long1", 5), action("long2", 5, "long1")];
    expect(replay(actions, 2)).toMatchObject({ makespan: 10, bound: 10 });
  });
});
