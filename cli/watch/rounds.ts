// One round of building after another, in one process: the evaluated graph stays in memory while nothing that evaluation
// read has changed, and a round decides only what changed inputs reach (engine/known.ts). It watches nothing.
import { cwd } from "node:process";
import { knownPath } from "../../cache/layout.js";
import { build } from "../../engine/build/build.js";
import type { Session } from "../../engine/build/session.js";
import type { Emit } from "../../engine/events.js";
import { readsChanged, type Reads } from "../../engine/evaluate/fresh.js";
import type { Earlier } from "../../engine/known.js";
import type { TargetId } from "../../engine/model.js";
import { Exit, fail, ok, type Problem, type Result } from "../../engine/problem.js";
import { lookUp, quickFile, type QuickWords } from "../../engine/quick.js";
import { saveRecord } from "../../engine/record.js";
import { buildOptions, keepSpace, runOptions, sharedOf } from "../building.js";
import type { Call } from "../call.js";
import { noteUnsnapshottable } from "../display.js";
import { openImagefile, type Opened } from "../open.js";
import { settingFiles } from "../settings.js";
import { isPrint, oneDate, select } from "../select.js";

/** Who follows the rounds. */
export interface Follower {
  /** An Imagefile was read, with or without success; `graph` is null without. */
  readonly evaluated: (opened: Opened | null, reads: Reads) => void;
  /** All is decided that will be, before anything runs. */
  readonly decided: (session: Session) => void;
  /** What is to be built beside what was named. */
  readonly also: (opened: Opened) => Promise<Result<readonly TargetId[]>>;
}

/** How a round ended. */
export interface Round {
  readonly exit: number;
  readonly problem: Problem | null;
  readonly session: Session | null;
  /** A later look can find it all as it is now; false while something changed too lately to be believed. */
  readonly settled: boolean;
}

/** What is wanted of an opened Imagefile. */
interface Wanted {
  readonly opened: Opened;
  readonly targets: readonly TargetId[];
  readonly datecode: string | null;
}

/** The rounds of one command line. */
export class Rounds {
  #opened: Opened | null = null;
  /** What was read last, with or without success. */
  #read: Reads | null = null;
  #forced: boolean;
  #first = true;

  constructor(
    private readonly call: Call<"watch">,
    private readonly follower: Follower,
  ) {
    this.#forced = call.options.alwaysMake === true;
  }

  /** Builds what is out of date. The index is closed when it is over: nothing is held between rounds. */
  async next(emit: Emit, signal: AbortSignal, killSignal: AbortSignal): Promise<Round> {
    const wanted = await this.#wanted();
    if (!wanted.ok)
      return { exit: wanted.problem.exit, problem: wanted.problem, session: null, settled: true };
    const { opened, targets, datecode } = wanted.value;
    if (this.#first) noteUnsnapshottable(opened, emit);
    // What the first round stood on nobody looked at here: where to watch would not be known.
    const earlier = this.#first ? null : this.#earlier(opened);
    const { call, follower } = this;
    const options = { ...call, options: { ...call.options, alwaysMake: this.#forced } };
    const end = await build({
      ...runOptions(
        options,
        opened,
        { wanted: targets, datecode, earlier },
        emit,
        await sharedOf(call, opened, emit, true),
      ),
      ...buildOptions(call),
      signal,
      killSignal,
      decided: follower.decided,
    });
    const { session, problem, exit } = end;
    if (session !== null && problem === null) {
      this.#first = false;
      this.#forced = false;
    }
    let settled = true;
    try {
      if (session !== null && problem !== null) follower.decided(session);
      const words = this.#words();
      await keepSpace(call, opened.project, end);
      if (
        session !== null &&
        exit === Exit.done &&
        !end.interrupted &&
        words !== null &&
        opened.digest !== null
      )
        settled = saveRecord(
          session,
          opened.reads,
          opened.digest,
          words,
          settingFiles(opened.project, call.settings),
        );
    } finally {
      session?.index.close();
    }
    return { exit, problem, session, settled };
  }

  async #wanted(): Promise<Result<Wanted>> {
    const { call } = this;
    const opened = await this.#open();
    if (!opened.ok) return opened;
    const also = await this.follower.also(opened.value);
    if (!also.ok) return also;
    const { graph } = opened.value;
    const named = call.names.length > 0 || also.value.length === 0;
    const selection = named ? select(graph, call.names) : ok({ targets: [], datecode: null, print: false });
    if (!selection.ok) return selection;
    if (call.names.some(isPrint)) return fail(Exit.usage, "-print lists names, and watch builds");
    const datecode = oneDate(selection.value.datecode, opened.value.datecode);
    if (!datecode.ok) return datecode;
    const targets = [...new Set([...selection.value.targets, ...also.value])];
    return ok({ opened: opened.value, targets, datecode: datecode.value });
  }

  /** The graph of an earlier round, while it is the same, or the Imagefile opened anew. */
  async #open(): Promise<Result<Opened>> {
    const { call } = this;
    const before = this.#opened;
    const { reads } = before ?? {};
    if (before !== null && reads?.unsnapshottable.length === 0 && readsChanged(reads, call.args) === null) {
      // A broken one in between has read something else.
      if (this.#read !== reads) this.#evaluated(before, reads);
      return ok(before);
    }
    const opened = await openImagefile(call.options, call.args, true, (read) => this.#evaluated(null, read));
    if (!opened.ok) return opened;
    const same = before !== null && before.digest === opened.value.digest;
    // What is known of a graph hangs on it: the same one is kept.
    this.#opened = same ? { ...before, reads: opened.value.reads } : opened.value;
    this.#evaluated(this.#opened, opened.value.reads);
    return ok(this.#opened);
  }

  #evaluated(opened: Opened | null, reads: Reads): void {
    this.#read = reads;
    this.follower.evaluated(opened, reads);
  }

  /** The words of a build of the same: a record of the one counts for the other. */
  #words(): QuickWords | null {
    const { options, names, args } = this.call;
    const file = options.file ?? "Imagefile.ts";
    if (file.includes("/")) return null;
    const words = [...names, ...Object.entries(args).map(([name, value]) => `${name}=${value}`)];
    return { dir: ".", file, question: false, silent: false, plain: false, words };
  }

  /** What the round before found, held against what is there now. */
  #earlier({ project, digest }: Opened): Earlier | null {
    const words = this.#words();
    if (words === null || digest === null) return null;
    const back = cwd();
    try {
      process.chdir(project.dir);
      const looked = lookUp(project.graphs, words, Date.now(), back);
      const file = knownPath(quickFile(project.graphs, words.file, words.words));
      return looked === null ? null : { looked, file, graph: digest };
    } finally {
      process.chdir(back);
    }
  }
}
