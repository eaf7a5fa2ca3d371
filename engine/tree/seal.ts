// Makes an artifact of the tree that an action left: sealed, guarded, stored as one layer. It writes no row and
// removes nothing from the stage.
import { chmodSync, existsSync, lchownSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactId, ArtifactRow } from "../../cache/index.js";
import { ioProblem } from "../../cache/io.js";
import {
  layerPath,
  MAX_LAYERS,
  storedChain,
  storedLayer,
  storeLayer,
  type Form,
} from "../../cache/layers.js";
import { digestOf } from "../../cache/store.js";
import { reached } from "../../cache/steps.js";
import type { Failure } from "../reason.js";
import { inUserNamespace } from "../execute/local/ids.js";
import { removeTree } from "../execute/local/remove.js";
import type { Isolation } from "../execute/local/sandbox.js";
import type { Guards } from "../model.js";
import type { Notice } from "../notice.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { readRootEntry } from "./manifest.js";
import { flatten, runSeal, stampLayer, type Inside } from "./run-seal.js";
import type { Sealed, SealRequest } from "./seal-layer.js";

/** A finished tree, and where it is to go. Paths absolute. */
export interface TreeRequest {
  readonly project: { readonly layers: string; readonly manifests: string };
  readonly isolation: Isolation;
  /** The layer; the whole tree where there is no parent. Taken away by rename. */
  readonly upper: string;
  readonly parent: ArtifactId | null;
  /** SOURCE_DATE_EPOCH, in seconds. */
  readonly epoch: number;
  readonly guards: Guards;
  /** Name of the output, for messages. */
  readonly output: string;
  /** A directory of the stage; what is left in it goes with the stage. */
  readonly scratch: string;
}

/** The row of the tree, with what a person should know, or why it is no artifact. */
export type SealedTree =
  | {
      readonly row: ArtifactRow;
      readonly notices: readonly Notice[];
      /** It was in the store before, and the layer that lies there was kept. */
      readonly kept: boolean;
    }
  | { readonly failure: Failure };

/** Seals, checks and stores. Nothing appears in the store unless everything went well. */
export async function sealTree(request: TreeRequest): Promise<SealedTree> {
  const form = formOf(request.isolation);
  const sealed = await runSeal(layerOf(request, form), insideOf(request.isolation));
  if (!sealed.ok) return { failure: { kind: "problem", problem: sealed.problem } };
  const [broken] = sealed.value.broken;
  if (broken !== undefined) {
    const message = sealed.value.broken.length === 1 ? broken : sealed.value.broken.join("; ");
    return { failure: { kind: "guard", output: request.output, message } };
  }
  reached("sealed", request.output);
  const row = await store(request, sealed.value, form);
  return row.ok
    ? { ...row.value, notices: sealed.value.notices }
    : { failure: { kind: "problem", problem: row.problem } };
}

/** The form of layers that actions make under this isolation. */
export const formOf = (isolation: Isolation): Form => {
  const real = isolation.kind === "namespaces" ? isolation.root === "real" : process.getuid?.() === 0;
  return real ? "root" : "user";
};

/** What brings a program to where such layers' owners look as they do inside the tree. */
export const insideOf = (isolation: Isolation): Inside =>
  isolation.kind === "namespaces" && isolation.root === "user-namespace"
    ? inUserNamespace(isolation.ids)
    : [];

const layerOf = ({ upper, parent, project, epoch, guards }: TreeRequest, form: Form): SealRequest => ({
  upper,
  parent: parent === null ? null : digestOf(parent),
  manifests: project.manifests,
  epoch,
  form,
  guards,
});

async function store(
  request: TreeRequest,
  sealed: Sealed,
  form: Form,
): Promise<Result<{ readonly row: ArtifactRow; readonly kept: boolean }>> {
  const { project, parent } = request;
  const tree = `t:${sealed.digest}`;
  const beneath = parent === null ? null : storedLayer(project.layers, parent, form);
  const flat = beneath !== null && beneath.depth >= MAX_LAYERS;
  const upper = flat
    ? await flattened(request, storedChain(project.layers, beneath), sealed.digest)
    : ok(request.upper);
  if (!upper.ok) return upper;
  const stored = await storeLayer(
    project.layers,
    upper.value,
    { tree, parent: flat ? null : parent, form },
    removeTree,
  );
  if (!stored.ok) return stored;
  const { layer, parent: on } = stored.value;
  const row = { id: tree, kind: "tree", size: sealed.bytes, layer, parent: on, form } as const;
  // A layer that is taken is taken by rename.
  return ok({ row, kept: existsSync(upper.value) });
}

/** One directory that shows what the layer shows on a chain that is as long as chains get. */
async function flattened(
  request: TreeRequest,
  chain: readonly string[],
  digest: string,
): Promise<Result<string>> {
  const { project, isolation, scratch, upper } = request;
  const form = formOf(isolation);
  const into = join(scratch, "flat");
  const copied = await flatten(
    {
      layersDir: project.layers,
      layers: [upper, ...chain],
      userxattr: form === "user",
      mountPoint: join(scratch, "merged"),
      into,
    },
    insideOf(isolation),
  );
  if (!copied.ok) return copied;
  // cp says nothing about an attribute that it could not copy: the digest does.
  const look = { upper: into, parent: null, manifests: project.manifests, epoch: null, form, guards: {} };
  const copy = await runSeal(look, insideOf(isolation));
  if (!copy.ok) return copy;
  return copy.value.digest === digest
    ? ok(into)
    : fail(Exit.environment, `the copy of the tree in ${upper} is not the same tree`);
}

/** Digests a stored tree again: whether its layer still shows what its id promises. */
export async function verifyTree(
  project: TreeRequest["project"],
  row: Pick<ArtifactRow, "id" | "layer" | "parent">,
  isolation: Isolation,
): Promise<Result<boolean>> {
  if (row.layer === null) return ok(false);
  const look = {
    upper: layerPath(project.layers, row.layer),
    parent: row.parent === null ? null : digestOf(row.parent),
    manifests: project.manifests,
    epoch: null,
    form: formOf(isolation),
    guards: {},
  };
  const inside = insideOf(isolation);
  const looks = await stampLayer(look.upper, inside);
  if (!looks.ok || looks.value.hidden) return looks.ok ? ok(false) : looks;
  const seen = await runSeal(look, inside);
  return seen.ok ? ok(seen.value.digest === digestOf(row.id)) : seen;
}

/**
 * Makes the directory for a new tree or layer. Overlay shows the root of the topmost layer, so that a layer must
 * begin with its parent's: mode, and owner where that may be set; without a parent 0755.
 */
export function makeTreeRoot(dir: string, manifests: string, parent: ArtifactId | null): Result<void> {
  const beneath = parent === null ? ok(null) : readRootEntry(manifests, digestOf(parent));
  if (!beneath.ok) return beneath;
  try {
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, beneath.value?.mode ?? 0o755);
    const { uid, gid } = beneath.value ?? { uid: 0, gid: 0 };
    const now = lstatSync(dir);
    if (process.getuid?.() === 0 && (now.uid !== uid || now.gid !== gid)) {
      lchownSync(dir, uid, gid);
      // Changing the owner takes special bits away.
      chmodSync(dir, beneath.value?.mode ?? 0o755);
    }
    return ok(undefined);
  } catch (error) {
    return ioProblem(`make ${dir}`, error);
  }
}
