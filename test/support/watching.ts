// `imagemake watch`, driven by its events: a test waits for what it says, never for a time.
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { BuildEvent } from "../../engine/events.js";
import { type CallOptions, type Ended, eventIn, eventsIn, finish, type TestProject } from "./cli.js";

type Type = BuildEvent["type"];
type Of<T extends Type> = Extract<BuildEvent, { type: T }>;

/** A watch that runs. */
export interface Watch {
  readonly child: ChildProcess;
  /** All that was said so far. */
  readonly events: readonly BuildEvent[];
  /** The next event of this type that was not waited for yet. */
  next<T extends Type>(type: T, fits?: (event: Of<T>) => boolean): Promise<Of<T>>;
  /** Waits until it watches, and returns what was built since the last time that was asked, in order of names. */
  idle(): Promise<string[]>;
  /** Ends it, and checks how that was. */
  end(signal?: NodeJS.Signals): Promise<Ended>;
}

/** How long an event is waited for. Milliseconds. */
const PATIENCE_MS = 45_000;

/** Starts `imagemake watch` with these words. */
export function watch(project: TestProject, options: CallOptions, ...words: string[]): Watch {
  const child = project.start(options, "watch", "--progress", "json", ...words);
  const ended = finish(child);
  const events: BuildEvent[] = [];
  let [at, told] = [0, 0];
  let first = true;
  let notify = (): void => undefined;
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (first) eventsIn([line]);
      else events.push(eventIn(line));
      first = false;
      notify();
    });
  void ended.then(() => notify());
  const one = async <T extends Type>(type: T, fits: (event: Of<T>) => boolean): Promise<Of<T>> => {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      for (; at < events.length; at += 1) {
        const event = events[at];
        if (event?.type !== type || !fits(event as Of<T>)) continue;
        at += 1;
        return event as Of<T>;
      }
      if (child.exitCode !== null || Date.now() > until) {
        const { stderr } = child.exitCode === null ? { stderr: "" } : await ended;
        throw new Error(`no ${type} came: ${JSON.stringify(events.slice(-8))} ${stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE_MS);
        notify = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const watching: Watch = {
    child,
    events,
    next: (type, fits = () => true) => one(type, fits),
    idle: async () => {
      await one("watching", () => true);
      const since = events.slice(told, at);
      told = at;
      return since.flatMap((event) => (event.type === "built" ? [event.target] : [])).sort();
    },
    end: async (signal = "SIGINT") => {
      child.kill(signal);
      return ended;
    },
  };
  return watching;
}
