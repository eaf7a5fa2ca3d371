// Writes what another machine needs of a release: its pins, or artifacts with all that they were made from. Everything
// is copied and digested, into a directory that gets its name when it is whole. It prints nothing.
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve, sep } from "node:path";
import { copyAndHash } from "../../cache/copy.js";
import { hasDigest, hashBytes } from "../../cache/hash.js";
import { holdDirectory } from "../../cache/held.js";
import { ioProblem, temporaryName } from "../../cache/io.js";
import { leadsTo } from "../../cache/layout.js";
import { fields, jsonOf, list, optional, size, text } from "../../cache/shape.js";
import { digestOf } from "../../cache/store.js";
import { giveToUser, makeOwnDir, writeWhole } from "../../cache/write.js";
import { packagePath } from "../../cache/packages.js";
import { copySnapshot, Snapshots } from "../../cache/snapshots.js";
import type { Session } from "../build/session.js";
import type { Judgement } from "../decide.js";
import { removeTree } from "../execute/local/remove.js";
import type { Action, Graph, TargetId } from "../model.js";
import { withDate } from "../names.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { EXPORT_FORM, NAMES, type ExportedAction, type ExportedFile, type ExportIndex } from "./exchange.js";
import { sumsText } from "./check.js";
import { relationsOf } from "../relations.js";

/** What is to be exported. */
export interface ExportWish {
  /** Targets that are up to date, with their judgements; none where only pins are wanted. */
  readonly targets: readonly TargetId[];
  readonly judgements: ReadonlyMap<string, Judgement>;
  readonly pins: boolean;
  /** Also the snapshots and package files of these actions. */
  readonly packagesOf: readonly Action[];
  readonly dir: string;
  /** A line about long work. */
  readonly progress: (line: string) => void;
}

/** What the index says of the targets, and of everything beneath them. */
export function exportIndex(session: Session, wish: ExportWish): Result<ExportIndex> {
  const { decider, pins, options } = session;
  const { release } = pins;
  const actions: Record<string, ExportedAction> = {};
  const files: ExportedFile[] = [];
  for (const action of neededActions(options.graph, wish)) {
    const exported = exportedAction(session, action, wish.judgements.get(action.id));
    if (!exported.ok) return exported;
    actions[action.id] = exported.value;
    for (const { output } of decider.outPaths(action)) {
      const id = exported.value.outputs[output] ?? "";
      const row = session.index.artifact(id);
      const target = decider.targetOf(action, output);
      const pattern = action.outputs.find(({ name }) => name === output);
      if (row === undefined || pattern?.kind !== "file")
        return fail(Exit.failed, `${target} is not here`, `imagemake ${target} builds it`);
      const { size } = row;
      const name = withDate(pattern.pattern, release.datecode);
      files.push({ action: action.id, output, target, name, id, size });
    }
  }
  const closures = wish.packagesOf.flatMap(({ id }) => release.closures[id]?.packages ?? []);
  const packages = [...new Set(closures.map(({ sha256 }) => sha256))].sort();
  const kept = new Snapshots(options.project.snapshots);
  const snapshots = Object.values(release.snapshots).map(({ digest }) => digest);
  return ok({
    imagemakeExport: EXPORT_FORM,
    line: options.project.line,
    datecode: release.datecode,
    machine: hostname(),
    at: new Date(options.now()).toISOString(),
    pins: wish.pins,
    targets: [...wish.targets],
    actions,
    files,
    snapshots: packages.length === 0 ? [] : [...new Set(snapshots)].filter((one) => kept.find(one) !== null),
    packages,
  });
}

/** What lies beneath the targets; beneath what a person brought nothing is needed. */
function neededActions(graph: Graph, { targets, judgements }: ExportWish): readonly Action[] {
  return relationsOf(graph).closure(targets, (action) => judgements.get(action)?.adopted === true);
}

function exportedAction(
  { index, pins, decider }: Session,
  action: Action,
  judgement: Judgement | undefined,
): Result<ExportedAction> {
  const outputs = judgement?.made?.outputs;
  if (judgement === undefined || outputs === undefined)
    return fail(Exit.failed, `${action.id} is out of date`, `imagemake ${action.id} builds it`);
  const entries = action.outputs.map(({ name }) => pins.release.artifacts[decider.targetOf(action, name)]);
  const provenance = entries.find((entry) => entry !== undefined)?.provenance;
  if (judgement.adopted === true && provenance?.kind === "adopted") {
    const { because, at } = provenance;
    return ok({ kind: "adopted", key: judgement.key ?? "", outputs, because, at });
  }
  const result = index.resultOf(judgement.key ?? "");
  if (result === undefined)
    return fail(Exit.failed, `${action.id} is out of date`, `imagemake ${action.id} builds it`);
  const { key, started, duration, epoch } = result;
  const machine =
    provenance?.kind === "imported" ? provenance.machine : (index.originOf(result.id)?.machine ?? hostname());
  const components = [...decider.componentsIn(action, judgement)];
  return ok({ kind: "built", key, components, outputs, started, duration, epoch, machine });
}

/** Whether `dir` may be written: it is not there, empty, or an earlier export of the same release. */
export function checkPlace(project: Project, dir: string, datecode: string): Result<void> {
  const place = leadsTo(dir) ?? resolve(dir);
  for (const own of [project.state, project.out]) {
    if (place === own || place.startsWith(`${own}${sep}`))
      return fail(Exit.usage, `${dir} is imagemake's own place`, "name a directory elsewhere");
  }
  if (!existsSync(place)) return ok(undefined);
  if (!lstatSync(place).isDirectory()) return fail(Exit.usage, `${dir} is not a directory`);
  if (readdirSync(place).length === 0) return ok(undefined);
  const there = exportThere(place);
  if (there === null)
    return fail(
      Exit.usage,
      `${dir} holds something other than an export`,
      "name a directory that is empty or not there",
    );
  if (there.datecode !== datecode || there.line !== project.line)
    return fail(
      Exit.usage,
      `${dir} holds the export of release ${[there.line, there.datecode].join(" ").trim()}`,
      "name another directory, or remove that one",
    );
  const strangers = strangersIn(place, there);
  return strangers.length === 0
    ? ok(undefined)
    : fail(Exit.usage, `${dir} holds what is not of its export: ${strangers.join(", ")}`, "move it away");
}

/** What is there of an export, with the names in its directories. */
interface There {
  readonly datecode: string;
  readonly line: string;
  readonly names: Readonly<Record<"files" | "packages" | "snapshots", readonly string[]>>;
}

/** What a person put beside or between the files of an export. */
function strangersIn(place: string, { names }: There): string[] {
  const known = new Set<string>(Object.values(NAMES));
  const beside = readdirSync(place).filter((name) => !known.has(name));
  const between = (["files", "packages", "snapshots"] as const).flatMap((part) => {
    const at = join(place, NAMES[part]);
    const stats = lstatSync(at, { throwIfNoEntry: false });
    if (stats === undefined) return [];
    if (!stats.isDirectory()) return [NAMES[part]];
    return readdirSync(at)
      .filter((name) => !names[part].includes(name))
      .map((name) => join(NAMES[part], name));
  });
  return [...beside, ...between];
}

/** What of an index any version of imagemake has written. */
type Earlier = Pick<ExportIndex, "datecode" | "line"> &
  Partial<Pick<ExportIndex, "files" | "packages" | "snapshots">>;
const isEarlier = fields({
  imagemakeExport: size,
  datecode: text,
  line: text,
  files: optional(list(fields({ name: text }))),
  packages: optional(list(text)),
  snapshots: optional(list(text)),
});

function exportThere(dir: string): There | null {
  try {
    const value = jsonOf(readFileSync(join(dir, NAMES.index), "utf8"), isEarlier) as Earlier | null;
    if (value === null) return null;
    const { datecode, line, files = [], packages = [], snapshots = [] } = value;
    return { datecode, line, names: { files: files.map(({ name }) => name), packages, snapshots } };
  } catch {
    return null;
  }
}

/**
 * Writes the export. Until it is whole it has another name, beside its own, and is ours alone: the directory that it lies
 * in may be the caller's, and is opened once. What a killed run left there goes.
 */
export async function writeExport(
  session: Session,
  index: ExportIndex,
  { dir, progress }: ExportWish,
): Promise<Result<void>> {
  const place = leadsTo(dir) ?? resolve(dir);
  const making = temporaryName(place);
  makeOwnDir(dirname(place));
  const parent = holdDirectory(dirname(place), "");
  const at = (path: string): string => join(parent.path, basename(path));
  try {
    await clearDead(place);
    const held = holdDirectory(parent.path, basename(making), { make: { owner: null, mode: 0o700 } });
    try {
      const written = await fill(session, index, held.path, progress);
      if (!written.ok) {
        await removeTree(making);
        return written;
      }
      chmodSync(held.path, 0o755);
    } finally {
      held.close();
    }
    giveToUser(at(making));
    const old = existsSync(at(place)) ? temporaryName(place) : null;
    if (old !== null) renameSync(at(place), at(old));
    renameSync(at(making), at(place));
    return old === null ? ok(undefined) : await removeTree(old);
  } catch (error) {
    await removeTree(making);
    return ioProblem(`write the export ${dir}`, error);
  } finally {
    parent.close();
  }
}

/** Half-made exports of processes that are no more. */
async function clearDead(place: string): Promise<void> {
  for (const name of readdirSync(dirname(place))) {
    const rest = name.startsWith(`${basename(place)}.`) ? name.slice(basename(place).length) : "";
    const pid = /^\.(\d+)-\d+\.tmp$/.exec(rest)?.[1];
    if (pid !== undefined && Number(pid) !== process.pid && !existsSync(`/proc/${pid}`))
      await removeTree(join(dirname(place), name));
  }
}

async function fill(
  session: Session,
  index: ExportIndex,
  dir: string,
  progress: (line: string) => void,
): Promise<Result<void>> {
  const { project } = session.options;
  const { store } = session.decider.context;
  // Whoever called sudo should own all of it.
  for (const part of ["files", "packages", "snapshots"] as const)
    if (index[part].length > 0) makeOwnDir(join(dir, NAMES[part]));
  for (const { id, name, target } of index.files) {
    progress(`copy ${name}`);
    const file = join(dir, NAMES.files, name);
    const copied = await copyAndHash(store.path(id), file);
    if (!copied.ok) return copied;
    giveToUser(file);
    if (copied.value.digest !== digestOf(id))
      return fail(
        Exit.environment,
        `${target} is damaged in the store`,
        "imagemake cache verify finds what is damaged",
      );
  }
  if (index.packages.length > 0) progress(`copy ${index.packages.length} packages`);
  for (const sha256 of index.packages) {
    const file = join(dir, NAMES.packages, sha256);
    const copied = await copyAndHash(packagePath(project.packages, sha256), file);
    if (!copied.ok) return copied;
    giveToUser(file);
    if (copied.value.digest !== sha256 && !(await hasDigest(file, sha256, copied.value.size)))
      return fail(
        Exit.environment,
        `the package ${sha256} is damaged in the store`,
        "imagemake cache verify finds what is damaged",
      );
  }
  for (const digest of index.snapshots) {
    const to = join(dir, NAMES.snapshots, digest);
    makeOwnDir(to);
    const from = await new Snapshots(project.snapshots).whole(digest);
    if (from === null)
      return fail(
        Exit.environment,
        `the snapshot ${digest} is damaged in the store`,
        "imagemake cache verify finds what is damaged",
      );
    const copied = await copySnapshot(from, to);
    if (!copied.ok) return copied;
    for (const entry of readdirSync(to, { recursive: true, encoding: "utf8" })) giveToUser(join(to, entry));
  }
  const texts = {
    [NAMES.index]: `${JSON.stringify(index, null, 1)}\n`,
    [NAMES.release]: `${JSON.stringify(session.pins.release, null, 1)}\n`,
  };
  for (const [name, text] of Object.entries(texts)) writeWhole(join(dir, name), text);
  const sums = new Map(Object.entries(texts).map(([name, text]) => [name, hashBytes(text)]));
  writeWhole(join(dir, NAMES.sums), sumsText(sums, "gnu"));
  return ok(undefined);
}
