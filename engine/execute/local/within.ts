// The root directory of an action that runs within a tree: the tree's layers beneath one of the action's own, which
// takes whatever is written and goes with the stage.
import { chmodSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactId } from "../../../cache/index.js";
import { ioProblem } from "../../../cache/io.js";
import type { Action } from "../../model.js";
import { ok, type Result } from "../../problem.js";
import { emulatedCpu } from "../../tools.js";
import { copyLayers } from "../../tree/copy.js";
import { makeTreeRoot } from "../../tree/seal.js";
import type { Isolation, Mount } from "./sandbox.js";

/** Where an isolated action sees its working directory, on every machine: a name that no system has. */
export const WORK_INSIDE = "/imagemake";

/** A tree to run within. Paths absolute. */
export interface WithinRequest {
  readonly tree: ArtifactId;
  /** Its layers, topmost first, as names relative to `layersDir`. */
  readonly layers: readonly string[];
  readonly layersDir: string;
  readonly manifests: string;
  readonly isolation: Isolation;
  /** Whether the stage can carry an overlay's upper directory; without, the tree is copied. */
  readonly overlays: boolean;
  /** The action's directory in the stage, and its working directory in there. */
  readonly dir: string;
  readonly work: string;
  readonly network: boolean;
}

/** The root directory, and what has to be mounted for it, after everything that is mounted in the working directory. */
export interface Within {
  readonly root: string;
  readonly mounts: readonly Mount[];
}

/** Prepares the root. Mount points are real directories of the action's own, whatever links the tree has there. */
export async function placeRoot(request: WithinRequest): Promise<Result<Within>> {
  const { layers, layersDir, isolation, dir } = request;
  const root = join(dir, "root");
  const copied = !request.overlays;
  const [upper, work] = copied ? [root, null] : [join(dir, "upper", "root"), join(dir, "overlay", "root")];
  const made = makeTreeRoot(upper, request.manifests, request.tree);
  if (!made.ok) return made;
  if (copied) {
    const what = { layersDir, layers, to: root, scratch: join(dir, "beneath") };
    const copy = await copyLayers(what, isolation);
    if (!copy.ok) return copy;
  }
  try {
    if (work !== null) for (const path of [root, work]) mkdirSync(path, { recursive: true });
    makeOwn(upper, request.network);
  } catch (error) {
    return ioProblem(`make ${upper}`, error);
  }
  const bind = (from: string, to: string): Mount => ({
    ...{ kind: "bind", from, to: join(root, to), readOnly: false, recursive: true },
  });
  const overlay: readonly Mount[] = work === null ? [] : [{ kind: "overlay", layers, upper, work, to: root }];
  // The private /proc and /dev of the action's namespaces.
  const mounts = [...overlay, bind("/proc", "proc"), bind("/dev", "dev"), bind(request.work, WORK_INSIDE)];
  return ok({ root, mounts });
}

/** What every root has: mount points, an empty /tmp, and with network the host's name servers. */
function makeOwn(upper: string, network: boolean): void {
  for (const [name, mode] of [
    ["proc", 0o555],
    ["dev", 0o755],
    ["tmp", 0o1777],
    [WORK_INSIDE, 0o755],
  ] as const) {
    makeDir(join(upper, name), mode);
  }
  if (!network) return;
  makeDir(join(upper, "etc"), 0o755);
  const file = join(upper, "etc", "resolv.conf");
  const servers = readFileSync("/etc/resolv.conf");
  rmSync(file, { force: true });
  writeFileSync(file, servers);
  chmodSync(file, 0o644);
}

function makeDir(path: string, mode: number): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() !== true) {
    rmSync(path, { force: true });
    mkdirSync(path);
  }
  chmodSync(path, mode);
}

/** Processors whose programs the tree holds and this machine does not run itself, as QEMU calls them. */
export const emulatedIn = (action: Action): readonly string[] =>
  action.within === null ? [] : action.tools.flatMap(({ name }) => emulatedCpu(name) ?? []);

/** What a person has to know who sees how a command within a tree ended; null where that says enough. */
export function endedWithin(action: Action, status: number): string | null {
  const input = action.inputs.find(({ name }) => name === action.within);
  if (input?.kind !== "artifact") return null;
  const where = `this runs within the tree ${input.target}`;
  if (status === 127)
    return `${where}: what was not found has to be in that tree, because the host's programs are not visible there`;
  return status === 126 ? `${where}, which has a program that this machine cannot start` : null;
}
