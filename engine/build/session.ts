// One run over one Imagefile: what is wanted, in which release, and everything that deciding needs. It is
// the same for a dry run and a build; it runs nothing.
import { Index, type ArtifactRow } from "../../cache/index.js";
import { openStore } from "../../cache/store.js";
import { ownerIn } from "../../cache/write.js";
import { Decider, type Judgement } from "../decide.js";
import type { Emit } from "../events.js";
import { Known, releaseDigest, type Earlier } from "../known.js";
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
import { Facts, sameStamp, stampOf } from "../sources/stamp.js";
import { Sources } from "../sources/resolve.js";
import { ToolVersions } from "../tools.js";
import { Durations } from "./durations.js";
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
  /** The stage of what fails is kept for `imagemake shell`. */
  readonly keepFailed: boolean;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** The second Ctrl-C: running actions are killed without a grace time. */
  readonly killSignal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** An earlier run of the same words; null for none. */
  readonly earlier?: Earlier | null;
}

/** An opened run. */
export interface Session {
  readonly options: RunOptions;
  readonly index: Index;
  readonly selected: Selected;
  readonly pins: Pins;
  readonly decider: Decider;
  readonly facts: Facts;
  readonly durations: Durations;
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
  const rejected = standing(releases.value);
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
    rejected,
  });
  const { earlier = null } = options;
  const { release } = selected.value;
  // With -B nothing stands, what opens a release compares with none, and a shared cache is asked for all that is needed.
  if (earlier !== null && !force && options.shared === null && selected.value.kind === "joined")
    decider.products.stand(
      Known.read(earlier, {
        graph,
        index,
        line: project.line,
        release: releaseDigest(pins.release, rejected),
        releases: releaseFiles(project, release),
        dir: project.dir,
      }),
    );
  return ok({
    options,
    index,
    selected: selected.value,
    pins,
    decider,
    facts,
    durations: new Durations(index, project.line, options.graph.actions),
    actions: relationsOf(graph).closure(options.wanted),
  });
}

/** Another release, or other pins in this one, would be another question. */
export function noteRelease(project: Project, facts: Facts, release: Release): void {
  const file = releaseFile(project, release);
  facts.file(file, stampOf(file));
}

/** Whether nobody wrote to the release since it was noted, or began another beside it. */
export const isReleaseAsNoted = ({ options: { project }, facts, selected }: Session): boolean =>
  releaseFiles(project, selected.release).every((path) => {
    const [before, now] = [facts.files.get(path) ?? null, stampOf(path)];
    return before === null || now === null ? before === now : sameStamp(before, now);
  });

const releaseFiles = (project: Project, release: Release): string[] => [
  project.releases,
  releaseFile(project, release),
];

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
  const { products } = session.decider;
  const handled = new Set<string>();
  for (;;) {
    const judged = await decideEach(session);
    if (!judged.ok) return judged;
    const found = await damagedInputs(session, judged.value);
    if (!found.ok) return found;
    const damaged = found.value.filter(({ id }) => !handled.has(id));
    if (damaged.length === 0 && !isShort(session, judged.value)) return judged;
    products.doubt();
    for (const row of damaged) {
      handled.add(row.id);
      const mended = mend === undefined ? ok(undefined) : await mend(row);
      if (!mended.ok) return mended;
    }
  }
}

/** Whether something stands of which more is needed than that it did: outputs that are not here. */
function isShort({ actions, decider }: Session, judged: ReadonlyMap<string, Judgement>): boolean {
  if (decider.products.known === null) return false;
  return actions.some((action) => {
    const judgement = judged.get(action.id);
    if (judgement === undefined || judgement === STANDS) return false;
    return judgement.decision.kind === "build"
      ? decider.lacks(action).length > 0
      : decider.absent(judgement.made?.outputs ?? {}).length > 0;
  });
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
  const { known } = decider.products;
  const asked = known === null ? actions : actions.filter((action) => known.reaches(action));
  const lost = await checkInputs(asked, { dir: project.dir, sources, drivers });
  if (!lost.ok) return lost;
  for (const notice of lost.value) emit({ type: "notice", level: "warning", ...notice, at: now() });
  return ok(undefined);
}

/** The judgement of what is as an earlier run found it. */
const STANDS: Judgement = { decision: { kind: "up-to-date" }, key: null, facts: null, made: null };

/** Whether an action was not decided, since all that it rests on is as it was when it was found up to date. */
export const isStanding = (judgement: Judgement | undefined): boolean => judgement === STANDS;

async function decideEach(session: Session): Promise<Result<ReadonlyMap<string, Judgement>>> {
  const { actions, decider } = session;
  const { products } = decider;
  const there = await inputsThere(session);
  if (!there.ok) return there;
  const { shared } = session.options;
  shared?.begin();
  const judgements = new Map<string, Judgement>();
  for (const wave of shared === null ? oneByOne(actions) : wavesOf(session)) {
    const judged: (readonly [Action, Judgement])[] = [];
    for (const action of wave) {
      if (products.known?.stands(action) === true) {
        judgements.set(action.id, STANDS);
        continue;
      }
      if (!products.recalls(action)) {
        products.doubt();
        return decideEach(session);
      }
      const decided = await decider.decide(action);
      if (!decided.ok) return decided;
      judged.push([action, decided.value]);
    }
    for (const [{ id }, judgement] of shared === null ? judged : await shared.ask(decider, judged)) {
      const { made } = judgement;
      products.known?.decided(id, made);
      if (made === null) products.pending(id);
      else products.produced(id, made);
      judgements.set(id, judgement);
    }
  }
  const all = shared === null ? judgements : inOrder(actions, judgements);
  return ok(products.known === null ? settleNeeds(session, all) : all);
}

function* oneByOne(actions: readonly Action[]): Generator<readonly Action[]> {
  for (const action of actions) yield [action];
}

/** The actions in groups whose members do not read each other, each after what it reads. */
function wavesOf({ actions, options }: Session): readonly (readonly Action[])[] {
  const relations = relationsOf(options.graph);
  const levels = new Map<TargetId, number>();
  const waves: Action[][] = [];
  for (const action of actions) {
    const beneath = relations.producers(action).map(({ id }) => levels.get(id) ?? -1);
    const level = beneath.reduce((most, one) => Math.max(most, one), -1) + 1;
    levels.set(action.id, level);
    (waves[level] ??= []).push(action);
  }
  return waves;
}

/** Each after what it reads, as the actions are. */
const inOrder = (
  actions: readonly Action[],
  judgements: ReadonlyMap<string, Judgement>,
): ReadonlyMap<string, Judgement> =>
  new Map(
    actions.flatMap(({ id }) => {
      const judgement = judgements.get(id);
      return judgement === undefined ? [] : [[id, judgement]];
    }),
  );

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
