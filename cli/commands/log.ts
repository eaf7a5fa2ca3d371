// `imagemake log TARGET`: what the target's last build printed, also one that still runs or was stopped; with -f as it
// goes on, with --failed that of all whose last build failed.
import { createReadStream, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { BuildRow } from "../../cache/index.js";
import { isPlain } from "../../cache/io.js";
import { unfinishedOf, type Unfinished } from "../../engine/build/unfinished.js";
import { endOf } from "../../engine/history.js";
import type { Action } from "../../engine/model.js";
import { Exit, stop } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { judge, look, onlyAction, type Looking } from "../look.js";
import { flushed, output } from "../output.js";
import { describeFailure, explainDecision } from "../render/reason.js";
import { formatWhen } from "../render/when.js";
import type { Call } from "../call.js";
import { warn } from "../state.js";

/** Prints the log to stdout, as it is. */
export async function command(call: Call<"log">): Promise<number> {
  const { failed, follow, quiet, json } = call.options;
  if (failed === true) return allFailed(call, await look(call, call.names));
  if (call.names.length === 0)
    stop(Exit.usage, "name a target", "--failed has the logs of all whose last build failed");
  const looking = await look(call, call.names);
  const action = onlyAction(looking);
  const { project } = looking.opened;
  const unfinished = unfinishedOf(project, action.id);
  const last = unfinished ?? looking.session.index.lastBuild(project.line, action.id);
  if (last === undefined)
    return stop(Exit.usage, `${action.id} was never built here`, await reason(looking, action.id));
  if (json === true) {
    output.write(`${JSON.stringify(last, null, 2)}\n`);
  } else if (last.log === null) {
    return stop(Exit.usage, `${action.id} was built on another machine`, "its log is there");
  } else if (!isPlain(last.log)) {
    return stop(Exit.usage, `the log of ${action.id} was removed`, "imagemake clean removes logs");
  } else {
    if (unfinished !== null && quiet !== true) warn(inWords(unfinished, follow === true));
    const goesOn = follow === true && unfinished?.status === "running";
    if (!goesOn && statSync(last.log).size === 0 && quiet !== true) warn(`${action.id} printed nothing`);
    const printed = await print(last.log, 0);
    if (goesOn) await followed(looking, action, last.log, printed, quiet === true);
  }
  return Exit.done;
}

/** Milliseconds between two looks at a log that grows. */
const PAUSE = 200;

/** Goes on until the action ends, and says how. */
async function followed(
  { opened, session }: Looking,
  { id }: Action,
  log: string,
  printed: number,
  quiet: boolean,
): Promise<void> {
  const { project } = opened;
  let at = printed;
  for (let runs = true; runs && !output.over;) {
    // Whether it runs is asked before its log is read: what it printed last is not lost.
    const now = unfinishedOf(project, id);
    runs = now?.status === "running" && now.log === log;
    if (isPlain(log)) {
      const { size } = statSync(log);
      if (size < at) {
        warn(`the log of ${id} was too long: what it has dropped is not shown`);
        at = size;
      }
      at = await print(log, at);
    }
    if (runs) await sleep(PAUSE);
  }
  const end = session.index.lastBuild(project.line, id);
  if (quiet) return;
  if (end?.log !== log) warn(`${id} was stopped`);
  else warn(end.status === "built" ? `${id} is built` : `${id} failed: ${howOf(end)}`);
}

const howOf = (row: BuildRow): string => {
  const { failure } = endOf(row);
  return failure === null ? "nothing is known of it" : describeFailure(failure);
};

/** Each with a line above it that says whose it is, as tail(1) has them. */
async function allFailed(call: Call<"log">, { opened, session, targets }: Looking): Promise<number> {
  const { project } = opened;
  const last = relationsOf(opened.graph)
    .closure(targets)
    .flatMap(({ id }) => session.index.lastBuild(project.line, id) ?? [])
    .filter(({ status }) => status === "failed");
  if (call.options.json === true) {
    output.write(`${JSON.stringify(last, null, 2)}\n`);
    return Exit.done;
  }
  if (last.length === 0) warn("no last build failed");
  for (const row of last) {
    output.write(`==> ${row.action}: ${howOf(row)} <==\n`);
    if (row.log !== null && isPlain(row.log)) await print(row.log, 0);
    else output.write("(its log is not here any more)\n");
  }
  return Exit.done;
}

/** Why there is no log: what could not be resolved never ran. */
async function reason({ session }: Looking, action: string): Promise<string | undefined> {
  const decision = (await judge(session)).get(action)?.decision;
  return decision?.kind !== "build" || decision.reason.kind === "never-built"
    ? undefined
    : explainDecision(decision).join("\n");
}

/** Why the log may end in the middle. */
const inWords = ({ action, status, started }: Unfinished, follow: boolean): string =>
  status === "running"
    ? `${action} is running since ${formatWhen(started, Date.now())}${follow ? "" : ": this is its log so far (-f goes on)"}`
    : `${action} was stopped before its end: it was started at ${formatWhen(started, Date.now())}`;

/**
 * Piece by piece, from a byte on: a log may be larger than what node reads at once. Ends early when the reader has seen
 * enough. Returns where it ended.
 */
async function print(log: string, start: number): Promise<number> {
  let at = start;
  for await (const piece of createReadStream(log, { start })) {
    at += (piece as Buffer).length;
    output.write(piece as Buffer);
    await flushed();
    if (output.over) break;
  }
  return at;
}
