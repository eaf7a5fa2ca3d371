// What `clean` removes: stages, kept copies of sources, logs, saved graphs, and links of implicit releases that are
// still what was linked. The caller holds the lock while anything is removed.
import { lstatSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { hashFile } from "../cache/hash.js";
import type { Index, LinkRow } from "../cache/index.js";
import { ioProblem } from "../cache/io.js";
import { lyingIn } from "../cache/layout.js";
import { digestOf } from "../cache/store.js";
import { removeTree } from "./execute/local/remove.js";
import type { Reads } from "./evaluate/fresh.js";
import type { Graph } from "./model.js";
import { ok, type Problem, type Result } from "./problem.js";
import type { Project } from "./project.js";
import { isDated } from "./release/needed.js";
import type { Release } from "./release/record.js";
import { ownStamp } from "./sources/stamp.js";

/** Something that goes. */
export interface Removable {
  readonly kind: "link" | "stage" | "kept source" | "log" | "graph" | "module";
  readonly path: string;
}

/** A linked file that stays, and why. */
export interface Kept {
  readonly path: string;
  readonly because: "edited" | "an input" | "no regular file" | "not made by imagemake";
}

/** What would be removed. */
export interface CleanPlan {
  readonly removable: readonly Removable[];
  readonly kept: readonly Kept[];
  /** Rows of links that are gone already, or were never here. */
  readonly vanished: readonly string[];
}

/** What a plan is made from. */
export interface CleanContext {
  readonly project: Project;
  readonly index: Index;
  readonly releases: readonly Release[];
  /** Whether a file is read by the Imagefile or by one of its actions. */
  readonly isInput: (path: string) => boolean;
}

/** Where in the state directory something goes. */
const OWN = [
  ["stage", "stage"],
  ["kept source", "copies"],
  ["log", "logs"],
  ["graph", "graphs"],
  ["module", "modules"],
] as const satisfies readonly (readonly [Removable["kind"], keyof Project])[];

/** Decides what goes; changes nothing. */
export async function planClean(context: CleanContext): Promise<CleanPlan> {
  const { project, index, releases } = context;
  const own = OWN.flatMap(([kind, place]) =>
    lyingIn(project, place).map(({ path, ours }) => ({ kind, path, ours })),
  );
  const removable: Removable[] = own.flatMap(({ kind, path, ours }) => (ours ? [{ kind, path }] : []));
  const kept: Kept[] = own.flatMap(({ ours, path }) =>
    ours ? [] : [{ path, because: "not made by imagemake" as const }],
  );
  const vanished: string[] = [];
  for (const link of index.links()) {
    if (link.line !== project.line || releases.some((release) => needs(release, link))) continue;
    const state = await judge(context, link);
    if (state === "ours") removable.push({ kind: "link", path: link.path });
    else if (state === "gone") vanished.push(link.path);
    else kept.push({ path: link.path, because: state });
  }
  return { removable, kept, vanished };
}

/** An explicit release needs what bears its date, and of names without one those of its roster. */
const needs = ({ explicit, state, datecode, roster }: Release, link: LinkRow): boolean =>
  explicit &&
  (link.release === datecode ||
    (!isDated(link) && state !== "abandoned" && (roster?.includes(link.target) ?? true)));

async function judge(
  { project, index, isInput }: CleanContext,
  link: LinkRow,
): Promise<"ours" | "gone" | Kept["because"]> {
  const { path, artifact } = link;
  // Rows of a project that was copied or moved still name the old place: what is there is not ours.
  if (dirname(path) !== project.out) return "gone";
  const stats = lstatSync(path, { throwIfNoEntry: false });
  const stamp = ownStamp(path);
  if (stats === undefined || stamp === null) return "gone";
  if (!stats.isFile()) return "no regular file";
  if (isInput(path) || index.stamp(path) !== undefined) return "an input";
  const untouched = (["size", "mtime", "ctime", "ino"] as const).every(
    (field) => stamp[field] === link[field],
  );
  // A changed ctime may be another link of the same file, or an edit whose times were put back.
  return untouched || (await hashFile(path, stamp.size)) === digestOf(artifact) ? "ours" : "edited";
}

/** What was removed, and what stood in the way of the rest. */
export interface Cleaned {
  readonly removed: readonly Removable[];
  readonly problems: readonly Problem[];
}

/** Removes what a plan names. What resists is left, and said. */
export async function clean(open: () => Index, plan: CleanPlan): Promise<Cleaned> {
  const problems: Problem[] = [];
  const removed: Removable[] = [];
  for (const thing of plan.removable) {
    const { kind, path } = thing;
    const result = kind === "link" ? removeLink(path) : await removeOwn(kind, path);
    if (result.ok) removed.push(thing);
    else problems.push(result.problem);
  }
  const links = removed.filter(({ kind }) => kind === "link").map(({ path }) => path);
  open().drop({ links: [...plan.vanished, ...links] });
  return { removed, problems };
}

function removeLink(path: string): Result<void> {
  try {
    rmSync(path, { force: true });
    return ok(undefined);
  } catch (error) {
    return ioProblem(`delete ${path}`, error);
  }
}

/** A crash may have left mounts in a stage; nowhere else does anything have a business to be mounted. */
const removeOwn = (kind: Removable["kind"], path: string): Promise<Result<void>> =>
  removeTree(path, { unmount: kind === "stage" });

/** Whether a path is read: by evaluation, as a list, or as a file that an action names or has below a directory. */
export function inputsOf(project: Project, graph: Graph, reads: Reads): (path: string) => boolean {
  const read = new Set(reads.files.filter(({ use }) => use === "read").map(({ path }) => path));
  const named = new Set<string>();
  for (const action of graph.actions) {
    for (const wanted of action.packages?.want ?? [])
      if (typeof wanted !== "string" && "list" in wanted) named.add(resolve(project.dir, wanted.list));
    for (const input of action.inputs) {
      if (input.kind !== "source") continue;
      const { source } = input;
      if (source.kind === "list") named.add(resolve(project.dir, source.file));
      if (source.kind === "files")
        for (const pattern of source.patterns) named.add(resolve(project.dir, source.from ?? "", pattern));
    }
  }
  return (path) => {
    if (read.has(path)) return true;
    for (let place = path; place !== project.dir && place !== dirname(place); place = dirname(place))
      if (named.has(place)) return true;
    return false;
  };
}
