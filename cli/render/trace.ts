// `--trace FILE`: Chrome's trace-event format (an array of objects; Perfetto and chrome://tracing read it).
// One slice an action, on lanes in which slices do not overlap; lane 0 holds the phases and single moments.
// It is written as the events happen: readers of the format do without the closing bracket of a killed run.
import type { BuildEvent } from "../../engine/events.js";
import { ok, type Result } from "../../engine/problem.js";
import { openEventFile, type Warn } from "./logfile.js";
import { describeDecision, describeFailure } from "./reason.js";
import type { Renderer } from "./renderer.js";

/** Exit 2 when FILE cannot be opened; `warn` hears, once, of a later error. */
export function openTrace(path: string, warn: Warn): Result<Renderer> {
  const file = openEventFile(path, "replace", warn);
  if (!file.ok) return file;
  const { write, close } = file.value;
  let first = true;
  const event = traceOf((entry) => {
    write(`${first ? "[\n" : ",\n"}${JSON.stringify(entry)}`);
    first = false;
  });
  return ok({
    event,
    close: () => {
      // Written once: a closed file takes nothing more.
      write(first ? "[]\n" : "\n]\n");
      close();
    },
  });
}

/** One object of the format. `ts` and `dur` in microseconds; `tid` is the lane. */
export interface TraceEntry {
  readonly name: string;
  readonly ph: "X" | "i" | "M";
  readonly pid: 1;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly s?: "t";
  readonly cat?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

interface Lane {
  readonly tid: number;
  /** When its last slice ended; a clock that jumps back must not make slices overlap. */
  free: number;
  busy: boolean;
}

type Started = Extract<BuildEvent, { type: "started" }>;

/** Turns events into entries, in order. */
export function traceOf(write: (entry: TraceEntry) => void): (event: BuildEvent) => void {
  const lanes: Lane[] = [];
  const running = new Map<
    string,
    { readonly started: Started; readonly lane: Lane; readonly from: number }
  >();
  let origin: number | null = null;
  let phase: { readonly name: string; readonly detail: string; readonly from: number } | null = null;

  const name = (tid: number, text: string): void =>
    write({ name: "thread_name", ph: "M", pid: 1, tid, args: { name: text } });
  const since = (at: number): number => Math.max(0, Math.round((at - (origin ?? at)) * 1000));
  const moment = (text: string, at: number, args: Readonly<Record<string, unknown>>): void =>
    write({ name: text, ph: "i", s: "t", pid: 1, tid: 0, ts: since(at), args });

  const begin = (started: Started): void => {
    let lane = lanes.find(({ busy }) => !busy);
    if (lane === undefined) {
      lane = { tid: lanes.length + 1, free: 0, busy: false };
      lanes.push(lane);
      name(lane.tid, `slot ${lane.tid}`);
    }
    lane.busy = true;
    running.set(started.target, { started, lane, from: Math.max(lane.free, since(started.at)) });
  };

  const end = (target: string, at: number, args: Readonly<Record<string, unknown>>): boolean => {
    const slice = running.get(target);
    if (slice === undefined) return false;
    const { started, lane, from } = slice;
    const until = Math.max(from, since(at));
    running.delete(target);
    lane.busy = false;
    lane.free = until;
    const { build, reason, expected } = started;
    const all = { build, reason: describeDecision(reason), expected, ...args };
    write({
      name: target,
      cat: "action",
      ph: "X",
      pid: 1,
      tid: lane.tid,
      ts: from,
      dur: until - from,
      args: all,
    });
    return true;
  };

  const endPhase = (at: number): void => {
    if (phase === null) return;
    const { name: text, detail, from } = phase;
    phase = null;
    const dur = Math.max(0, since(at) - from);
    write({ name: text, cat: "phase", ph: "X", pid: 1, tid: 0, ts: from, dur, args: { detail } });
  };

  return (event) => {
    if (origin === null) {
      origin = event.at;
      write({ name: "process_name", ph: "M", pid: 1, tid: 0, args: { name: "imagemake" } });
      name(0, "phases");
    }
    switch (event.type) {
      case "phase":
        endPhase(event.at);
        phase = { name: event.phase, detail: event.detail, from: since(event.at) };
        break;
      case "started":
        endPhase(event.at);
        begin(event);
        break;
      case "built":
        end(event.target, event.at, { result: "built", outputs: event.outputs });
        break;
      case "failed": {
        const args = { result: "failed", failure: describeFailure(event.failure), log: event.log };
        if (!end(event.target, event.at, args)) moment(`failed ${event.target}`, event.at, args);
        break;
      }
      case "restored":
        // An action that ran can still be found to be known: then its slice ends here.
        if (!end(event.target, event.at, { result: "restored" })) {
          moment(`restored ${event.target}`, event.at, { reason: describeDecision(event.reason) });
        }
        break;
      case "up-to-date":
      case "skipped":
        end(event.target, event.at, { result: event.type });
        break;
      case "notice":
        moment(event.message, event.at, { level: event.level });
        break;
      case "waiting":
        moment("waiting", event.at, { holder: event.holder });
        break;
      case "done": {
        endPhase(event.at);
        for (const target of [...running.keys()]) end(target, event.at, { result: "unknown" });
        const { built, restored, upToDate, failed, skipped } = event;
        moment("done", event.at, { built, restored, upToDate, failed, skipped });
        break;
      }
      case "release":
        moment(`release ${event.datecode}`, event.at, { joined: event.joined, explicit: event.explicit });
        break;
      case "plan":
        moment("plan", event.at, { targets: event.decisions.length });
        break;
      case "changed":
        moment("changed", event.at, { paths: event.paths, stopped: event.stopped });
        break;
      case "blocked":
        moment("blocked", event.at, { problem: event.problem.message });
        break;
      case "guest":
        moment(`guest ${event.state}`, event.at, { target: event.target });
        break;
      case "rebuilt":
      case "watching":
        break;
    }
  };
}
