// Executes actions on this machine, in this state directory: what they read is shown to them in namespaces of their
// own, and what they made is taken into the store. What this machine or user cannot carry out is said before.
import { appendFileSync, lstatSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import type { ArtifactRow } from "../../../cache/index.js";
import { writeIfPossible } from "../../../cache/io.js";
import { directoriesIn } from "../../../cache/layout.js";
import type { Action, Tool } from "../../model.js";
import type { Notice } from "../../notice.js";
import { type Obstacles, obstaclesOf } from "../../obstacles.js";
import { Exit, fail, ok, type Problem, type Result } from "../../problem.js";
import type { Failure } from "../../reason.js";
import { endedInPipe } from "../../shell.js";
import { missingTools } from "../../tools.js";
import type { Asked, Circumstance, Executor, Outcome, StagedAction } from "../executor.js";
import { refused } from "../guards.js";
import { bounded } from "./bounded-log.js";
import { markFailed, surroundings, type Surroundings } from "./failed-stage.js";
import { hiddenByMounts } from "./left-mounted.js";
import { canHoldTrees } from "./capability.js";
import { moreIds } from "./ids.js";
import { type KeepContext, keepOutputs } from "./keep.js";
import { place, type PlaceContext, type Placed } from "./place.js";
import { strippedText } from "./plain.js";
import { type Isolation, type Left, runJob } from "./sandbox.js";
import { toldBy } from "./outputs.js";
import { endedWithin } from "./within.js";

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
    const outcome = await this.#executePlaced(staged, placed.value, circumstance, since);
    if (circumstance.keep && outcome.kind !== "made" && outcome.kind !== "interrupted")
      this.#markFailed(staged, placed.value, outcome);
    return outcome;
  }

  async #executePlaced(
    staged: StagedAction,
    placed: Placed,
    circumstance: Circumstance,
    since: number,
  ): Promise<Exclude<Outcome, { kind: "not-run" }>> {
    const ran = await this.#run(staged, placed, circumstance);
    if (!("stripped" in ran)) return ran;
    const told = toldBy(staged.action, placed.work);
    const lost = [...strippedText(ran.stripped), ...told.losses];
    const hidden = hiddenByMounts(staged, placed.cwd, ran.mounts);
    const failure = hidden ?? refused(staged.action, lost) ?? (await this.#damagedSince(staged, since));
    if (failure !== null) return failure;
    // What comes after Ctrl-C is not published.
    if (circumstance.signal.aborted) return { kind: "interrupted" };
    const link = directoriesIn(this.context.layout).find(([path]) => isLink(path));
    if (link !== undefined) return stateReplaced(link[0]);
    const kept = await keepOutputs(this.context, staged, placed);
    if (kept.kind !== "made") return kept;
    const notices: readonly Notice[] = [...lost, ...told.warnings, ...kept.notices];
    return { ...kept, notices };
  }

  #seen(action: Action, placed: Placed): Surroundings {
    return surroundings(action, placed, this.context.layout.layers, devicesFor(action));
  }

  #markFailed(staged: StagedAction, placed: Placed, failure: Failure): void {
    const { action } = staged;
    const seen = this.#seen(action, placed);
    // On a full disk there is nothing to be kept.
    writeIfPossible(() => markFailed({ action: action.id, at: Date.now(), failure, seen }));
  }

  /** Places an action, and starts nothing: what its command would see. */
  async see(
    staged: StagedAction,
    where: Pick<Circumstance, "dir" | "signal">,
  ): Promise<Result<Surroundings>> {
    const damaged = await this.#damaged(staged);
    if (damaged !== null) return { ok: false, problem: damaged };
    const placed = await place({ ...this.context, overlays: this.#overlays }, staged, where);
    return placed.ok ? ok(this.#seen(staged.action, placed.value)) : placed;
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
      hint: "the next build makes it again",
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
  ): Promise<Failure | Left> {
    const running = runJob(
      {
        ...this.#seen(action, placed),
        ...{ argv: placed.argv, log },
        network: action.network,
        interactive: action.interactive,
        plain: plainIn(action, placed),
        timeoutMs: action.timeout === null ? null : action.timeout * 1000,
      },
      this.context.isolation,
      signal,
      killSignal,
    );
    const end = await bounded(log, running);
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

const isLink = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

/** Said of what was in order when the build began. */
function stateReplaced(path: string): Failure {
  const message = `${path} became a symbolic link while imagemake ran, and nothing is stored through it`;
  return {
    kind: "problem",
    problem: { exit: Exit.environment, message, hint: "put the directory back, and build again" },
  };
}

/** Where its outputs that are files may be. */
const plainIn = ({ collect }: Action, { outputs, work }: Placed): readonly string[] => [
  ...outputs.flatMap(({ output, path }) => (output.kind === "file" ? [relative(work, path)] : [])),
  ...(collect === null ? [] : [".", ".out"]),
];

/** Device nodes the action declared. IMAGEMAKE_ACCEL=tcg keeps KVM out of reach where it is no good. */
const devicesFor = ({ resources }: Action): readonly string[] =>
  devicesOf(resources.named.filter((name) => name !== "kvm" || process.env["IMAGEMAKE_ACCEL"] !== "tcg"));

// Whether this machine and this user can carry an action out: tools, a terminal, root or a user namespace with ids of many
// owners; and whether layers can be laid over their parents. It is asked before anything runs.

/** Node has no call for extended attributes. */
const TREE_TOOLS: readonly Tool[] = [{ name: "getfattr", package: "attr" }];

/** Exit 3 with what is lacking. */
function checkAbility(action: Action, isolation: Isolation): Result<void> {
  const tools = missingTools([...action.tools, ...(makesTree(action) ? TREE_TOOLS : [])]);
  if (!tools.ok) return tools;
  if (action.interactive && !process.stdin.isTTY)
    return fail(Exit.environment, "it asks a question, and there is no terminal");
  return checkPrivilege(action, isolation);
}

/** Exit 3 where this user may not. */
function checkPrivilege({ root, within }: Action, isolation: Isolation): Result<void> {
  if (isolation.kind === "process-groups") {
    if (root && process.getuid?.() !== 0)
      return fail(
        Exit.environment,
        "root is needed without isolation",
        "run it with sudo, or without --no-isolation",
      );
    return within === null
      ? ok(undefined)
      : fail(Exit.environment, "namespaces are needed to run within a tree", "run it without --no-isolation");
  }
  const alone = isolation.root === "user-namespace" && isolation.ids === "one";
  return alone && root
    ? fail(Exit.environment, "it makes files of many owners, and you have only one user id", moreIds())
    : ok(undefined);
}

/** Whether it makes a tree. */
const makesTree = ({ outputs }: Action): boolean => outputs.some(({ kind }) => kind === "tree");

/** Whether it writes over a tree that is there: as its root directory, or to make another of it. */
const needsLayers = ({ outputs, within }: Action): boolean =>
  within !== null || outputs.some((output) => output.kind === "tree" && output.base !== null);

// Which nodes of the host's /dev a named resource means. The standard nodes are init.pl's.

const NODES: Readonly<Record<string, RegExp>> = {
  kvm: /^kvm$/,
  loop: /^loop(-control|\d+(p\d+)?)$/,
  fuse: /^fuse$/,
};

/** Device nodes, as absolute paths, that go with an action's named resources, as far as the host has them. */
function devicesOf(named: readonly string[]): readonly string[] {
  const patterns = named.flatMap((name) => NODES[name] ?? []);
  if (patterns.length === 0) return [];
  return readdirSync("/dev")
    .filter((node) => patterns.some((pattern) => pattern.test(node)))
    .map((node) => join("/dev", node));
}
