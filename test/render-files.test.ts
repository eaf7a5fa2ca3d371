import { lchownSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { version } from "../cache/installed.js";
import { openEvents } from "../cli/render/json.js";
import { combine } from "../cli/render/index.js";
import { openTrace, traceOf, type TraceEntry } from "../cli/render/trace.js";
import { EVENTS_VERSION, type BuildEvent } from "../engine/events.js";
import { unwrap } from "../engine/problem.js";
import { at, built, builds, failed, never, started } from "./support/synthetic-builds.js";

const dir = mkdtempSync(join(tmpdir(), "render-"));
afterAll(() => rmSync(dir, { recursive: true }));

const trace = (events: readonly BuildEvent[]): TraceEntry[] => {
  const entries: TraceEntry[] = [];
  events.forEach(traceOf((entry) => entries.push(entry)));
  return entries;
};
const slices = (
  entries: readonly TraceEntry[],
): Required<Pick<TraceEntry, "name" | "tid" | "ts" | "dur">>[] =>
  entries
    .filter(({ cat }) => cat === "action")
    .map(({ name, tid, ts = 0, dur = 0 }) => ({ name, tid, ts, dur }));

/** Two slices of one lane at one moment. */
const overlaps = (entries: readonly TraceEntry[]): string[] => {
  const found: string[] = [];
  const all = slices(entries);
  for (const [index, a] of all.entries()) {
    for (const b of all.slice(index + 1)) {
      if (a.tid === b.tid && a.ts < b.ts + b.dur && b.ts < a.ts + a.dur) found.push(`${a.name} ${b.name}`);
    }
  }
  return found;
};

describe("--events", () => {
  test("appends each event as a line, to what is there, and before them what stream it is", () => {
    const path = join(dir, "events.jsonl");
    const events = builds["example"]?.() ?? [];
    const begin = { type: "begin", version: EVENTS_VERSION, imagemake: version(), at: events[0]?.at };
    for (let run = 0; run < 2; run += 1) {
      const renderer = unwrap(openEvents(path, () => undefined));
      for (const event of events) renderer.event(event);
      renderer.close();
      renderer.close();
    }
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual([begin, ...events, begin, ...events]);
  });

  test("goes through a link of root's, and not through another user's", () => {
    const [path, file] = [join(dir, "link"), join(dir, "linked")];
    symlinkSync(file, path);
    unwrap(openEvents(path, () => undefined)).close();
    expect(readFileSync(file, "utf8")).toBe("");
    lchownSync(path, 4343, 4343);
    expect(openEvents(path, () => undefined)).toMatchObject({
      problem: { exit: 2, message: expect.stringContaining("a symbolic link that another user made") },
    });
  });

  test("that cannot be opened is a problem of usage, before anything is built", () => {
    const result = openEvents(join(dir, "no/such/dir"), () => undefined);
    expect(result.ok ? null : result.problem.exit).toBe(2);
  });

  test("on a full disk warns once and lets the build go on", () => {
    const warnings: string[] = [];
    const renderer = unwrap(openEvents("/dev/full", (message) => warnings.push(message)));
    for (const event of builds["example"]?.() ?? []) renderer.event(event);
    renderer.close();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^\/dev\/full is incomplete: .*ENOSPC/);
  });
});

describe("--trace", () => {
  test("holds one slice an action, on lanes without overlap", () => {
    const entries = trace(builds["many"]?.() ?? []);
    expect(slices(entries)).toHaveLength(107);
    expect(new Set(slices(entries).map(({ name }) => name)).size).toBe(107);
    expect(new Set(slices(entries).map(({ tid }) => tid)).size).toBe(24);
    expect(overlaps(entries)).toEqual([]);
  });

  test("keeps lanes free of overlap when the clock jumps", () => {
    const step = fc.record({ target: fc.integer({ min: 0, max: 4 }), at: fc.integer({ min: -50, max: 50 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const running = new Set<number>();
        const events = steps.map(({ target, at: seconds }) => {
          if (running.delete(target)) return built(seconds, String(target), 1);
          running.add(target);
          return started(seconds, String(target), never);
        });
        const entries = trace(events);
        expect(overlaps(entries)).toEqual([]);
        for (const { ts, dur } of slices(entries)) {
          expect(ts).toBeGreaterThanOrEqual(0);
          expect(dur).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test("says why an action ran and how it ended, in microseconds", () => {
    const entries = trace([
      started(0, "a", never, 5000),
      failed(2, "a", { kind: "exit", status: 3 }),
      failed(3, "b", { kind: "problem", problem: { exit: 3, message: "no tool" } }, { build: null }),
    ]);
    expect(entries.find(({ ph }) => ph === "X")).toMatchObject({
      name: "a",
      ts: 0,
      dur: 2_000_000,
      args: { reason: "never built", result: "failed", failure: "exit status 3" },
    });
    expect(entries.find(({ ph }) => ph === "i")).toMatchObject({ name: "failed b", ts: 3_000_000 });
  });

  test("is a JSON array when closed, and one but for its end when killed", () => {
    const path = join(dir, "trace.json");
    const renderer = unwrap(openTrace(path, () => undefined));
    for (const event of builds["example"]?.() ?? []) renderer.event(event);
    const killed = JSON.parse(`${readFileSync(path, "utf8")}]`) as TraceEntry[];
    renderer.close();
    renderer.close();
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(killed);
    expect(killed.filter(({ cat }) => cat === "phase").map(({ name }) => name)).toEqual([
      "snapshot",
      "resolve",
      "fetch",
    ]);
  });

  test("of a run without events is an empty array", () => {
    const path = join(dir, "empty.json");
    unwrap(openTrace(path, () => undefined)).close();
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual([]);
  });
});

test("combined renderers all hear everything", () => {
  const received: string[] = [];
  const ear = (name: string) => ({
    event: ({ type }: BuildEvent) => received.push(name + type),
    close: () => received.push(name),
  });
  const all = combine([ear("1"), ear("2")]);
  all.event(at(0, { type: "waiting", holder: "x" }));
  all.close();
  expect(received).toEqual(["1waiting", "2waiting", "1", "2"]);
});
