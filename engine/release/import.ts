// Judges exports of artifacts: each action beneath an exported target is held against what it is made from here, from
// the sources up, and against what is here or in another export. It decides; import-apply.ts does.
import { digestOf } from "../../cache/store.js";
import type { ArtifactId, Component } from "../../cache/index.js";
import type { Session } from "../build/session.js";
import type { Produced } from "../produced.js";
import { compareComponents, componentsOf, isDatedSo, keyOf } from "../key.js";
import type { Action, TargetId } from "../model.js";
import { ok, type Result } from "../problem.js";
import type { Change, PackageChange } from "../reason.js";
import { packageChanges } from "../packages/closure.js";
import type { Export, ExportedAction } from "./exchange.js";
import { relationsOf } from "../relations.js";

/** Why an action of an export does not do here. */
type Wrong =
  | { readonly kind: "unknown" }
  | { readonly kind: "incomplete"; readonly action: TargetId }
  /** It is made from something else here. */
  | {
      readonly kind: "different";
      readonly action: TargetId;
      readonly changes: readonly Change[];
      readonly packages: readonly PackageChange[];
    }
  /** The same was made from the same, and is not the same. `other` is the other export, null for what is here. */
  | { readonly kind: "two-digests"; readonly action: TargetId; readonly other: string | null }
  | { readonly kind: "rejected"; readonly action: TargetId };

/** Why a target is not accepted. */
export type Refusal = Wrong & { readonly target: TargetId; readonly dir: string };

/** An action that is taken over. */
export interface Accepted {
  readonly action: Action;
  readonly from: Export;
  readonly exported: ExportedAction;
  /** The key and its components as they are here; the versions of tools are those of this machine. */
  readonly key: string;
  readonly components: readonly Component[];
  /** The index knows this very result. */
  readonly known: boolean;
}

/** Tools whose versions differ, by name: [there, here]. */
type ToolDifferences = Readonly<Record<string, readonly [string, string]>>;

/** What an import would do. */
export interface ImportPlan {
  readonly accepted: ReadonlyMap<TargetId, Accepted>;
  /** Targets that come in, and those of `prefer` that another export has too. */
  readonly targets: readonly { readonly target: TargetId; readonly from: Export }[];
  readonly skipped: readonly { readonly target: TargetId; readonly from: Export }[];
  readonly refused: readonly Refusal[];
  /** By action. */
  readonly tools: ReadonlyMap<TargetId, ToolDifferences>;
}

interface Judging {
  readonly session: Session;
  readonly prefer: Export | null;
  readonly accepted: Map<TargetId, Accepted>;
  readonly tools: Map<TargetId, ToolDifferences>;
}

/** Judges every export, the preferred one first. Reads sources and the index; changes nothing. */
export async function planImport(
  session: Session,
  exports: readonly Export[],
  prefer: Export | null,
): Promise<Result<ImportPlan>> {
  const judging: Judging = { session, prefer, accepted: new Map(), tools: new Map() };
  const ordered = [...exports].sort((a, b) => Number(b === prefer) - Number(a === prefer));
  const targets: { target: TargetId; from: Export }[] = [];
  const skipped: { target: TargetId; from: Export }[] = [];
  const refused: Refusal[] = [];
  for (const from of ordered) {
    const judged = await judgeExport(judging, from);
    if (!judged.ok) return judged;
    const wrong = judged.value;
    for (const target of from.index.targets) {
      const because = firstOf(session, from, target, wrong);
      if (because === null) targets.push({ target, from });
      else if (because.kind === "two-digests" && because.other !== null && prefer !== null)
        skipped.push({ target, from });
      else refused.push({ ...because, target, dir: from.dir });
    }
  }
  return ok({ accepted: judging.accepted, targets, skipped, refused, tools: judging.tools });
}

/** The first thing that is wrong beneath a target; null where nothing is. */
function firstOf(
  { options }: Session,
  from: Export,
  target: TargetId,
  wrong: ReadonlyMap<TargetId, Wrong>,
): Wrong | null {
  if (relationsOf(options.graph).target(target) === undefined) return { kind: "unknown" };
  for (const { id } of actionsOf(options.graph, from, [target])) {
    const found = wrong.get(id);
    if (found !== undefined) return found;
  }
  return null;
}

/** What lies beneath targets of an export; beneath what a person brought nothing does. */
function actionsOf(
  graph: Session["options"]["graph"],
  { index }: Export,
  targets: readonly TargetId[],
): readonly Action[] {
  return relationsOf(graph).closure(targets, (action) => index.actions[action]?.kind === "adopted");
}

/** Holds each action against what it would be here, with the export's own results as inputs. */
async function judgeExport(judging: Judging, from: Export): Promise<Result<ReadonlyMap<TargetId, Wrong>>> {
  const { session, accepted } = judging;
  const wrong = new Map<TargetId, Wrong>();
  const found: Accepted[] = [];
  for (const action of actionsOf(session.options.graph, from, from.index.targets)) {
    const exported = from.index.actions[action.id];
    if (exported === undefined || !action.outputs.every(({ name }) => name in exported.outputs)) {
      // Nothing that reads it can be held against anything.
      const id = action.id;
      wrong.set(id, { kind: "incomplete", action: id });
      session.decider.products.pending(id);
      continue;
    }
    session.decider.products.produced(action.id, madeBy(session, exported));
    if (readsUnknown(session, action, wrong)) {
      wrong.set(action.id, { kind: "incomplete", action: action.id });
      continue;
    }
    const judged =
      exported.kind === "adopted"
        ? await judgeAdopted(session, from, action, exported)
        : await judgeBuilt(judging, from, action, exported);
    if (!judged.ok) return judged;
    if ("kind" in judged.value) wrong.set(action.id, judged.value);
    else found.push(judged.value);
  }
  for (const one of found) {
    const other = accepted.get(one.action.id);
    if (other === undefined) continue;
    if (differ(one.exported.outputs, other.exported.outputs))
      wrong.set(one.action.id, { kind: "two-digests", action: one.action.id, other: other.from.dir });
  }
  const good = from.index.targets.filter((target) => firstOf(session, from, target, wrong) === null);
  const taken = new Set(actionsOf(session.options.graph, from, good).map(({ id }) => id));
  for (const one of found)
    if (taken.has(one.action.id) && !accepted.has(one.action.id)) accepted.set(one.action.id, one);
  return ok(wrong);
}

/** What an exported action made; what a person brought dates as it would here. */
export const madeBy = ({ decider }: Session, exported: ExportedAction): Produced => ({
  outputs: exported.outputs,
  epoch: exported.kind === "adopted" ? decider.plainEpoch() : exported.epoch,
  build: null,
});

/** Whether an input's maker is missing in the export. */
const readsUnknown = ({ options }: Session, action: Action, wrong: ReadonlyMap<TargetId, Wrong>): boolean =>
  relationsOf(options.graph)
    .producers(action)
    .some(({ id }) => wrong.get(id)?.kind === "incomplete");

async function judgeBuilt(
  { session, prefer, tools, accepted }: Judging,
  from: Export,
  action: Action,
  exported: Extract<ExportedAction, { kind: "built" }>,
): Promise<Result<Accepted | Wrong>> {
  const facts = await session.decider.keyFacts(action);
  if (!facts.ok) return facts;
  const components = componentsOf(action, facts.value);
  const all = compareComponents(exported.components, components);
  const changes = all.filter(({ component }) => !component.startsWith("tool "));
  if (changes.length > 0) {
    const closure = await session.pins.closure(action);
    const here = closure.ok ? (closure.value?.packages ?? []) : [];
    const packages = packageChanges(from.release.closures[action.id]?.packages ?? [], here);
    return ok({ kind: "different", action: action.id, changes, packages });
  }
  if (!isDatedSo(components, exported.epoch)) {
    const dated = components.find(({ name }) => name === "epoch")?.value ?? null;
    const change = { component: "epoch", before: String(exported.epoch), after: dated };
    return ok({ kind: "different", action: action.id, changes: [change], packages: [] });
  }
  if (isRejected(session, exported.outputs)) return ok({ kind: "rejected", action: action.id });
  const versions = all.map(
    ({ component, before, after }) => [component.slice(5), [before ?? "", after ?? ""]] as const,
  );
  if (versions.length > 0) tools.set(action.id, Object.fromEntries(versions));
  const key = keyOf(components);
  const result = session.index.resultOf(key);
  const outputs = result === undefined ? null : session.index.outputsOf(result.id);
  const known = outputs !== null && !differ(outputs, exported.outputs);
  // What is known here and gone contradicts nothing.
  const here = outputs !== null && session.decider.absent(outputs).length === 0;
  if (here && !known && prefer !== from && !accepted.has(action.id))
    return ok({ kind: "two-digests", action: action.id, other: null });
  return ok({ action, from, exported, key, components, known });
}

async function judgeAdopted(
  session: Session,
  from: Export,
  action: Action,
  exported: Extract<ExportedAction, { kind: "adopted" }>,
): Promise<Result<Accepted | Wrong>> {
  const origin = await session.decider.originOf(action);
  if (!origin.ok) return origin;
  if (origin.value !== exported.key) {
    const change = { component: "what it is made from", before: exported.key, after: origin.value };
    return ok({ kind: "different", action: action.id, changes: [change], packages: [] });
  }
  if (isRejected(session, exported.outputs)) return ok({ kind: "rejected", action: action.id });
  return ok({ action, from, exported, key: exported.key, components: [], known: false });
}

type Outputs = Readonly<Record<string, ArtifactId>>;

const differ = (one: Outputs, other: Outputs): boolean =>
  Object.keys(one).some((name) => one[name] !== other[name]);

/** A digest that a person judged to be no good is never linked again, wherever it comes from. */
const isRejected = ({ decider }: Session, outputs: Outputs): boolean =>
  decider.context.rejected.some(({ digest }) => Object.values(outputs).some((id) => digestOf(id) === digest));
