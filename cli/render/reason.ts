// The only place where decisions, reasons and failures become words. One switch a union, each of them
// complete: a new member does not compile until it has its words. It prints nothing.
import type { BuildReason, Decision, Differences, Failure, RestoreReason } from "../../engine/reason.js";
import { changesInFull, changesInShort, shortened } from "./change.js";
import { formatSeconds } from "./numbers.js";
import { visible, visibleLines } from "./visible.js";

/** Why, in one line: `packages: + vim 2:9.0.1378-2, - nano`, `never built`. Long lists are shortened. */
export function describeDecision(decision: Decision): string {
  switch (decision.kind) {
    case "up-to-date":
      return "up to date";
    case "restore":
      return describeRestore(decision.reason);
    case "build":
      return describeBuild(decision.reason);
    default:
      return unheardOf(decision);
  }
}

/** Why, complete, one line an item; for `imagemake why`. */
export function explainDecision(decision: Decision): string[] {
  switch (decision.kind) {
    case "up-to-date":
      return ["up to date"];
    case "restore":
      return explainRestore(decision.reason);
    case "build":
      return explainBuild(decision.reason);
    default:
      return [unheardOf(decision)];
  }
}

function describeBuild(reason: BuildReason): string {
  switch (reason.kind) {
    case "never-built":
      return "never built";
    case "changed":
      return changesInShort(reason.changes, reason.packages);
    case "input-pending":
      return pending(reason.targets, shortened(reason.targets.map(visible)));
    case "not-resolved":
      return "packages not resolved";
    case "unchecked":
      return "packages are to be verified, as the configuration of their repository asks for now";
    case "unresolvable":
      return `its packages cannot be resolved: ${visible(reason.problem.message)}`;
    case "inserted":
      return `a new ${visible(reason.rule)}; what had its name is ${visible(reason.now)}`;
    case "failed-before":
      return reason.failure === null
        ? "failed last time"
        : `failed last time: ${describeFailure(reason.failure)}`;
    case "artifact-lost":
      return `artifact of ${visible(reason.target)} is gone from the store`;
    case "rejected":
      return `${visible(reason.target)} was rejected: ${visible(reason.because)}`;
    case "adopted-otherwise":
      return `${visible(reason.target)} was adopted (${visible(reason.because)}) for what it was made from then`;
    case "forced":
      return "forced";
    default:
      return unheardOf(reason);
  }
}

function explainBuild(reason: BuildReason): string[] {
  switch (reason.kind) {
    case "changed":
      return changesInFull(reason.changes, reason.packages);
    case "input-pending":
      return [pending(reason.targets, reason.targets.map(visible).join(", "))];
    case "unresolvable": {
      const { hint } = reason.problem;
      return [describeBuild(reason), ...(hint === undefined ? [] : visibleLines(hint))];
    }
    case "failed-before":
      return [describeBuild(reason), ...sincePublished(reason.since)];
    default:
      return [describeBuild(reason)];
  }
}

function sincePublished(since: Differences | null): string[] {
  if (since === null) return [];
  const lines = changesInFull(since.changes, since.packages).map((line) => `  ${line}`);
  return ["since what is published:", ...lines];
}

const pending = (targets: readonly string[], names: string): string =>
  targets.length === 1 ? `input ${names} is out of date` : `inputs ${names} are out of date`;

function describeRestore(reason: RestoreReason): string {
  switch (reason.kind) {
    case "missing":
      return `${visible(reason.path)} is missing`;
    case "edited":
      return `${visible(reason.path)} was edited`;
    case "new-name":
      return `new name ${visible(reason.path)}`;
    case "shared":
      return takenFrom(reason);
    case "key-known":
      return `${knownChanges(reason, changesInShort)}${builtBefore(reason.from)}`;
    default:
      return unheardOf(reason);
  }
}

function explainRestore(reason: RestoreReason): string[] {
  if (reason.kind !== "key-known") return [describeRestore(reason)];
  const changes = reason.changes.length === 0 ? [] : changesInFull(reason.changes, []);
  return [...changes, builtBefore(reason.from)];
}

const takenFrom = ({ cache, machine, at }: Extract<RestoreReason, { kind: "shared" }>): string =>
  `taken from ${visible(cache)} (built on ${visible(machine)}, ${moment(at)})`;

/** The engine says when, as an ISO time; any other name of the earlier build is shown as it is. */
function builtBefore(from: string): string {
  return `built before (${moment(from)})`;
}

const moment = (iso: string): string =>
  visible(iso.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+Z$/, "$1 $2 UTC"));

const knownChanges = (
  { changes }: Extract<RestoreReason, { kind: "key-known" }>,
  say: typeof changesInShort,
): string => (changes.length === 0 ? "" : `${say(changes, [])}; `);

/** Why it failed, in one line: `exit status 1`, `killed by SIGKILL`, `timed out after 10 m 0 s`. */
export function describeFailure(failure: Failure): string {
  switch (failure.kind) {
    case "exit":
      return `exit status ${failure.status}`;
    case "signal":
      return `killed by ${visible(failure.signal)}`;
    case "timeout":
      return `timed out after ${formatSeconds(failure.seconds * 1000)}`;
    case "interrupted":
      return "interrupted";
    case "output-missing":
      return `output ${visible(failure.output)} was not made: expected ${visible(failure.expected)}`;
    case "wrong-date":
      return `output has another date: expected ${visible(failure.expected)}, found ${visible(failure.found)}`;
    case "guard":
      return `output ${visible(failure.output)} refused: ${visible(failure.message)}`;
    case "problem":
      return visible(failure.problem.message);
    default:
      return unheardOf(failure);
  }
}

/** What helps against it, where something is known to; line by line. */
export function hintOf(failure: Failure): readonly string[] {
  if (failure.kind === "output-missing" && failure.made !== undefined) {
    const variable = failure.output === "OUT" ? "$OUT" : `$${visible(failure.output)}`;
    return [`it made ${failure.made.map(visible).join(", ")} in its directory: write to ${variable}`];
  }
  return failure.kind === "problem" && failure.problem.hint !== undefined
    ? visibleLines(failure.problem.hint)
    : [];
}

/** Does not compile while a switch lacks a case; a stream from a newer engine is shown as it is. */
const unheardOf = (value: never): string => visible(JSON.stringify(value));
