// One run over one Imagefile: what is wanted, in which release, and everything that deciding needs. It is
// the same for a dry run and a build; it runs nothing.
import { Index, type ArtifactRow } from "../../cache/index.js";
import { openStore } from "../../cache/store.js";
import { ownerIn } from "../../cache/write.js";
import { Decider, type Judgement } from "../decide.js";
import type { Emit } from "../events.js";
import type { Action, Graph, TargetId } from "../model.js";
import type { Drivers } from "../packages/driver.js";
import { Pins } from "../packages/pins.js";
import type { Obstacle, Obstacles } from "../obstacles.js";
import { ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { relationsOf } from "../relations.js";
import { standing, type Release } from "../release/record.js";
import { isOfFuture, readReleases, releaseFile, selectRelease, type Selected } from "../release/release.js";
import { requireState } from "../release/states.js";
import { Facts } from "../sources/facts.js";
import { Sources } from "../sources/resolve.js";
import { stampOf } from "../sources/stamp.js";
import { ToolVersions } from "../tools.js";
import { checkInputs } from "./inputs.js";
import { settleNeeds } from "./needs.js";
import type { Shared } from "./shared.js";

/** What the caller wants of a run. */
export interface RunOptions {
  readonly project: Project;
  readonly graph: Graph;
  readonly drivers: Drivers;
  /** Target ids; their whole closure is looked at. */
  readonly wanted: readonly TargetId[];
  /** A release named on the command line. */
  readonly datecode: string | null;
  readonly force: boolean;
  /** A cache that machines share; null for none. */
  readonly shared: Shared | null;
  /** False with --no-isolation: actions run in process groups of their own, and what they make counts only there. */
  readonly isolated: boolean;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** The second Ctrl-C: running actions are killed without a grace time. */
  readonly killSignal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** An opened run. */
export interface Session {
  readonly options: RunOptions;
  readonly index: Index;
  readonly selected: Selected;
  readonly pins: Pins;
  readonly decider: Decider;
  readonly facts: Facts;
  /** The actions behind the wanted targets and all they read, each after what it reads. */
  readonly actions: readonly Action[];
}

/** Opens a run. `readOnly` is for dry runs and questions: then not even the database is written. */
export function openSession(options: RunOptions, readOnly: boolean): Result<Session> {
  const { project, graph, drivers, emit, signal } = options;
  const facts = new Facts();
  // Before it is read: what comes into it later, another process's release perhaps, was not seen.
  facts.file(project.releases, stampOf(project.releases));
  const releases = readReleases(project);
  if (!releases.ok) return releases;
  const selected = selectRelease(releases.value, options.datecode, options.now());
  if (!selected.ok) return selected;
  const open = readOnly ? selected : requireState(selected.value.release, ["open"]);
  if (!open.ok) return open;
  const notice = (message: string): void =>
    emit({ type: "notice", level: "warning", message, at: options.now() });
  const index = readOnly ? Index.look(project.index) : Index.open(project.index, notice);
  noteRelease(project, facts, selected.value.release);
  const future = releases.value.filter((release) => isOfFuture(release, options.now()));
  for (const release of selected.value.kind === "opens" ? future : [])
    notice(
      `the implicit release ${release.datecode} is from the future (last build ${release.lastBuild}) and is not joined; ` +
        `if the clock was wrong then, remove ${releaseFile(project, release)}`,
    );
  const sources = new Sources(project, index, facts, readOnly);
  const pins = new Pins(
    { project, graph, sources, index, drivers, emit, signal, readOnly },
    selected.value.release,
  );
  const { datecode } = selected.value.release;
  const tools = new ToolVersions(index, facts, readOnly);
  const store = openStore(project.store, readOnly ? null : ownerIn(project.store));
  const { force, isolated } = options;
  const decider = new Decider({
    project,
    graph,
    index,
    store,
    sources,
    tools,
    pins,
    facts,
    datecode,
    readOnly,
    force,
    isolated,
    rejected: standing(releases.value),
  });
  return ok({
    options,
    index,
    selected: selected.value,
    pins,
    decider,
    facts,
    actions: relationsOf(graph).closure(options.wanted),
  });
}

/** Another release, or other pins in this one, would be another question. */
export function noteRelease(project: Project, facts: Facts, release: Release): void {
  const file = releaseFile(project, release);
  facts.file(file, stampOf(file));
}

/** What is done with an artifact that is damaged, before all is decided again. */
export type Mend = (damaged: ArtifactRow) => Promise<Result<void>>;

/**
 * Decides every needed action with what is known now; what has to be built makes its readers wait. Known outputs that
 * are not here are built anew only where something needs them. What will be read is looked at: without `mend` what is
 * damaged only counts as not there.
 */
export async function decideAll(
  session: Session,
  mend?: Mend,
): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const handled = new Set<string>();
  for (;;) {
    const judged = await decideEach(session);
    if (!judged.ok) return judged;
    const found = await damagedInputs(session, judged.value);
    if (!found.ok) return found;
    const damaged = found.value.filter(({ id }) => !handled.has(id));
    if (damaged.length === 0) return judged;
    for (const row of damaged) {
      handled.add(row.id);
      const mended = mend === undefined ? ok(undefined) : await mend(row);
      if (!mended.ok) return mended;
    }
  }
}

/** What is damaged of what the actions that are to be built read. */
async function damagedInputs(
  { actions, decider }: Session,
  judged: ReadonlyMap<string, Judgement>,
): Promise<Result<ArtifactRow[]>> {
  const found = new Map<string, ArtifactRow>();
  for (const action of actions) {
    if (judged.get(action.id)?.decision.kind !== "build") continue;
    const damaged = await decider.damagedInputs(action);
    if (!damaged.ok) return damaged;
    for (const row of damaged.value) found.set(row.id, row);
  }
  return ok([...found.values()]);
}

/**
 * Exit 2 where a source of what is wanted is missing, and a warning where one has what does not come along. It comes
 * before anything is resolved, which reads some of them.
 */
export async function inputsThere({ actions, decider, options }: Session): Promise<Result<void>> {
  const { project, drivers, emit, now } = options;
  const { sources } = decider.context;
  const lost = await checkInputs(actions, { dir: project.dir, sources, drivers });
  if (!lost.ok) return lost;
  for (const notice of lost.value) emit({ type: "notice", level: "warning", ...notice, at: now() });
  return ok(undefined);
}

async function decideEach(session: Session): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const there = await inputsThere(session);
  if (!there.ok) return there;
  const { shared } = session.options;
  shared?.begin();
  const judgements = new Map<string, Judgement>();
  for (const action of session.actions) {
    const judged = await session.decider.decide(action);
    if (!judged.ok) return judged;
    const judgement = (await shared?.ask(session.decider, action, judged.value)) ?? judged.value;
    const { made } = judgement;
    if (made === null) session.decider.pending(action.id);
    else session.decider.produced(action.id, made);
    judgements.set(action.id, judgement);
  }
  return ok(settleNeeds(session, judgements));
}

/** What cannot be resolved among what would have to be built. */
export function unresolvedOf(judgements: ReadonlyMap<string, Judgement>): Obstacles {
  const found = new Map<TargetId, Obstacle>();
  for (const [id, { decision }] of judgements) {
    if (decision.kind !== "build" || decision.reason.kind !== "unresolvable") continue;
    found.set(id, decision.reason.problem);
  }
  return found;
}

/** Whether every action is up to date. */
export const nothingToDo = (judgements: ReadonlyMap<string, Judgement>): boolean =>
  [...judgements.values()].every((judgement) => judgement.decision.kind === "up-to-date");
