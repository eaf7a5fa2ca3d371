// Writes what later runs are spared: the evaluated graph, and the record of a run that left nothing to do
// (read by quick.ts). Losing these files costs time only.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join, relative } from "node:path";
import { createHash } from "node:crypto";
import type { Stamp } from "../cache/index.js";
import { PACKAGE } from "../cache/installed.js";
import { clearTemporaries, readPlain, writeIfPossible } from "../cache/io.js";
import { reached } from "../cache/steps.js";
import { checksumHolds, ownerIn, withChecksum, writeWhole } from "../cache/write.js";
import { graphPath, quickPaths } from "../cache/layout.js";
import { layerPath } from "../cache/layers.js";
import { manifestPath } from "../cache/manifests.js";
import { hashBytes } from "../cache/hash.js";
import type { Session } from "./build/session.js";
import { readsChanged, restamped, type Reads } from "./evaluate/fresh.js";

import type { Graph } from "./model.js";
import type { Project } from "./project.js";
import { checksum, CHECKSUM_BYTES, COLUMNS, envDigest, MAGIC, quickFile, type QuickHeader } from "./quick.js";
import { JOIN_MS } from "./release/release.js";
import { fileSystemNow, isRacy, ownStamp, stampOf } from "./sources/stamp.js";

/** At most this many records of command lines are kept. */
const KEPT_RECORDS = 64;

/** Files of this imagemake: when one changes, another imagemake is at work and nothing remembered counts. */
export function engineFiles(): string[] {
  const root = fileURLToPath(PACKAGE);
  const recipes = join(root, "rules", "recipes");
  const ours = ["package.json", "dist/run/imagemake.js", "dist/targets/index.js"].map((file) =>
    join(root, file),
  );
  return [...ours, ...readdirSync(recipes).map((file) => join(recipes, file))].filter((file) =>
    existsSync(file),
  );
}

/** A saved graph: what it was made from and what it is. */
interface SavedGraph {
  readonly engine: string;
  readonly args: Readonly<Record<string, string>>;
  readonly reads: Reads;
  readonly graph: Graph;
}

const engineIdentity = (): string =>
  createHash("sha256")
    .update(
      engineFiles()
        .map((file) => `${file} ${JSON.stringify(stampOf(file))}`)
        .join("\n"),
    )
    .digest("hex");

const graphFile = (project: Project, args: Readonly<Record<string, string>>): string =>
  graphPath(project, hashBytes(JSON.stringify([project.imagefile, args])).slice(0, 16));

/** The saved graph, while nothing that evaluation read has changed. `save` keeps what was found out again. */
export function savedGraph(
  project: Project,
  args: Readonly<Record<string, string>>,
  save: boolean,
): { graph: Graph; reads: Reads } | null {
  try {
    const bytes = readPlain(graphFile(project, args));
    if (bytes === null) return null;
    const text = bytes.toString("utf8");
    // What is damaged is evaluated again, and written over.
    if (checksumHolds(text) !== true) return null;
    const saved = JSON.parse(text) as SavedGraph;
    if (saved.engine !== engineIdentity() || readsChanged(saved.reads, args) !== null) return null;
    const reads = save ? restamped(saved.reads) : null;
    if (reads !== null) saveGraph(project, args, saved.graph, reads);
    return reads === null ? saved : { ...saved, reads };
  } catch {
    return null;
  }
}

/** Saves an evaluated graph; not where evaluation used what cannot be looked up again. */
export function saveGraph(
  project: Project,
  args: Readonly<Record<string, string>>,
  graph: Graph,
  reads: Reads,
): void {
  if (reads.unsnapshottable.length > 0) return;
  const saved: SavedGraph = { engine: engineIdentity(), args, reads, graph };
  writeIfPossible(() => {
    writeWhole(graphFile(project, args), withChecksum(JSON.stringify(saved)), ownerIn(project.graphs));
    reached("graph kept", project.graphs);
  });
}

/**
 * Records that these words left nothing to do. Not recorded: what was read too freshly to be believed, what
 * a probe says, and evaluations that cannot be repeated by looking.
 */
export function saveQuick(session: Session, reads: Reads, file: string, words: readonly string[]): void {
  const { facts, options, pins } = session;
  const { project } = options;
  if (facts.racy || facts.probes.length > 0 || reads.unsnapshottable.length > 0 || reads.envAll) return;
  const followed = new Map<string, Stamp | null>();
  const plain = new Map<string, Stamp | null>();
  const links = new Set(
    session.actions.flatMap((action) => session.decider.outPaths(action).map(({ path }) => path)),
  );
  for (const [path, stamp] of facts.files) (links.has(path) ? plain : followed).set(path, stamp);
  for (const [path, stamp] of facts.links) plain.set(path, stamp);
  for (const path of engineFiles()) followed.set(path, stampOf(path));
  const now = fileSystemNow(project.state);
  for (const { path, use } of reads.files) {
    const itself = use === "lstat" || use === "readlink";
    const stamp = itself ? ownStamp(path) : stampOf(path);
    if (stamp !== null && isRacy(stamp, now)) return;
    (itself ? plain : followed).set(path, stamp);
  }
  // The run may have taken hours, and the Imagefile may have been edited while actions ran.
  if (readsChanged(reads) !== null) return;
  for (const path of storeFiles(session)) plain.set(path, ownStamp(path));
  const { release } = pins;
  const rows = [...followed, ...plain];
  const header: QuickHeader = {
    words,
    env: Object.fromEntries(
      [...Object.entries(reads.env), ...facts.env]
        .filter(([name]) => !given(words, name))
        .map(([name, value]) => [name, envDigest(value ?? undefined)]),
    ),
    cwd: reads.cwd,
    release: {
      datecode: release.datecode,
      opened: Date.parse(release.opened),
      until: release.explicit || release.byName ? null : Date.parse(release.lastBuild) + JOIN_MS,
    },
    followed: followed.size,
    rows: rows.length,
  };
  const paths = rows.map(([path]) => relative(project.dir, path));
  if (paths.some((path) => path.includes("\0") || path.includes("\uFFFD"))) return;
  const stamps = rows.map(([, stamp]) => stamp);
  writeIfPossible(() => {
    const record = quickFile(project.graphs, file, words);
    writeWhole(record, encode(header, stamps, paths), ownerIn(project.graphs));
    dropOldRecords(project);
    // These are written without the lock, so what a kill left of one is not noticed elsewhere.
    clearTemporaries(project.graphs);
    reached("run kept", record);
  });
}

/** A VAR=value word sets the environment by itself: what stands in the words need not be looked up. */
const given = (words: readonly string[], name: string): boolean =>
  words.some((word) => word.startsWith(`${name}=`));

/** What the store holds of the outputs that are not linked anywhere: its loss must be noticed. */
function storeFiles(session: Session): string[] {
  const { decider, actions, index } = session;
  const { project } = session.options;
  const found: string[] = [];
  for (const action of actions) {
    const linked = new Set(decider.outPaths(action).map(({ output }) => output));
    for (const output of action.outputs) {
      if (output.kind === "verdict" || linked.has(output.name)) continue;
      const id = decider.artifactOf(decider.targetOf(action, output.name));
      if (id === undefined) continue;
      const layer = index.artifact(id)?.layer ?? null;
      if (output.kind === "file") found.push(decider.context.store.path(id));
      else if (layer !== null)
        found.push(layerPath(project.layers, layer), manifestPath(project.manifests, id));
    }
  }
  return found;
}

function encode(header: QuickHeader, stamps: readonly (Stamp | null)[], paths: readonly string[]): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const start = MAGIC.length + 8;
  const rowsAt = Math.ceil((start + text.length) / 8) * 8;
  const head = Buffer.alloc(rowsAt);
  head.write(MAGIC, "latin1");
  head.writeUInt32LE(text.length, MAGIC.length);
  head.writeUInt32LE(rowsAt, MAGIC.length + 4);
  text.copy(head, start);
  const numbers = new Float64Array(stamps.length * COLUMNS);
  stamps.forEach((stamp, row) => {
    const { size, mtime, ctime, ino, mode } = stamp ?? { size: -1, mtime: 0, ctime: 0, ino: 0, mode: 0 };
    numbers.set([size, mtime, ctime, ino, mode], row * COLUMNS);
  });
  const tail = Buffer.from(`${paths.join("\0")}\0`);
  const record = Buffer.concat([head, Buffer.from(numbers.buffer), tail, Buffer.alloc(CHECKSUM_BYTES)]);
  record.writeUInt32LE(checksum(record), record.length - CHECKSUM_BYTES);
  return record;
}

/** Forgets that there was nothing to do, whatever the words. */
export function forgetRecords(project: Project): void {
  for (const path of quickPaths(project)) rmSync(path, { force: true });
}

function dropOldRecords(project: Project): void {
  const records = quickPaths(project)
    .map((path) => ({ path, mtime: statSync(path).mtimeMs }))
    .sort((a, b) => b.mtime - a.mtime);
  for (const { path } of records.slice(KEPT_RECORDS)) rmSync(path, { force: true });
}
