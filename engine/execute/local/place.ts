// Brings what a staged action reads into its stage: files copied or bound, trees as mounts of their layers, package files as a
// repository; and makes the places of its outputs. It mounts nothing and starts nothing.
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ArtifactId, Index } from "../../../cache/index.js";
import { layerChain, layerPath } from "../../../cache/layers.js";
import type { Layout } from "../../../cache/layout.js";
import { placePackage } from "../../../cache/packages.js";
import { reached } from "../../../cache/steps.js";
import type { Store } from "../../../cache/store.js";
import type { Command, Output } from "../../model.js";
import type { DriverContext, Drivers } from "../../packages/driver.js";
import { asError, Exit, fail, ok, type Result } from "../../problem.js";
import { ACTION_PATH } from "../../tools.js";
import { copyLayers, copyTree } from "../../tree/copy.js";
import { makeTreeRoot } from "../../tree/seal.js";
import { outputPath, type StagedAction, type StagedInput } from "../executor.js";
import { argvOf } from "../stage-command.js";
import { stageDirectory, stageText } from "../stage-source.js";
import type { Isolation, Mount } from "./sandbox.js";
import { placeRoot, WORK_INSIDE } from "./within.js";

/** Where what an action reads is taken from, and how it is shown. */
export interface PlaceContext {
  readonly layout: Layout;
  readonly index: Index;
  readonly store: Store;
  readonly drivers: Drivers;
  readonly isolation: Isolation;
  /** Whether a layer can be laid over its parent here; without, the parent is copied. */
  readonly overlays: boolean;
}

/** Where an output is expected. Paths are absolute. */
export interface PlacedOutput {
  readonly output: Exclude<Output, { kind: "verdict" }>;
  /** The file, or the directory that becomes the layer. */
  readonly path: string;
  /** Artifact of the tree beneath a layer. */
  readonly parent: ArtifactId | null;
}

/** An action as its command will find it. */
export interface Placed {
  readonly dir: string;
  readonly work: string;
  /** The tree it runs within, as a directory; null for the host's root. */
  readonly root: string | null;
  /** `work`, as the action sees it. */
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly outputs: readonly PlacedOutput[];
}

/** An action on its way there. */
interface Placing extends PlaceContext {
  readonly staged: StagedAction;
  readonly dir: string;
  readonly work: string;
  /** What is to be mounted, in order. */
  readonly mounts: Mount[];
}

/** Places all that the action reads and is to make. */
export async function place(
  context: PlaceContext,
  staged: StagedAction,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<Result<Placed>> {
  const { action } = staged;
  const work = join(dir, "work");
  const placing: Placing = { ...context, staged, dir, work, mounts: [] };
  try {
    for (const input of staged.inputs) {
      const placed = input.path === "" ? ok(undefined) : await placeArtifact(placing, input);
      if (!placed.ok) return placed;
    }
    const repository = await placeRepository(placing, signal);
    if (!repository.ok) return repository;
    if (action.packages !== null) reached("packages staged", action.id);
  } catch (error) {
    return fail(Exit.environment, `${action.id}: its inputs could not be staged`, asError(error).message);
  }
  const outputs: PlacedOutput[] = [];
  for (const output of action.outputs) {
    if (output.kind === "verdict") continue;
    const placed = await placeOutput(placing, output);
    if (!placed.ok) return placed;
    outputs.push({ output, ...placed.value });
  }
  // Last, because what it shows of the working directory is what is mounted there by then.
  const root = await placeWithin(placing);
  if (!root.ok) return root;
  const isolated = context.isolation.kind === "namespaces";
  const [cwd, ceiling] = isolated ? [WORK_INSIDE, "/"] : [work, dir];
  placeRecipe(work, action.command);
  reached("staged", action.id);
  return ok({
    ...{ dir, work, root: root.value, cwd },
    argv: argvOf(staged.command, action),
    env: {
      PATH: ACTION_PATH,
      HOME: join(cwd, ".home"),
      TMPDIR: join(cwd, ".tmp"),
      LC_ALL: "C.UTF-8",
      TZ: "UTC",
      SOURCE_DATE_EPOCH: String(staged.epoch),
      GIT_CEILING_DIRECTORIES: ceiling,
      ...staged.env,
    },
    mounts: placing.mounts,
    outputs,
  });
}

const chainOf = ({ index }: PlaceContext, tree: ArtifactId): readonly string[] =>
  layerChain(tree, (id) => index.artifact(id));

/** Puts an artifact where the action looks for it. */
async function placeArtifact(placing: Placing, { id, name, path }: StagedInput): Promise<Result<void>> {
  const { index, isolation, layout, mounts, staged, store, work } = placing;
  const row = index.artifact(id);
  if (row === undefined)
    return fail(Exit.failed, `${staged.action.id}: its input ${name} is not in the store`);
  const to = join(work, path);
  if (row.kind === "tree") {
    const layers = chainOf(placing, id);
    const [only] = layers;
    stageDirectory(to);
    if (isolation.kind === "process-groups" && only !== undefined && layers.length === 1)
      return copyTree(layerPath(layout.layers, only), to, isolation);
    mounts.push({ kind: "overlay", layers, upper: null, work: null, to });
    return ok(undefined);
  }
  stageDirectory(dirname(to));
  const placed = store.place(id, to);
  if (!placed.ok) return placed;
  if (placed.value.kind === "bind") {
    if (isolation.kind === "namespaces")
      mounts.push({ kind: "bind", from: placed.value.path, to, readOnly: true });
    else copyFileSync(placed.value.path, to);
  }
  return ok(undefined);
}

/** Lays out `repo/`: the closure's package files, indexed by the distribution's own tool. */
async function placeRepository(placing: Placing, signal: AbortSignal): Promise<Result<void>> {
  const { dir, drivers, isolation, layout, mounts, staged, work } = placing;
  const { action, packages } = staged;
  if (action.packages === null || packages === null) return ok(undefined);
  const driver = await drivers[action.packages.driver]?.();
  if (driver === undefined)
    return fail(Exit.environment, `${action.id}: no driver is called ${action.packages.driver}`);
  const to = join(work, "repo");
  stageDirectory(to);
  const isolated = isolation.kind === "namespaces";
  const from = isolated ? join(dir, "repo") : to;
  stageDirectory(from);
  // Hard links: nobody stamps a package file, and the action sees them through a read-only mount.
  for (const pkg of packages) {
    const file = join(from, driver.fileName(pkg));
    stageDirectory(dirname(file));
    placePackage(layout.packages, pkg.sha256, file);
  }
  const scratch = join(dir, "index");
  mkdirSync(scratch);
  const unheard = (): void => undefined;
  const driverContext: DriverContext = { scratch, signal, progress: unheard, warn: unheard };
  const indexed = await driver.index(packages, from, action.packages.arch, driverContext);
  if (indexed.ok && isolated) mounts.push({ kind: "bind", from, to, readOnly: true });
  return indexed;
}

/** Makes the place of an output: for a file the directory that it is to appear in, for a tree its root. */
async function placeOutput(
  placing: Placing,
  output: PlacedOutput["output"],
): Promise<Result<Omit<PlacedOutput, "output">>> {
  const { dir, isolation, layout, mounts, overlays, staged, work } = placing;
  const to = join(work, outputPath(output));
  if (output.kind === "file") {
    stageDirectory(dirname(to));
    return ok({ path: to, parent: null });
  }
  const parent = staged.inputs.find(({ name }) => name === output.base)?.id;
  if (parent === undefined) {
    const made = makeTreeRoot(to, layout.manifests, null);
    return made.ok ? ok({ path: to, parent: null }) : made;
  }
  const layers = chainOf(placing, parent);
  if (!overlays) {
    const made = makeTreeRoot(to, layout.manifests, parent);
    if (!made.ok) return made;
    const what = { layersDir: layout.layers, layers, to, scratch: join(dir, "beneath") };
    const copied = await copyLayers(what, isolation);
    return copied.ok ? ok({ path: to, parent: null }) : copied;
  }
  const [upper, scratch] = [join(dir, "upper", output.name), join(dir, "overlay", output.name)];
  for (const path of [to, scratch]) stageDirectory(path);
  const made = makeTreeRoot(upper, layout.manifests, parent);
  if (!made.ok) return made;
  mounts.push({ kind: "overlay", layers, upper, work: scratch, to });
  return ok({ path: upper, parent });
}

/** The tree an action runs within, as its root directory; null where it has none. */
async function placeWithin(placing: Placing): Promise<Result<string | null>> {
  const { dir, isolation, layout, mounts, overlays, staged, work } = placing;
  const { network, within } = staged.action;
  if (within === null) return ok(null);
  const tree = staged.inputs.find(({ name }) => name === within)?.id;
  if (tree === undefined)
    return fail(Exit.failed, `${staged.action.id}: the tree to run within is not in the store`);
  const placed = await placeRoot({
    ...{ tree, layers: chainOf(placing, tree), layersDir: layout.layers, manifests: layout.manifests },
    ...{ isolation, overlays, dir, work, network },
  });
  if (!placed.ok) return placed;
  mounts.push(...placed.value.mounts);
  return ok(placed.value.root);
}

/** Lays the text of a recipe, and of what is beside it, into `.recipe`. */
function placeRecipe(work: string, command: Command): void {
  if (command.kind !== "recipe") return;
  stageDirectory(join(work, ".recipe"));
  const texts = { ...command.beside, [command.name]: command.text };
  for (const [name, text] of Object.entries(texts)) stageText(join(work, ".recipe", name), text);
  // A shell's recipe that has programs for node beside it finds the node that we run on.
  if (Object.keys(texts).some((name) => name.endsWith(".mjs")))
    symlinkSync(process.execPath, join(work, ".recipe", "node"));
}
