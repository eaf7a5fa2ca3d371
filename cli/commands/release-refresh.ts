// `imagemake release refresh [TARGET…]`: new snapshots for these targets and all that is built on them, and
// what that changes in packages. With -n it only says so and leaves nothing behind. Nothing is built.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSession, type RunOptions, type Session } from "../../engine/build/session.js";
import type { Graph, TargetId } from "../../engine/model.js";
import { packageChanges } from "../../engine/packages/closure.js";
import { Pins } from "../../engine/packages/pins.js";
import { hasOwnPackages, ownLists, toRefresh } from "../../engine/packages/refresh.js";
import { unlessAny, worstOf } from "../../engine/obstacles.js";
import { stop, unwrap } from "../../engine/problem.js";
import type { PackageChange } from "../../engine/reason.js";
import { relationsOf } from "../../engine/relations.js";
import { saveRelease } from "../../engine/release/release.js";
import { drivers, openImagefile, type Opened } from "../open.js";
import { output } from "../output.js";
import { counted } from "../render/count.js";
import { changesInFull } from "../render/change.js";
import { releaseLine } from "../render/when.js";
import type { Call } from "../call.js";
import { oneDate, select } from "../select.js";
import { whileLocked } from "../state.js";

/** What came of it; `exit` says whether some lists could not be resolved. */
interface Refreshed {
  readonly rows: readonly Row[];
  readonly exit: number;
}

/** What helps where some lists cannot be resolved in the new snapshots: nothing is written down until then. */
function restOf(isNamed: boolean, isAll: boolean): string {
  const stays = "the release stays as it was";
  if (isAll) return stays;
  return isNamed
    ? `${stays}; -k refreshes the rest`
    : `${stays}; -k refreshes the rest, and so does naming it`;
}

/** What a refresh changes in one target's packages. */
interface Row {
  readonly target: TargetId;
  readonly changes: readonly PackageChange[];
}

/** Takes the snapshots, resolves, prints the difference. */
export async function command(call: Call): Promise<number> {
  const { options } = call;
  const preview = options.dryRun === true;
  const opened = unwrap(await openImagefile(options, call.args, !preview));
  const selection = call.names.length === 0 ? null : unwrap(select(opened.graph, call.names));
  const targets = selection?.targets ?? null;
  requireOwn(opened.graph, targets);
  const run = runOptions(call, opened, unwrap(oneDate(selection?.datecode ?? null, opened.datecode)));
  const looking = openOrStop(run, true);
  say(call, releaseLine({ ...whenOf(looking), joined: true, at: Date.now() }));
  const { rows, exit } = preview
    ? await previewed(call, looking, targets)
    : await refreshed(call, run, targets);
  if (options.json === true) output.write(`${JSON.stringify(rows, null, 2)}\n`);
  else output.write(rows.length === 0 ? "no package changed\n" : rows.map(inWords).join(""));
  return exit;
}

/** Holding the lock, and written down. Where anything fails, the release stays as it was. */
function refreshed(call: Call, run: RunOptions, targets: readonly TargetId[] | null): Promise<Refreshed> {
  return whileLocked(call, run.project, async () => {
    const session = openOrStop(run, false);
    const refreshed = await refresh(call, session.pins, run.graph, targets);
    saveRelease(run.project, session.pins.release);
    return refreshed;
  });
}

/** The same with snapshots that are thrown away. */
async function previewed(
  call: Call,
  session: Session,
  targets: readonly TargetId[] | null,
): Promise<Refreshed> {
  const { project, graph, emit, signal } = session.options;
  const { sources } = session.decider.context;
  const preview = mkdtempSync(join(tmpdir(), "imagemake-"));
  try {
    const context = { project, graph, sources, index: session.index, drivers, emit, signal };
    const pins = new Pins({ ...context, readOnly: true, preview }, session.pins.release);
    return await refresh(call, pins, graph, targets);
  } finally {
    rmSync(preview, { recursive: true, force: true });
  }
}

/**
 * Resolves anew what the release has resolved already, and what is named. The rest comes with the next build, out of the
 * new snapshots too: what could not be resolved was asked of the old one.
 */
async function refresh(
  call: Call,
  pins: Pins,
  graph: Graph,
  targets: readonly TargetId[] | null,
): Promise<Refreshed> {
  const before = pins.release.closures;
  const { roster } = pins.release;
  const all =
    targets === null && roster !== null && roster.length > 0
      ? relationsOf(graph)
          .closure(roster)
          .filter(({ packages }) => packages !== null)
      : toRefresh(graph, targets);
  const named = targets === null ? [] : ownLists(graph, targets);
  const actions = all.filter((action) => Object.hasOwn(before, action.id) || named.includes(action));
  // All in one go, also those of lists that nothing has resolved yet: a release is of one moment.
  const unreachable = await pins.snapshot([...new Set([...(await pins.forget(all)), ...named])]);
  const stays = "the release stays as it was";
  const narrower = "naming targets refreshes what they are built from";
  unwrap(unlessAny(unreachable, targets === null ? `${stays}; ${narrower}` : stays));
  unwrap(await pins.resolve(actions, call.options.keepGoing === true));
  const refused = pins.refusals(actions);
  if (call.options.keepGoing !== true)
    unwrap(
      unlessAny(
        refused,
        restOf(
          targets !== null,
          actions.every(({ id }) => refused.has(id)),
        ),
      ),
    );
  for (const [id, { message }] of refused) say(call, `not resolved: ${id}: ${message}`);
  const after = pins.release.closures;
  for (const { id } of actions) {
    const found = Object.hasOwn(before, id) ? undefined : after[id];
    if (found !== undefined) say(call, `resolved now: ${id}: ${counted(found.packages.length, "package")}`);
  }
  const rows = actions.flatMap(({ id }) => {
    if (!Object.hasOwn(before, id)) return [];
    const changes = packageChanges(before[id]?.packages ?? [], after[id]?.packages ?? []);
    return changes.length === 0 ? [] : [{ target: id, changes }];
  });
  return { rows, exit: refused.size === 0 ? 0 : worstOf(refused) };
}

/** Targets without packages are a mistake, unless they came along with others (in a group). */
function requireOwn(graph: Graph, targets: readonly TargetId[] | null): void {
  if (targets === null || targets.some((target) => hasOwnPackages(graph, target))) return;
  const names = targets.join(", ");
  const what = targets.length === 1 ? `${names} has no packages of its own` : `none of ${names} has packages`;
  stop(2, what, "name what is built from packages, or nothing for all");
}

function openOrStop(run: RunOptions, readOnly: boolean): Session {
  const session = unwrap(openSession(run, readOnly));
  if (session.selected.kind === "joined") return session;
  const { datecode } = session.selected.release;
  const what = run.datecode === null ? "no release is open" : `there is no release ${datecode}`;
  return stop(2, what, "imagemake release start opens one; a build opens one by itself");
}

function runOptions(call: Call, { project, graph }: Opened, datecode: string | null): RunOptions {
  const never = new AbortController().signal;
  return {
    project,
    graph,
    drivers,
    wanted: graph.targets.map((target) => target.id),
    datecode,
    force: false,
    isolated: true,
    emit: (event) => {
      if (event.type === "waiting") say(call, `waiting for ${event.holder}`);
      if (event.type === "notice")
        say(call, `${event.level === "warning" ? "warning: " : ""}${event.message}`);
      // Each fetched file is an event; here the steps are enough.
      if (event.type === "phase" && event.phase !== "fetch") say(call, `${event.phase} ${event.detail}`);
    },
    signal: never,
    killSignal: never,
    now: Date.now,
  };
}

const whenOf = ({ selected: { release } }: Session): { datecode: string; opened: number } => ({
  datecode: release.datecode,
  opened: Date.parse(release.opened),
});

const inWords = ({ target, changes }: Row): string =>
  [target, ...changesInFull([], changes).map((line) => `  ${line}`)].map((line) => `${line}\n`).join("");

function say({ options }: Call, line: string): void {
  if (options.quiet !== true) process.stderr.write(`${line}\n`);
}
