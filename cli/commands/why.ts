// `imagemake why TARGET`: why it would be built now; where it is up to date, why it was built last; and how the last
// attempt failed.
import { existsSync } from "node:fs";
import type { BuildRow } from "../../cache/index.js";
import { lastLines } from "../../engine/build/failed.js";
import { endOf } from "../../engine/history.js";
import type { Action } from "../../engine/model.js";
import { Exit } from "../../engine/problem.js";
import type { Decision, Failure } from "../../engine/reason.js";
import { judge, look, onlyAction, type Looking } from "../look.js";
import { output } from "../output.js";
import { failureBody } from "../render/failed.js";
import { describeFailure, explainDecision } from "../render/reason.js";
import { utcMinute } from "../render/when.js";
import type { Call } from "../call.js";

/** So many lines of a failed attempt's log are shown. */
const TAIL_LINES = 20;

/** Explains the target, and everything beneath it that has to be built first. */
export async function command(call: Call<"why">): Promise<number> {
  const looking = await look(call, call.names);
  const action = onlyAction(looking);
  const judgements = await judge(looking.session);
  const decision = judgements.get(action.id)?.decision ?? { kind: "up-to-date" };
  const beneath = [...judgements].filter(
    ([id, judged]) => id !== action.id && judged.decision.kind === "build",
  );
  const past = decision.kind === "up-to-date" ? lastReason(looking, action) : null;
  const failed = decision.kind === "build" ? lastFailure(looking, action.id) : null;
  if (call.options.json === true) {
    const inputs = beneath.map(([target, judged]) => ({ target, decision: judged.decision }));
    const data = { target: action.id, decision, inputs, last: past, failed };
    output.write(`${JSON.stringify(data, null, 2)}\n`);
    return Exit.done;
  }
  const parts: (readonly string[])[] = [explained(action.id, decision)];
  if (failed !== null) parts.push(failedLines(action.id, failed, decision));
  if (past !== null) parts.push(pastLines(past));
  for (const [target, judged] of beneath) {
    parts.push(explained(target, judged.decision));
    const attempt = lastFailure(looking, target);
    if (attempt !== null) parts.push(failedLines(target, attempt, judged.decision));
  }
  const lines = parts.flat();
  output.write(lines.map((line) => `${line}\n`).join(""));
  return Exit.done;
}

const explained = (target: string, decision: Decision): string[] => {
  const [first = "", ...rest] = explainDecision(decision);
  return [`${target}: ${first}`, ...rest.map((line) => `  ${line}`)];
};

/** An attempt after which nothing succeeded. */
interface Attempt {
  readonly at: string;
  readonly failure: Failure | null;
  /** Null where it was removed. */
  readonly log: string | null;
}

function lastFailure({ session, opened }: Looking, action: string): Attempt | null {
  const last = session.index.lastBuild(opened.project.line, action);
  if (last?.status !== "failed") return null;
  const { at, failure, log } = endOf(last);
  return { at, failure, log: log !== null && existsSync(log) ? log : null };
}

/** How it failed, unless the decision says so already; the end of its log and where that is. */
function failedLines(target: string, { at, failure, log }: Attempt, decision: Decision): string[] {
  const how = failure === null ? "failed" : `failed: ${describeFailure(failure)}`;
  const said = decision.kind === "build" && decision.reason.kind === "failed-before";
  const head = said ? `  tried ${utcMinute(at)}` : `  the last attempt, ${utcMinute(at)}, ${how}`;
  const tail = log === null ? [] : lastLines(log, TAIL_LINES);
  const body =
    failure === null ? [] : failureBody({ target, failure, tail, log, command: null }, process.cwd(), "|");
  return [head, ...body];
}

/** Why what is published was built, by comparing its rows with those of what it replaced; null: by nothing in them. */
interface Past {
  readonly built: string;
  readonly release: string;
  readonly decision: Decision | null;
  /** What it replaced was dropped from the index. */
  readonly forgotten: boolean;
}

function lastReason({ session, opened }: Looking, action: Action): Past | null {
  const { history } = session.decider;
  const last = history.published(action) ?? session.index.lastBuild(opened.project.line, action.id);
  if (last === undefined) return null;
  return {
    built: new Date(last.started).toISOString(),
    release: last.release,
    decision: pastDecision(session, last),
    forgotten: last.replaces !== null && session.index.build(last.replaces) === undefined,
  };
}

function pastDecision({ index, decider: { history } }: Looking["session"], last: BuildRow): Decision | null {
  const origin = index.originOf(last.id);
  if (origin !== undefined) {
    const { machine, source: cache } = origin;
    const at = new Date(last.started).toISOString();
    return { kind: "restore", reason: { kind: "shared", cache, machine, at } };
  }
  const before = index.buildBefore(last);
  if (before?.status === "failed" && before.key === last.key) {
    return { kind: "build", reason: { kind: "failed-before", ...endOf(before), since: null } };
  }
  const replaced = last.replaces === null ? undefined : index.build(last.replaces);
  if (replaced === undefined) return { kind: "build", reason: { kind: "never-built" } };
  const differences = history.differences(replaced, index.componentsOf(last.id));
  return differences.changes.length === 0
    ? null
    : { kind: "build", reason: { kind: "changed", ...differences } };
}

function pastLines({ built, release, decision, forgotten }: Past): string[] {
  const words = forgotten ? [FORGOTTEN] : decision === null ? [UNCHANGED] : pastReason(decision);
  return [`  last built ${utcMinute(built)} in release ${release}:`, ...words.map((line) => `    ${line}`)];
}

/** Of what is there by now. */
const pastReason = (decision: Decision): string[] =>
  decision.kind === "build" && decision.reason.kind === "never-built"
    ? ["because it had never been built"]
    : explainDecision(decision);

const FORGOTTEN = "what it replaced is no longer known: imagemake cache gc dropped it";
const UNCHANGED = "nothing had changed: it was forced, or its artifact was gone or rejected";
