// `imagemake watch [targets]`: builds, and builds again whenever an input of these targets, or the Imagefile, changes.
// Nothing is held while it waits: no lock, no database.
import type { Session } from "../../engine/build/session.js";
import type { BuildEvent, Emit } from "../../engine/events.js";
import type { TargetId } from "../../engine/model.js";
import { Exit, ok, type Problem, ProblemError, type Result, stop } from "../../engine/problem.js";
import { projectOf } from "../../engine/project.js";
import { relationsOf } from "../../engine/relations.js";
import { Interests } from "../../engine/watch/interests.js";
import { Watcher } from "../../engine/watch/watcher.js";
import type { Call } from "../call.js";
import { displayOf, filesOf, progressOf } from "../display.js";
import { type Interrupts, listen } from "../interrupts.js";
import type { Opened } from "../open.js";
import { combine, type Renderer } from "../render/index.js";
import { Guest } from "../watch/guest.js";
import { type Round, Rounds } from "../watch/rounds.js";
import { type Cause, Telling } from "../watch/telling.js";

/** After Ctrl-C, and where an input of it changed, an action has so long to end by itself. Milliseconds. */
const GRACE_MS = 500;

/** A digest is believed once a file has not changed for this long; then all is looked at again, in silence. Milliseconds. */
const SETTLED_MS = 3200;

/** Builds until it is interrupted. */
export async function command(call: Call<"watch">): Promise<number> {
  const { options } = call;
  if (options.dryRun === true)
    stop(
      Exit.usage,
      "watch builds, and -n is for a single look",
      "imagemake -n TARGET says what would be built",
    );
  const progress = options.json === true ? "json" : options.progress;
  const files = await filesOf(call);
  const watching = new Watching({ ...call, options: { ...options, progress } }, files);
  return watching.run();
}

/** A round that is under way. */
interface Running {
  readonly stop: AbortController;
  readonly kill: AbortController;
  /** Actions that run. */
  readonly actions: Set<TargetId>;
}

class Watching {
  readonly #interests: Interests;
  readonly #watcher = new Watcher({
    hint: (path) => this.#hinted(path),
    failed: (problem) => this.#lost(problem),
  });
  readonly #hints = new Hints(() => this.#quiet());
  readonly #rounds: Rounds;
  readonly #guest: Guest | null;
  readonly #releases = new Set<string>();
  readonly #interrupts: Interrupts;
  #terminal: Renderer | null = null;
  #running: Running | null = null;
  /** Resolves a wait for something to happen. */
  #wake: () => void = () => undefined;
  /** Why watching cannot go on. */
  #problem: Problem | null = null;
  #opened: Opened | null = null;
  #graph: string | null = null;
  #wasRead = false;
  /** Whether anything was told since it was told that it watches. */
  #hasTold = false;
  /** Whether an action of the graph asks a person, who has to have the terminal. */
  #asks = false;
  /** Whether it is watched already where the inputs of the graph are. */
  #isNew = true;

  constructor(
    private readonly call: Call<"watch">,
    private readonly files: readonly Renderer[],
  ) {
    const { directory = process.cwd(), file = "Imagefile.ts", boot } = call.options;
    this.#interests = new Interests(projectOf(directory, file));
    this.#guest = boot === undefined ? null : new Guest(call, boot, (event) => this.#emit(event));
    this.#rounds = new Rounds(call, {
      evaluated: (opened, reads) => this.#evaluated(opened, reads),
      decided: (session) => this.#decided(session),
      also: (opened) => this.#also(opened),
    });
    this.#interrupts = listen((status) => {
      this.#close();
      process.exit(status);
    }, GRACE_MS);
    this.#interrupts.signal.addEventListener("abort", () => this.#wake());
  }

  async run(): Promise<number> {
    const { poll } = this.call.options;
    const polling = poll === undefined ? undefined : setInterval(() => this.#look(), poll * 1000);
    try {
      let cause: Cause = { paths: null, since: Date.now(), told: false, meant: true };
      for (;;) {
        const round = await this.#round(cause);
        const status = this.#interrupts.status();
        if (status !== null) return status;
        if (round.problem !== null && cause.paths === null && this.#isFinal(round))
          throw new ProblemError(round.problem);
        if (round.exit === Exit.done && round.session !== null) await this.#guest?.show(round.session);
        cause = await this.#next(round, cause);
        const late = this.#interrupts.status();
        if (late !== null) return late;
        if (this.#problem !== null) throw new ProblemError(this.#problem);
      }
    } finally {
      clearInterval(polling);
      await this.#guest?.end();
      this.#interrupts.close();
      this.#close();
      await this.#watcher.close();
    }
  }

  async #round(cause: Cause): Promise<Round> {
    const running: Running = {
      stop: new AbortController(),
      kill: new AbortController(),
      actions: new Set(),
    };
    this.#running = running;
    await this.#show();
    const telling = new Telling(this.#emit, cause, this.#releases);
    const emit: Emit = (event) => {
      if (event.type === "started") running.actions.add(event.target);
      else if (event.type === "built" || event.type === "failed") running.actions.delete(event.target);
      telling.event(event);
    };
    const { signal, kill } = this.#interrupts;
    try {
      const round = await this.#rounds.next(
        emit,
        AbortSignal.any([signal, running.stop.signal]),
        AbortSignal.any([kill, running.kill.signal]),
      );
      // What was stopped begins anew, whatever it came to.
      if (running.stop.signal.aborted) return { ...round, problem: null };
      if (this.#interrupts.status() !== null) return round;
      if (round.problem !== null) {
        telling.begin();
        if (cause.paths !== null || !this.#isFinal(round))
          this.#emit({ type: "blocked", problem: round.problem, at: Date.now() });
      }
      telling.end();
      return round;
    } finally {
      this.#running = null;
    }
  }

  /** Waits for the next round: until an input has changed and it is quiet, or what was fresh can be believed. */
  async #next(round: Round, before: Cause): Promise<Cause> {
    const stopped = this.#stoppedFor;
    this.#stoppedFor = null;
    await this.#watch();
    if (this.#hasTold && stopped === null && this.#hints.size === 0)
      this.#emit({ type: "watching", inputs: this.#interests.size, at: Date.now() });
    if (stopped === null) {
      const silent = round.settled || !before.meant;
      const settle = silent ? undefined : setTimeout(() => this.#wake(), SETTLED_MS);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#problem !== null || this.#interrupts.status() !== null) resolve();
        else this.#hints.again();
      });
      this.#wake = () => undefined;
      clearTimeout(settle);
    }
    const hinted = this.#hints.size > 0;
    const since = hinted ? performance.timeOrigin + this.#hints.since : Date.now();
    const taken = this.#take();
    const inputs = taken.filter((path) => this.#interests.isInput(path));
    const names = new Set([...(stopped ?? []), ...inputs.map((path) => this.#interests.name(path))]);
    const added = taken.filter((path) => !this.#interests.isInput(path));
    return {
      paths: [...names, ...added.map((path) => this.#interests.name(path))],
      since: Math.min(since, Date.now()),
      told: stopped !== null,
      meant: inputs.length > 0 || stopped !== null,
    };
  }

  /** What changed while a round ran and was stopped for it, as it was told of. */
  #stoppedFor: readonly string[] | null = null;

  /** Watches where something can happen now, and notices what happened before that. */
  async #watch(): Promise<void> {
    if (this.call.options.poll === undefined) await this.#watcher.follow(this.#interests.directories());
    this.#look();
  }

  /** Notices what changed, seen or unseen. */
  #look(): void {
    for (const path of this.#interests.changed()) this.#hinted(path);
  }

  #hinted(path: string): void {
    if (this.#interests.concerns(path)) this.#hints.add(path);
  }

  /** It has been quiet: a round begins, or one is stopped that works with what has changed. */
  #quiet(): void {
    const running = this.#running;
    if (running === null) {
      this.#wake();
      return;
    }
    const paths = [...this.#hints.paths];
    const { imagefile, actions } = this.#interests.concerned(paths);
    const reached = this.#opened === null ? actions : relationsOf(this.#opened.graph).dependents(actions);
    const stopped = [...running.actions].filter((id) => imagefile || reached.has(id));
    if (stopped.length === 0 || running.stop.signal.aborted) return;
    const names = this.#take().map((path) => this.#interests.name(path));
    this.#stoppedFor = names;
    this.#emit({ type: "changed", paths: names, stopped, at: Date.now() });
    running.stop.abort();
    setTimeout(() => running.kill.abort(), GRACE_MS).unref();
  }

  #take(): string[] {
    const taken = this.#hints.take();
    this.#interests.seen(taken);
    return taken;
  }

  #lost(problem: Problem): void {
    this.#problem = problem;
    this.#running?.stop.abort();
    this.#wake();
  }

  /** Whether waiting does not help: the command line is wrong, or the machine lacks something. */
  #isFinal({ problem, session }: Round): boolean {
    return (
      problem?.exit === Exit.environment || !this.#wasRead || (this.#opened !== null && session === null)
    );
  }

  #evaluated(opened: Opened | null, reads: Opened["reads"]): void {
    if (opened !== null && opened.digest !== this.#graph) {
      this.#graph = opened.digest;
      this.#isNew = true;
      this.#interests.forgetActions();
    }
    this.#wasRead = true;
    this.#opened = opened ?? this.#opened;
    this.#interests.ofImagefile(reads);
  }

  /** What the guest is made of; and the display that the graph asks for, before anything of it is told. */
  async #also(opened: Opened): Promise<Result<readonly TargetId[]>> {
    const asks = opened.graph.actions.some(({ interactive }) => interactive);
    if (asks !== this.#asks) {
      this.#asks = asks;
      await this.#show();
    }
    return (await this.#guest?.inputs(opened)) ?? ok([]);
  }

  #decided(session: Session): void {
    this.#interests.ofSession(session);
    if (!this.#isNew) return;
    this.#isNew = false;
    void this.#watch();
  }

  /** A terminal's display is over with its round: the next has another. */
  async #show(): Promise<void> {
    // Of lines of JSON the first says what they are, once.
    if (this.#terminal !== null && this.call.options.progress === "json") return;
    this.#terminal?.close();
    this.#terminal = await displayOf(this.call, progressOf(this.call, this.#guest !== null || this.#asks));
  }

  readonly #emit: Emit = (event: BuildEvent) => {
    this.#hasTold = event.type !== "watching";
    this.#terminal?.event(event);
    combine(this.files).event(event);
  };

  #close(): void {
    this.#terminal?.close();
    combine(this.files).close();
  }
}

// Hints until there is a quiet moment: who saves a file, or checks out a branch, does it in many small steps.

/** After the last hint, and at most after the first while there are more and more. Milliseconds. */
const [QUIET_MS, LONG_MS] = [30, 1000];

/** Paths that something happened to. */
class Hints {
  readonly #paths = new Set<string>();
  #first = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `quiet`: called when it has been quiet; what is not taken then stays. */
  constructor(private readonly quiet: () => void) {}

  add(path: string): void {
    const now = performance.now();
    if (this.#paths.size === 0) this.#first = now;
    this.#paths.add(path);
    this.#wait(Math.max(0, Math.min(QUIET_MS, this.#first + LONG_MS - now)));
  }

  /** Tells soon, once more, of what was not taken. */
  again(): void {
    if (this.#paths.size > 0) this.#wait(QUIET_MS);
  }

  #wait(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.quiet(), milliseconds);
  }

  /** When the first of them came; of `performance.now`. */
  get since(): number {
    return this.#first;
  }

  get size(): number {
    return this.#paths.size;
  }

  get paths(): ReadonlySet<string> {
    return this.#paths;
  }

  /** What has come, which is done with now. */
  take(): string[] {
    clearTimeout(this.#timer);
    const taken = [...this.#paths];
    this.#paths.clear();
    return taken;
  }
}
