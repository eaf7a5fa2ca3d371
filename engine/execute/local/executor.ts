// Executes actions on this machine, in this state directory: what they read is shown to them in namespaces of their own, and
// what they made is taken into the store.
import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import type { ArtifactRow } from "../../../cache/index.js";
import type { Action } from "../../model.js";
import type { Notice } from "../../notice.js";
import { obstaclesOf, type Obstacles } from "../../obstacles.js";
import { Exit, ok, type Problem, type Result } from "../../problem.js";
import type { Failure } from "../../reason.js";
import { endedInPipe } from "../../shell.js";
import type { Asked, Circumstance, Executor, Outcome, StagedAction } from "../executor.js";
import { refused } from "../guards.js";
import { checkAbility, checkPrivilege, makesTree, needsLayers } from "./ability.js";
import { canHoldTrees } from "./capability.js";
import { devicesOf } from "./devices.js";
import { keepOutputs, type KeepContext } from "./keep.js";
import { place, type PlaceContext, type Placed } from "./place.js";
import { strippedText } from "./plain.js";
import { runJob } from "./sandbox.js";
import type { Stripped } from "./started.js";
import { toldBy } from "./told.js";
import { emulatedIn, endedWithin } from "./within.js";

/** A state directory, opened, and how actions are kept apart in it. */
export type LocalContext = Omit<PlaceContext, "overlays"> & KeepContext;

/** The executor of a state directory; whoever uses it has its lock. */
export class LocalExecutor implements Executor {
  #overlays = true;

  constructor(private readonly context: LocalContext) {}

  obstacles(actions: readonly Action[], asked: Asked): Promise<Obstacles> {
    const check = asked === "able" ? checkAbility : checkPrivilege;
    return obstaclesOf(actions, (action) => check(action, this.context.isolation));
  }

  /** Finds out whether layers can be laid over their parents; where not, trees are copied. */
  async prepare(needed: readonly Action[], toBuild: readonly Action[]): Promise<Result<readonly string[]>> {
    const layered = needed.some(needsLayers);
    if (toBuild.length === 0 || (!layered && !toBuild.some(makesTree))) return ok([]);
    const { stage } = this.context.layout;
    const able = await canHoldTrees(stage, this.context.isolation, layered);
    if (!able.ok) return able;
    const { overlays, because } = able.value;
    this.#overlays = overlays;
    return ok(layered && !overlays ? [`no overlays in ${stage}, so trees are copied (${because})`] : []);
  }

  async execute(staged: StagedAction, circumstance: Circumstance): Promise<Outcome> {
    const since = performance.now();
    const damaged = await this.#damaged(staged);
    if (damaged !== null) return { kind: "not-run", problem: damaged };
    const placed = await place({ ...this.context, overlays: this.#overlays }, staged, circumstance);
    if (!placed.ok) return { kind: "not-run", problem: placed.problem };
    const ran = await this.#run(staged, placed.value, circumstance);
    if (!("stripped" in ran)) return ran;
    const told = toldBy(staged.action, placed.value.work);
    const lost = [...strippedText(ran.stripped), ...told.losses];
    const failure = refused(staged.action, lost) ?? (await this.#damagedSince(staged, since));
    if (failure !== null) return failure;
    // What comes after Ctrl-C is not published.
    if (circumstance.signal.aborted) return { kind: "interrupted" };
    const kept = await keepOutputs(this.context, staged, placed.value);
    if (kept.kind !== "made") return kept;
    const notices: readonly Notice[] = [...lost, ...told.warnings, ...kept.notices];
    return { ...kept, notices };
  }

  /** What is not whole of what the action is going to read. */
  async #damaged(staged: StagedAction): Promise<Problem | null> {
    const found = await this.#firstDamaged(staged);
    if (!found.ok) return found.problem;
    if (found.value === null) return null;
    const { id, kind } = found.value;
    return {
      exit: Exit.environment,
      message: `the ${kind} ${id} in the store is damaged`,
      hint: "the next build makes it anew",
    };
  }

  /** A failure when something that an action read was damaged while it ran, also if it is as it was again; `since` is of performance.now(). */
  async #damagedSince(staged: StagedAction, since: number): Promise<Failure | null> {
    const found = await this.#firstDamaged(staged, since);
    if (!found.ok) return { kind: "problem", problem: found.problem };
    if (found.value === null) return null;
    const { id, kind } = found.value;
    const message = `the ${kind} ${id} was damaged in the store while it was read`;
    const hint = "the next build makes anew what read it, and what is still damaged";
    return { kind: "problem", problem: { exit: Exit.environment, message, hint } };
  }

  async #firstDamaged({ inputs }: StagedAction, since?: number): Promise<Result<ArtifactRow | null>> {
    for (const { id } of inputs) {
      const damaged = await this.context.whole.damagedIn(id, since);
      if (!damaged.ok || damaged.value !== null) return damaged;
    }
    return ok(null);
  }

  async #run(
    { action }: StagedAction,
    placed: Placed,
    { log, signal, killSignal }: Circumstance,
  ): Promise<Failure | { readonly stripped: readonly Stripped[] }> {
    const { dir, work, root, cwd, argv, env, mounts } = placed;
    const end = await runJob(
      {
        stage: dir,
        ...(root !== null
          ? { root, emulated: emulatedIn(action) }
          : cwd === work
            ? {}
            : { place: { from: work, to: cwd } }),
        ...{ cwd, layersDir: this.context.layout.layers, argv, env, log, mounts },
        network: action.network,
        interactive: action.interactive,
        devices: devicesFor(action),
        plain: plainIn(action, placed),
        timeoutMs: action.timeout === null ? null : action.timeout * 1000,
      },
      this.context.isolation,
      signal,
      killSignal,
    );
    switch (end.kind) {
      case "exited": {
        const inText = action.command.kind === "shell" ? endedInPipe(end.status) : null;
        for (const why of [endedWithin(action, end.status), inText])
          if (why !== null) appendFileSync(log, `imagemake: ${why}\n`);
        return end.status === 0 ? end : { kind: "exit", status: end.status };
      }
      case "signal":
        return { kind: "signal", signal: end.signal };
      case "timeout":
        return { kind: "timeout", seconds: action.timeout ?? 0 };
      case "interrupted":
        return { kind: "interrupted" };
      case "problem":
        return end;
    }
  }
}

/** Where its outputs that are files may be. */
const plainIn = ({ collect }: Action, { outputs, work }: Placed): readonly string[] => [
  ...outputs.flatMap(({ output, path }) => (output.kind === "file" ? [relative(work, path)] : [])),
  ...(collect === null ? [] : [".", ".out"]),
];

/** Device nodes the action declared. IMAGEMAKE_ACCEL=tcg keeps KVM out of reach where it is no good. */
const devicesFor = ({ resources }: Action): readonly string[] =>
  devicesOf(resources.named.filter((name) => name !== "kvm" || process.env["IMAGEMAKE_ACCEL"] !== "tcg"));
