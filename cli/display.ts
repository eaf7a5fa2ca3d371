// How a build is told of: on the terminal or in its place, and beside that in files.
import { cpus } from "node:os";
import type { Emit } from "../engine/events.js";
import { unwrap } from "../engine/problem.js";
import type { CallWith } from "./call.js";
import type { Opened } from "./open.js";
import { output } from "./output.js";
import { chooseRenderer, combine, type Progress, type Renderer } from "./render/index.js";

/** A call that says how it is to be told of. */
type Told = CallWith<"quiet" | "verbose" | "jobs" | "progress" | "events" | "trace">;

/** What is said on the terminal or in its place. */
export const displayOf = ({ options }: Told, progress: Progress): Promise<Renderer> =>
  chooseRenderer({
    progress,
    verbosity: options.quiet === true ? "quiet" : options.verbose === true ? "verbose" : "normal",
    stdout: output,
    stderr: process.stderr,
    cwd: process.cwd(),
    jobs: options.jobs ?? cpus().length,
  });

/** The same, and the files that the command line names. */
export async function makeRenderer(call: Told, asks: boolean): Promise<Renderer> {
  return combine([await displayOf(call, progressOf(call, asks)), ...(await filesOf(call))]);
}

/** How progress is shown; an action that asks a person gets the terminal alone. */
export const progressOf = ({ options }: Told, asks: boolean): Progress =>
  asks && options.progress === "auto" ? "plain" : options.progress;

/** The files that events are written to. */
export async function filesOf({ options }: Told): Promise<Renderer[]> {
  const renderers: Renderer[] = [];
  const warn = (message: string): void => void process.stderr.write(`imagemake: ${message}\n`);
  if (options.events !== undefined)
    renderers.push(unwrap((await import("./render/json.js")).openEvents(options.events, warn)));
  if (options.trace !== undefined)
    renderers.push(unwrap((await import("./render/trace.js")).openTrace(options.trace, warn)));
  return renderers;
}

/** Says once, with the line, why the Imagefile has to be evaluated every time. */
export function noteUnsnapshottable(opened: Opened, emit: Emit): void {
  const [first] = opened.reads.unsnapshottable;
  if (first === undefined) return;
  const message = `${first.at}: the Imagefile uses ${first.what}, so it is evaluated at every run; probe(…) is the way`;
  emit({ type: "notice", level: "warning", message, at: Date.now() });
}
