// `imagemake shell TARGET`: a shell where the target's action failed, or where its command would run, or in the tree that
// it is.
import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import { stageOf } from "../../cache/layout.js";
import { hereOf } from "../../engine/build/here.js";
import { keptOf } from "../../engine/build/kept.js";
import { openSession, type Session } from "../../engine/build/session.js";
import { LocalExecutor, type LocalContext } from "../../engine/execute/local/executor.js";
import type { FailedStage, Surroundings } from "../../engine/execute/local/failed-stage.js";
import { runShell, seenInTree } from "../../engine/execute/local/shell.js";
import { argvOf } from "../../engine/execute/stage-command.js";
import { makeStage, removeStage, stageAction } from "../../engine/execute/stage.js";
import type { Action, TargetId } from "../../engine/model.js";
import { Exit, fail, ok, unwrap, type Result } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { lastMade, warnIfOld } from "../boot/artifact.js";
import type { Call } from "../call.js";
import { actionOf, judge } from "../look.js";
import { openImagefile, runOf } from "../open.js";
import { describeFailure } from "../render/reason.js";
import { visible } from "../render/visible.js";
import { formatWhen } from "../render/when.js";
import { oneDate, select } from "../select.js";
import { warn, whileLocked } from "../state.js";

/** The exit status is the shell's. */
export async function command(call: Call<"shell">): Promise<number> {
  const { options } = call;
  const opened = unwrap(await openImagefile(options, call.args, true));
  const selection = unwrap(select(opened.graph, call.names));
  const action = unwrap(actionOf(opened.graph, selection.targets));
  const datecode = unwrap(oneDate(selection.datecode, opened.datecode));
  const run = runOf(opened, { wanted: selection.targets, datecode, isolated: options.isolation });
  return whileLocked(call, opened.project, async () => {
    // What is staged anew is noted in the index.
    const session = unwrap(openSession(run, options.fresh !== true));
    const [target = action.id] = selection.targets;
    return unwrap(await enter(new Shell(call, session, action, target)));
  });
}

/** Where it starts: as the action was left, staged anew, or in the tree. */
async function enter(shell: Shell): Promise<Result<number>> {
  const { action, call, session } = shell;
  const { fresh, tree } = call.options;
  if (fresh === true && tree === true)
    return fail(Exit.usage, "--fresh and --tree are two places", "name one of them");
  if (fresh === true) return shell.fresh();
  const kept = tree === true ? null : keptOf(session.options.project, session.index, action.id);
  return kept === null ? shell.inTree() : shell.whereItFailed(kept);
}

class Shell {
  constructor(
    readonly call: Call<"shell">,
    readonly session: Session,
    readonly action: Action,
    private readonly target: TargetId,
  ) {}

  whereItFailed({ at, failure, seen }: FailedStage): Promise<Result<number>> {
    const when = formatWhen(at, Date.now());
    this.#tell(
      `${this.action.id} as it was left at ${when}: ${describeFailure(failure)}`,
      commandIn(this.action),
      "the next build of it removes what is here",
    );
    return this.#start(seen);
  }

  /** Stages the action as a build would, and removes that afterwards. */
  async fresh(): Promise<Result<number>> {
    const { action, session } = this;
    const lacking = session.decider.lacks(action);
    // What it reads is known only where it was decided.
    const judgements = await judge(session);
    const unbuilt = [...lacking, ...this.#unbuilt(judgements)];
    if (unbuilt.length > 0)
      return fail(
        Exit.usage,
        `${action.id} reads what is not here: ${unbuilt.join(", ")}`,
        `imagemake ${unbuilt.join(" ")} builds it`,
      );
    return this.#inStage(async (build, here) => {
      const { signal } = session.options;
      const staged = await stageAction(session.decider, action, build, judgements.get(action.id) ?? null);
      if (!staged.ok) return staged;
      const executor = new LocalExecutor(here);
      const ready = await executor.prepare([action], [action]);
      if (!ready.ok) return ready;
      const seen = await executor.see(staged.value.action, { dir: staged.value.dir, signal });
      if (seen.ok)
        this.#tell(`${action.id} before its command; what is made here is removed and is part of no output`);
      return seen;
    });
  }

  /** Inputs that were never made, or would be made anew. */
  #unbuilt(judgements: Awaited<ReturnType<typeof judge>>): readonly TargetId[] {
    const relations = relationsOf(this.session.options.graph);
    return this.action.inputs.flatMap((input) => {
      const maker = input.kind === "artifact" ? relations.producer(input.target) : undefined;
      return maker !== undefined && judgements.get(maker.id)?.made === null && input.kind === "artifact"
        ? [input.target]
        : [];
    });
  }

  async inTree(): Promise<Result<number>> {
    const { action, session, target } = this;
    const made = lastMade(session, await judge(session), target);
    const last = session.index.lastBuild(session.options.project.line, action.id);
    const anew = `--fresh stages it anew, without running its command; with --keep-failed=always what fails is kept`;
    if (!made.ok)
      return last?.status === "failed"
        ? fail(Exit.usage, `${action.id} failed, and its stage was not kept`, anew)
        : made;
    const { row } = made.value;
    if (row.kind !== "tree")
      return fail(
        Exit.usage,
        last?.status === "failed"
          ? `${action.id} failed, and its stage was not kept`
          : `${target} is a file, and did not fail: there is nothing to enter`,
        anew,
      );
    warnIfOld(target, made.value);
    return this.#inStage(async (build, here) => {
      const dir = stageOf(session.options.project, build);
      const work = makeStage(dir);
      this.#tell(`the tree ${target}; what is written here is thrown away`);
      return seenInTree(here, row.id, action, dir, work, this.call.options.network === true);
    });
  }

  /** In a stage that is removed afterwards. */
  async #inStage(
    place: (build: string, here: LocalContext) => Promise<Result<Surroundings>>,
  ): Promise<Result<number>> {
    const { project } = this.session.options;
    const here = await hereOf(this.session);
    if (!here.ok) return here;
    const build = `${Date.now().toString(36)}-${randomBytes(4).toString("hex")}`;
    try {
      const seen = await place(build, here.value);
      return seen.ok ? await this.#run(seen.value, here.value) : seen;
    } finally {
      for (const { message } of await removeStage(project, stageOf(project, build), null)) warn(message);
    }
  }

  async #start(seen: Surroundings): Promise<Result<number>> {
    const here = await hereOf(this.session);
    return here.ok ? this.#run(seen, here.value) : here;
  }

  async #run(seen: Surroundings, here: LocalContext): Promise<Result<number>> {
    const { command = null, network = false, dryRun } = this.call.options;
    if (dryRun === true) return ok(Exit.done);
    const prompt = `[${visible(this.target)}] \\w \\$ `;
    return withoutInterrupts(() => runShell(seen, here.isolation, { command, network, prompt }));
  }

  #tell(...lines: readonly string[]): void {
    if (this.call.options.quiet !== true) warn(lines.join("\n  "));
  }
}

/** What the action runs, in the words of the Imagefile: what they stand for may be secret. */
function commandIn({ command, within }: Action): string {
  const text = command.kind === "shell" ? command.text : argvOf(command, { within }).join(" ");
  const lines = text.trimEnd().split("\n").map(visible);
  return lines.length > 1 ? ["its command:", ...lines].join("\n    ") : `its command: ${lines.join("")}`;
}

/** Ctrl-C is the shell's, and what runs in it. */
async function withoutInterrupts<T>(work: () => Promise<T>): Promise<T> {
  const names = [
    "SIGINT",
    "SIGQUIT",
    "SIGTSTP",
  ] as const satisfies readonly (keyof typeof constants.signals)[];
  const none = (): void => undefined;
  for (const name of names) process.on(name, none);
  try {
    return await work();
  } finally {
    for (const name of names) process.off(name, none);
  }
}
