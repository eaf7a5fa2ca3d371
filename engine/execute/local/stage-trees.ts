// Artifacts in a stage: files copied or bound, trees as mounts of their layers, and the directories that become outputs. It
// mounts nothing.
import { copyFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { layerChain, layerPath } from "../../../cache/layers.js";
import type { KeyInput } from "../../key.js";
import type { Output, TargetId } from "../../model.js";
import { undated } from "../../names.js";
import { fail, ok, type Result } from "../../problem.js";
import { copyLayers, copyTree } from "../../tree/copy.js";
import { makeTreeRoot } from "../../tree/seal.js";
import { requireFree, stageDirectory } from "../stage-source.js";
import type { Stage } from "../staged.js";
import { placeRoot } from "./within.js";

/** An input that lies in the stage. */
interface PlacedInput {
  readonly path: string;
  readonly key: KeyInput;
}

/** Puts what a target is where the action looks for it. */
export async function placeArtifact(
  stage: Stage,
  name: string,
  target: TargetId,
): Promise<Result<PlacedInput>> {
  const { decider, isolation, mounts, work } = stage;
  const { index, project, store } = decider.context;
  const id = decider.artifactOf(target);
  const row = id === undefined ? undefined : index.artifact(id);
  if (id === undefined || row === undefined) return fail(1, `${target} is not in the store`);
  const path = decider.stagePathOf(name, target);
  const key = { input: name, path, content: id };
  const to = join(work, path);
  const free = requireFree(work, path);
  if (!free.ok) return free;
  if (row.kind === "tree") {
    const layers = layerChain(id, (tree) => index.artifact(tree));
    const [only] = layers;
    if (isolation.kind === "process-groups" && only !== undefined && layers.length === 1) {
      stageDirectory(dirname(to));
      const copied = await copyTree(layerPath(project.layers, only), to, isolation);
      return copied.ok ? ok({ path, key }) : copied;
    }
    stageDirectory(to);
    mounts.push({ kind: "overlay", layers, upper: null, work: null, to });
    return ok({ path, key });
  }
  stageDirectory(dirname(to));
  const placed = store.place(id, to);
  if (!placed.ok) return placed;
  if (placed.value.kind === "bind") {
    if (isolation.kind === "namespaces")
      mounts.push({ kind: "bind", from: placed.value.path, to, readOnly: true });
    else copyFileSync(placed.value.path, to);
  }
  return ok({ path, key });
}

/** Makes the place of an output: for a file the directory that it is to appear in, for a tree its root. */
export async function stageOutput(
  stage: Stage,
  output: Exclude<Output, { kind: "verdict" }>,
): Promise<Result<{ variable: string; path: string; parent: string | null }>> {
  const { action, decider, dir, isolation, mounts, overlays, work } = stage;
  if (output.kind === "file") {
    const variable = join(".out", undated(output.pattern));
    stageDirectory(dirname(join(work, variable)));
    return ok({ variable, path: join(work, variable), parent: null });
  }
  const { index, project } = decider.context;
  const variable = join(".out", output.name);
  const to = join(work, variable);
  const base = action.inputs.find((input) => input.name === output.base);
  const parent = base?.kind === "artifact" ? decider.artifactOf(base.target) : undefined;
  if (parent === undefined) {
    const made = makeTreeRoot(to, project.manifests, null);
    return made.ok ? ok({ variable, path: to, parent: null }) : made;
  }
  const layers = layerChain(parent, (tree) => index.artifact(tree));
  if (!overlays) {
    const made = makeTreeRoot(to, project.manifests, parent);
    if (!made.ok) return made;
    const what = { layersDir: project.layers, layers, to, scratch: join(dir, "beneath") };
    const copied = await copyLayers(what, isolation);
    return copied.ok ? ok({ variable, path: to, parent: null }) : copied;
  }
  const [upper, scratch] = [join(dir, "upper", output.name), join(dir, "overlay", output.name)];
  for (const path of [to, scratch]) stageDirectory(path);
  const made = makeTreeRoot(upper, project.manifests, parent);
  if (!made.ok) return made;
  mounts.push({ kind: "overlay", layers, upper, work: scratch, to });
  return ok({ variable, path: upper, parent });
}

/** The tree an action runs within, as its root directory; null where it has none. */
export async function stageRoot(stage: Stage, inputs: KeyInput[]): Promise<Result<string | null>> {
  const { action, decider, dir, isolation, mounts, overlays, work } = stage;
  if (action.within === null) return ok(null);
  const { index, project } = decider.context;
  const input = action.inputs.find(({ name }) => name === action.within);
  const tree = input?.kind === "artifact" ? decider.artifactOf(input.target) : undefined;
  if (tree === undefined) return fail(1, `${action.id}: the tree to run within is not in the store`);
  const placed = await placeRoot({
    tree,
    layers: layerChain(tree, (id) => index.artifact(id)),
    layersDir: project.layers,
    manifests: project.manifests,
    isolation,
    overlays,
    dir,
    work,
    network: action.network,
  });
  if (!placed.ok) return placed;
  mounts.push(...placed.value.mounts);
  inputs.push({ input: action.within, path: "", content: tree });
  return ok(placed.value.root);
}
