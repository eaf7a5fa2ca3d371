// Writes the record of a run that brought all up to date: what it rests on (read by quick.ts), and which of that belongs to
// which action (read by known.ts). Losing these files costs time only.
import { rmSync, statSync } from "node:fs";
import { addTo } from "../cache/grouped.js";
import { clearTemporaries, writeIfPossible } from "../cache/io.js";
import { layerPath } from "../cache/layers.js";
import { knownPath, quickPaths } from "../cache/layout.js";
import { manifestPath } from "../cache/manifests.js";
import { reached } from "../cache/steps.js";
import { ownerIn, withChecksum, writeWhole } from "../cache/write.js";
import type { Stamp } from "../cache/index.js";
import type { Session } from "./build/session.js";
import { readsChanged, type Reads } from "./evaluate/fresh.js";
import { each, numbersOf, releaseDigest, type SavedKnown } from "./known.js";
import type { Action } from "./model.js";
import type { Project } from "./project.js";
import { checksum, envDigest, quickFile, type QuickHeader, type QuickWords } from "./quick.js";
import { JOIN_MS } from "./release/release.js";
import { engineFiles } from "./remember.js";
import { Rows } from "./rows.js";
import {
  fileSystemNow,
  type Grounds,
  isDoubtful,
  isOwnDoubtful,
  ownStamp,
  stampOf,
} from "./sources/stamp.js";
import { tellsChanges } from "./sources/telling.js";

/** At most this many records of command lines are kept. */
const KEPT_RECORDS = 64;

/** Rows and whose they are, one bundle after the other, while they are put together. */
class Packing {
  readonly rows: number[] = [];
  readonly rowsEnd: number[] = [];
  readonly owners: number[] = [];
  readonly ownersEnd: number[] = [];

  add(rows: Iterable<number>, owners: Iterable<number>): void {
    for (const row of rows) this.rows.push(row);
    for (const owner of owners) this.owners.push(owner);
    this.rowsEnd.push(this.rows.length);
    this.ownersEnd.push(this.owners.length);
  }
}

/** Files of settings, which a later run has to look at. */
export interface SettingFiles {
  /** Whether they are there or not. */
  readonly paths: readonly string[];
  /** The user's own among them. */
  readonly user: string | null;
  /** One of them has a run with nothing to do told of otherwise than usual. */
  readonly told: boolean;
}

/** What is said of each action, by its number in the graph. */
interface Owned extends Pick<SavedKnown, "builds" | "open" | "bundles"> {
  /** No action rests on what no look can confirm. */
  readonly sure: boolean;
}

/**
 * Records that these words left nothing to do. Not recorded: lists that were read too freshly to be believed, and
 * evaluations that cannot be repeated by looking. Whether a later look can find all as it is: false where something is
 * too fresh, or never can be found again.
 */
export function saveRecord(
  session: Session,
  reads: Reads,
  graph: string,
  { file, words }: Pick<QuickWords, "file" | "words">,
  settings: SettingFiles,
): boolean {
  const { facts, options, pins, decider, index } = session;
  const { project } = options;
  if (facts.doubtful || reads.unsnapshottable.length > 0 || reads.envAll) return false;
  const rows = new Rows(project.dir, decider.products.known?.looked ?? null);
  const shared = sharedRows(session, reads, rows, settings);
  if (shared === null) return false;
  const { sure, ...owned } = ownedRows(session, rows);
  // What this run looked at again is as it is now: the release was written since.
  for (const row of decider.products.known?.saved.shared ?? [])
    if (!rows.isNew(row)) shared.add(rows.keep(row));
  const { release } = pins;
  const header: QuickHeader = {
    words,
    env: {
      ...decider.products.known?.looked.header.env,
      ...Object.fromEntries(
        [...Object.entries(reads.env), ...facts.env]
          .filter(([name]) => !given(words, name))
          .map(([name, value]) => [name, envDigest(value ?? undefined)]),
      ),
    },
    cwd: reads.cwd,
    release: {
      datecode: release.datecode,
      opened: Date.parse(release.opened),
      until: release.explicit || release.byName ? null : Date.parse(release.lastBuild) + JOIN_MS,
    },
    rows: rows.paths.length,
    settings: settings.user,
    told: settings.told,
    sure,
  };
  if (rows.paths.some((path) => path.includes("\0") || path.includes("\uFFFD"))) return false;
  const bytes = rows.encode(header);
  const known: SavedKnown = {
    of: checksum(bytes),
    graph,
    release: releaseDigest(release, decider.context.rejected),
    mark: index.mark(),
    ...owned,
    shared: [...shared],
  };
  writeIfPossible(() => {
    const record = quickFile(project.graphs, file, words);
    writeWhole(record, bytes, ownerIn(project.graphs));
    writeWhole(knownPath(record), withChecksum(JSON.stringify(known)), ownerIn(project.graphs));
    dropOldRecords(project);
    // These are written without the lock, so what a kill left of one is not noticed elsewhere.
    clearTemporaries(project.graphs);
    reached("run kept", record);
  });
  return sure;
}

/** A VAR=value word sets the environment by itself: what stands in the words need not be looked up. */
const given = (words: readonly string[], name: string): boolean =>
  words.some((word) => word.startsWith(`${name}=`));

/** The rows of each action: those of its sources, and what it made. What stood in this run has those that it had. */
function ownedRows(session: Session, rows: Rows): Owned {
  const { actions, decider, options } = session;
  const { known } = decider.products;
  const numbers = known === null ? numbersOf(options.graph) : known.numbers;
  const builds = known === null ? options.graph.actions.map(() => "") : [...known.saved.builds];
  const sources = new Map<Grounds, number[]>();
  const decided = new Uint8Array(builds.length);
  const open: number[] = [];
  const bundles = new Packing();
  let sure = true;
  for (const action of actions) {
    if (known?.stands(action) === true) continue;
    const number = numbers.get(action.id) ?? -1;
    decided[number] = 1;
    const made = rowsMade(session, action, rows);
    bundles.add(made.rows, [number]);
    const grounds = groundsOf(session, action);
    for (const one of grounds) addTo(sources, one, number);
    builds[number] = decider.products.of(action.id)?.build ?? "";
    const doubtful = made.doubtful || grounds.some((one) => one.doubtful);
    if (doubtful) sure = false;
    if (doubtful || grounds.some(({ told }) => told)) open.push(number);
  }
  for (const [grounds, owners] of sources) bundles.add(rowsOf(grounds, rows), owners);
  if (known !== null)
    for (const one of each(known.saved.bundles)) {
      const owners = one.owners.filter((owner) => decided[owner] === 0);
      if (owners.length > 0)
        bundles.add(
          one.rows.map((row) => rows.keep(row)),
          owners,
        );
    }
  return { builds, open, bundles, sure };
}

/** What the sources of an action rest on, and the commands that say which packages it has. */
export function groundsOf({ decider }: Pick<Session, "decider">, { inputs, packages }: Action): Grounds[] {
  const { sources } = decider.context;
  const own = inputs.map((input) =>
    input.kind === "source" ? sources.groundsOf(input.source, input.name) : undefined,
  );
  const asked = (packages?.want ?? []).map((wanted) =>
    typeof wanted === "object" && "probe" in wanted ? sources.groundsOf(wanted.probe, "packages") : undefined,
  );
  return [...new Set([...own, ...asked])].flatMap((grounds) => grounds ?? []);
}

const rowsOf = ({ files, links }: Grounds, rows: Rows): number[] => [
  ...[...files].map(([path, stamp]) => rows.add(path, stamp, true)),
  ...[...links].map(([path, stamp]) => rows.add(path, stamp, false)),
];

/** Its links in the output directory, and what the store holds of the outputs that are not linked anywhere: its loss must be noticed. */
function rowsMade(
  { decider, index, facts, options }: Session,
  action: Action,
  rows: Rows,
): { readonly rows: readonly number[]; readonly doubtful: boolean } {
  const { project } = options;
  const found: number[] = [];
  let doubtful = false;
  const add = (path: string, stamp: Stamp | null): void => {
    found.push(rows.add(path, stamp, false));
    if (stamp !== null && isOwnDoubtful(path, stamp, project.state)) doubtful = true;
  };
  const linked = new Set<string>();
  for (const { output, path } of decider.outPaths(action)) {
    linked.add(output);
    const stamp = facts.files.get(path);
    if (stamp !== undefined) add(path, stamp);
  }
  for (const output of action.outputs) {
    if (output.kind === "verdict" || linked.has(output.name)) continue;
    const id = decider.artifactOf(decider.targetOf(action, output.name));
    if (id === undefined) continue;
    const layer = index.artifact(id)?.layer ?? null;
    const paths =
      output.kind === "file"
        ? [decider.context.store.path(id)]
        : layer === null
          ? []
          : [layerPath(project.layers, layer), manifestPath(project.manifests, id)];
    for (const path of paths) add(path, ownStamp(path));
  }
  return { rows: found, doubtful };
}

/** The rows that no action owns: of the engine, of the Imagefile, of the release, of tools; null where one cannot be believed. */
function sharedRows(session: Session, reads: Reads, rows: Rows, settings: SettingFiles): Set<number> | null {
  const { facts, options, decider, actions } = session;
  const { project } = options;
  const { known } = decider.products;
  const shared = new Set<number>();
  const looked = actions.filter((action) => known?.stands(action) !== true);
  const links = new Set(looked.flatMap((action) => decider.outPaths(action).map(({ path }) => path)));
  const others = [...facts.files].filter(([path]) => !links.has(path));
  const alsoRead = [...engineFiles(), ...settings.paths].map((path) => [path, stampOf(path)] as const);
  for (const [path, stamp] of [...others, ...alsoRead]) {
    if (stamp !== null && !tellsChanges(path, stamp.mtime, stamp.ctime, stamp.mode)) return null;
    shared.add(rows.add(path, stamp, true));
  }
  const now = fileSystemNow(project.state);
  for (const { path, use } of reads.files) {
    const itself = use === "lstat" || use === "readlink";
    const stamp = itself ? ownStamp(path) : stampOf(path);
    if (stamp !== null && isDoubtful(path, stamp, now)) return null;
    shared.add(rows.add(path, stamp, !itself));
  }
  // The run may have taken hours, and the Imagefile may have been edited while actions ran.
  return readsChanged(reads) === null ? shared : null;
}

/** Forgets that there was nothing to do, whatever the words. */
export function forgetRecords(project: Project): void {
  for (const path of quickPaths(project)) dropRecord(path);
}

function dropRecord(path: string): void {
  for (const file of [path, knownPath(path)]) rmSync(file, { force: true });
}

function dropOldRecords(project: Project): void {
  const records = quickPaths(project)
    .map((path) => ({ path, mtime: statSync(path).mtimeMs }))
    .sort((a, b) => b.mtime - a.mtime);
  for (const { path } of records.slice(KEPT_RECORDS)) dropRecord(path);
}
