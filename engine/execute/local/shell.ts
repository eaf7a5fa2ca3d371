// A shell where an action's command runs, with what that sees; or in a tree, on a layer that is thrown away.
import { join } from "node:path";
import type { ArtifactId } from "../../../cache/index.js";
import { layerChain } from "../../../cache/layers.js";
import type { Action } from "../../model.js";
import { Exit, fail, ok, type Problem, type Result } from "../../problem.js";
import { ACTION_PATH, emulatedCpu } from "../../tools.js";
import type { LocalContext } from "./executor.js";
import type { Surroundings } from "./failed-stage.js";
import { removeTree } from "./remove.js";
import { type Isolation, runJob } from "./sandbox.js";
import { placeRoot } from "./within.js";

/** How it is to be. */
export interface ShellOptions {
  /** Run by sh in its place; null for a person's shell. */
  readonly command: string | null;
  readonly network: boolean;
  /** What it says before each line. */
  readonly prompt: string;
}

/** bash where there is one: nothing of the person's own is read, so that it is the same for everybody. */
const START = "if command -v bash >/dev/null; then exec bash --noprofile --norc -i; else exec sh -i; fi";

/** What a shell on a terminal has to know of it. */
const TERMINAL = ["TERM", "COLORTERM", "COLUMNS", "LINES"] as const;

/** Runs it to its end, on the terminal or whatever is in its place. Returns its exit status. */
export async function runShell(
  seen: Surroundings,
  isolation: Isolation,
  { command, network, prompt }: ShellOptions,
): Promise<Result<number>> {
  for (const mount of seen.mounts) {
    if (mount.kind !== "overlay" || mount.work === null) continue;
    // A volatile overlay's note that it was mounted keeps it from being mounted again (Documentation/filesystems/overlayfs.rst).
    const removed = await removeTree(join(mount.work, "work"));
    if (!removed.ok) return removed;
  }
  const terminal = TERMINAL.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const end = await runJob(
    {
      ...seen,
      argv: ["/bin/sh", "-c", command ?? START],
      env: { ...seen.env, ...Object.fromEntries(terminal), PS1: prompt, HISTFILE: "" },
      // It speaks to the terminal.
      log: "/dev/null",
      ...{ network, interactive: true, timeoutMs: null },
    },
    isolation,
    new AbortController().signal,
  );
  switch (end.kind) {
    case "exited":
      return ok(end.status);
    case "problem":
      return { ok: false, problem: gone(end.problem) };
    default:
      return fail(Exit.failed, `the shell was ended by ${end.kind === "signal" ? end.signal : end.kind}`);
  }
}

/** What it reads may have been removed since. */
const gone = (problem: Problem): Problem => ({
  hint: "what it reads may be gone from the store, with cache gc for example: build it again",
  ...problem,
});

/** Prepares a tree as a root directory; `dir` is a stage of its own, `work` the directory in there to work in. What is written there stays in that. */
export async function seenInTree(
  { index, layout, isolation }: LocalContext,
  tree: ArtifactId,
  { tools }: Action,
  dir: string,
  work: string,
  network: boolean,
): Promise<Result<Surroundings>> {
  if (isolation.kind === "process-groups")
    return fail(Exit.environment, "a shell in a tree needs namespaces", "run it without --no-isolation");
  const placed = await placeRoot({
    ...{ tree, layers: layerChain(tree, (id) => index.artifact(id)), layersDir: layout.layers },
    ...{ manifests: layout.manifests, isolation, overlays: true, dir, work, network },
  });
  if (!placed.ok) return placed;
  const { root, mounts } = placed.value;
  return ok({
    ...{ stage: dir, root, cwd: "/", mounts, layersDir: layout.layers },
    emulated: tools.flatMap(({ name }) => emulatedCpu(name) ?? []),
    env: { PATH: ACTION_PATH, HOME: "/root", LC_ALL: "C.UTF-8", TZ: "UTC" },
  });
}
