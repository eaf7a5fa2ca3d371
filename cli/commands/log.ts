// `imagemake log TARGET`: what the target's last build printed, also one that still runs or was stopped.
import { createReadStream, statSync } from "node:fs";
import { isPlain } from "../../cache/io.js";
import { unfinishedOf, type Unfinished } from "../../engine/build/unfinished.js";
import { stop } from "../../engine/problem.js";
import { judge, look, onlyAction, type Looking } from "../look.js";
import { flushed, output } from "../output.js";
import { explainDecision } from "../render/reason.js";
import { formatWhen } from "../render/when.js";
import type { Call } from "../call.js";
import { warn } from "../state.js";

/** Prints the log to stdout, as it is. */
export async function command(call: Call<"log">): Promise<number> {
  const looking = await look(call, call.names);
  const action = onlyAction(looking);
  const { project } = looking.opened;
  const unfinished = unfinishedOf(project, action.id);
  const last = unfinished ?? looking.session.index.lastBuild(project.line, action.id);
  if (last === undefined)
    return stop(2, `${action.id} was never built here`, await reason(looking, action.id));
  if (call.options.json === true) {
    output.write(`${JSON.stringify(last, null, 2)}\n`);
  } else if (last.log === null) {
    return stop(2, `${action.id} was built on another machine`, "its log is there");
  } else if (!isPlain(last.log)) {
    return stop(2, `the log of ${action.id} was removed`, "imagemake clean removes logs");
  } else {
    if (unfinished !== null && call.options.quiet !== true) warn(inWords(unfinished));
    if (statSync(last.log).size === 0 && call.options.quiet !== true) warn(`${action.id} printed nothing`);
    await print(last.log);
  }
  return 0;
}

/** Why there is no log: what could not be resolved never ran. */
async function reason({ session }: Looking, action: string): Promise<string | undefined> {
  const decision = (await judge(session)).get(action)?.decision;
  return decision?.kind !== "build" || decision.reason.kind === "never-built"
    ? undefined
    : explainDecision(decision).join("\n");
}

/** Why the log may end in the middle. */
const inWords = ({ action, status, started }: Unfinished): string =>
  status === "running"
    ? `${action} is running since ${formatWhen(started, Date.now())}: this is its log so far`
    : `${action} was stopped before its end: it was started at ${formatWhen(started, Date.now())}`;

/** Piece by piece: a log may be larger than what node reads at once. Ends early when the reader has seen enough. */
async function print(log: string): Promise<void> {
  for await (const piece of createReadStream(log)) {
    output.write(piece as Buffer);
    await flushed();
    if (output.over) return;
  }
}
