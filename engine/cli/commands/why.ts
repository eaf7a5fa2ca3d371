// `imagemake why TARGET`: why it would be built now; where it is up to date, why it was built last.
import { compareComponents } from "../../key.js";
import { packageChanges } from "../../packages/closure.js";
import type { Package } from "../../packages/driver.js";
import type { Decision } from "../../reason.js";
import { judge, look, onlyAction, type Looking } from "../look.js";
import { output } from "../output.js";
import { explainDecision } from "../render/reason.js";
import type { Call } from "../run.js";

/** Explains the target, and everything beneath it that has to be built first. */
export async function command(call: Call): Promise<number> {
  const looking = await look(call, call.names);
  const action = onlyAction(looking);
  const judgements = await judge(looking.session);
  const decision = judgements.get(action.id)?.decision ?? { kind: "up-to-date" };
  const beneath = [...judgements].filter(
    ([id, judged]) => id !== action.id && judged.decision.kind === "build",
  );
  const past = decision.kind === "up-to-date" ? lastReason(looking, action.id) : null;
  if (call.options.json === true) {
    const inputs = beneath.map(([target, judged]) => ({ target, decision: judged.decision }));
    output.write(`${JSON.stringify({ target: action.id, decision, inputs, last: past }, null, 2)}\n`);
    return 0;
  }
  const lines = [...explained(action.id, decision)];
  if (past !== null) lines.push(...pastLines(past));
  for (const [target, judged] of beneath) lines.push(...explained(target, judged.decision));
  output.write(lines.map((line) => `${line}\n`).join(""));
  return 0;
}

const explained = (target: string, decision: Decision): string[] => {
  const [first = "", ...rest] = explainDecision(decision);
  return [`${target}: ${first}`, ...rest.map((line) => `  ${line}`)];
};

/** Why the last build of an action ran, by comparing its rows with those of the one before; null: by nothing in them. */
interface Past {
  readonly built: string;
  readonly release: string;
  readonly decision: Decision | null;
}

function lastReason({ session, opened }: Looking, action: string): Past | null {
  const [last, before] = session.index.buildsOf(opened.project.line, action, 2);
  if (last === undefined) return null;
  const built = new Date(last.started).toISOString();
  const { release } = last;
  if (before === undefined)
    return { built, release, decision: { kind: "build", reason: { kind: "never-built" } } };
  if (before.status === "failed" && before.key === last.key) {
    return { built, release, decision: { kind: "build", reason: { kind: "failed-before" } } };
  }
  const [old, now] = [session.index.componentsOf(before.id), session.index.componentsOf(last.id)];
  const changes = compareComponents(old, now);
  if (changes.length === 0) return { built, release, decision: null };
  const closure = (rows: typeof old): Package[] => {
    const digest = rows.find((row) => row.name === "packages")?.value;
    const stored = digest === undefined ? undefined : session.index.closure(digest);
    return stored === undefined ? [] : (JSON.parse(stored) as Package[]);
  };
  const packages = packageChanges(closure(old), closure(now));
  return { built, release, decision: { kind: "build", reason: { kind: "changed", changes, packages } } };
}

const pastLines = ({ built, release, decision }: Past): string[] => [
  `  last built ${built.slice(0, 16).replace("T", " ")} UTC in release ${release}:`,
  ...(decision === null ? [UNCHANGED] : explainDecision(decision)).map((line) => `    ${line}`),
];

const UNCHANGED = "nothing had changed: it was forced, or its artifact was gone";
