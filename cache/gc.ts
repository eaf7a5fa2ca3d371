// Removes what nothing needs: first the rows, in one transaction, then what they stood for. Killed between any two
// steps it leaves things that no row names, and the next run removes those. The caller holds the lock.
import { existsSync, lstatSync, rmSync, type Stats } from "node:fs";
import { basename } from "node:path";
import { Exit, type Problem, type Result } from "./problem.js";
import type { Index } from "./index.js";
import { ioProblem } from "./io.js";
import { deleteLayer, layerName, layerPath, listLayers, type LayerRecord } from "./layers.js";
import { lyingIn, type Layout } from "./layout.js";
import { mark, type Marked, type Needed } from "./mark.js";
import { digestOf, openStore } from "./store.js";

/** Something on the disk that goes. */
export interface Doomed {
  readonly kind: "file" | "layer" | "manifest" | "package" | "snapshot" | "log" | "kept source" | "leftover";
  /** The artifact's id, where there is one, else the name on the disk. */
  readonly name: string;
  readonly path: string;
  /** Made as root: an ordinary user cannot delete it. */
  readonly root: boolean;
}

/** What would be removed. */
export interface Plan {
  readonly marked: Marked;
  readonly doomed: readonly Doomed[];
}

/** Decides what goes; changes nothing. */
export function planGc(index: Index, places: Layout, needed: Needed): Plan {
  const marked = mark(index, needed, existsSync);
  return { marked, doomed: [...sweepStore(places, marked), ...sweepRest(places, marked, needed)] };
}

/** What could not be removed, and why. */
export interface Resisting {
  readonly things: readonly Doomed[];
  readonly problems: readonly Problem[];
}

/**
 * Removes what the plan names; `remove` deletes a directory tree (engine/execute/local/remove.ts). What resists is left,
 * and said. Where `noRoom` is left to write rows in, they go last: nobody believes a row without its thing.
 */
export async function collect(
  open: () => Index,
  places: Layout,
  plan: Plan,
  remove: (path: string) => Promise<Result<void>>,
  noRoom = false,
): Promise<Resisting> {
  if (!noRoom) open().drop(plan.marked.doomed);
  const asRoot = process.getuid?.() === 0;
  const things = asRoot ? [] : plan.doomed.filter(({ root }) => root);
  const problems: Problem[] = things.length === 0 ? [] : [onlyRoot(things.length)];
  for (const thing of plan.doomed) {
    if (thing.root && !asRoot) continue;
    const removed = await removeThing(thing, remove);
    if (removed.ok) continue;
    things.push(thing);
    problems.push(removed.problem);
  }
  openStore(places.store, null).clean();
  const index = open();
  if (noRoom) index.drop(plan.marked.doomed);
  else if (Object.values(plan.marked.doomed).some((keys) => keys.length > 0)) index.compact();
  return { things, problems };
}

const onlyRoot = (count: number): Problem => ({
  exit: Exit.environment,
  message: `${count === 1 ? "1 layer was" : `${count} layers were`} made as root, and only root can delete that`,
  hint: "sudo imagemake cache gc",
});

async function removeThing(
  { kind, path }: Doomed,
  remove: (path: string) => Promise<Result<void>>,
): Promise<Result<void>> {
  if (kind === "layer") {
    const at = path.lastIndexOf("/");
    return deleteLayer(path.slice(0, at), path.slice(at + 1), remove);
  }
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return await remove(path);
    rmSync(path, { force: true });
    return { ok: true, value: undefined };
  } catch (error) {
    return ioProblem(`delete ${path}`, error);
  }
}

/** Files, layers and manifests. */
function sweepStore(places: Layout, { artifacts }: Marked): Doomed[] {
  const store = openStore(places.store, null);
  const files = store
    .list()
    .filter(({ id }) => !artifacts.has(id))
    .map(({ id }) => ({ kind: "file" as const, name: id, path: store.path(id), root: false }));
  const trees = [...artifacts.values()].filter((row) => row.kind === "tree");
  const manifests = new Set(trees.map((row) => digestOf(row.id)));
  const digests = new Set([...artifacts.keys()].map(digestOf));
  return [
    ...files,
    ...sweepLayers(
      places,
      trees.flatMap((row) => row.layer ?? []),
    ),
    ...lyingIn(places, "manifests").flatMap(({ name, path }) =>
      manifests.has(name) ? [] : [thing("manifest", name, path)],
    ),
    ...lyingIn(places, "images").flatMap(({ name, path, ours }) =>
      ours && !digests.has(name.slice(0, 64)) ? [thing("manifest", name, path)] : [],
    ),
  ];
}

/** A layer stays when a row names it, or when one that stays lies on it. */
function sweepLayers(places: Layout, named: readonly string[]): Doomed[] {
  const records = new Map(listLayers(places.layers).map((record) => [record.layer, record]));
  const kept = new Set<string>();
  for (const name of named) {
    for (let at: string | null = name; at !== null && !kept.has(at); at = beneath(records.get(at)))
      kept.add(at);
  }
  const doomed = new Map<string, Doomed>();
  for (const { name: entry, path } of lyingIn(places, "layers")) {
    const layer = entry.replace(/\.json$/, "");
    if (kept.has(layer)) continue;
    const { tree = layer, form = "user" } = records.get(layer) ?? {};
    const root = form === "root" || ownerOf(layerPath(places.layers, layer)) === 0;
    if (entry.endsWith(".tmp")) doomed.set(entry, { ...leftover(path), root });
    else doomed.set(layer, { kind: "layer", name: tree, path: layerPath(places.layers, layer), root });
  }
  // What lies on others goes first: no layer is ever without those beneath it.
  const depth = ({ path }: Doomed): number => records.get(basename(path))?.depth ?? 0;
  return [...doomed.values()].sort((a, b) => depth(b) - depth(a));
}

const beneath = (record: LayerRecord | undefined): string | null =>
  record === undefined || record.parent === null ? null : layerName(record.parent, record.form);

/** Packages, snapshots, logs and copies of sources. */
function sweepRest(places: Layout, { builds }: Marked, needed: Needed): Doomed[] {
  // By name: the project may have been moved since.
  const logs = new Set([...builds.values()].map(({ log }) => basename(log ?? "")));
  const unless = (kind: Doomed["kind"], place: Swept, keep: (name: string) => boolean): Doomed[] =>
    lyingIn(places, place).flatMap(({ name, path, ours }) =>
      ours && !keep(name) ? [thing(kind, name, path)] : [],
    );
  return [
    ...unless("package", "packages", (name) => needed.packages.has(name)),
    ...unless("snapshot", "snapshots", (name) => needed.snapshots.has(name)),
    ...unless("log", "logs", (name) => logs.has(name)),
    // They are copied again from the sources.
    ...unless("kept source", "copies", () => false).map((copy) => ({
      ...copy,
      root: ownerOf(copy.path) === 0,
    })),
  ];
}

type Swept = "packages" | "snapshots" | "logs" | "copies";

const thing = (kind: Doomed["kind"], name: string, path: string): Doomed => ({
  kind,
  name,
  path,
  root: false,
});

const leftover = (path: string): Doomed => ({ kind: "leftover", name: path, path, root: false });

const ownerOf = (path: string): number | undefined => stats(path)?.uid;

const stats = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });
