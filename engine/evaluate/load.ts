// Evaluates an Imagefile: loads it, records what it read, and turns its exports into the graph. This is where whatever
// an Imagefile throws becomes a problem.
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf, problemIn } from "../../cache/io.js";
import { adviceFor } from "../../cache/limits.js";
import type { Graph } from "../model.js";
import { asError, Exit, fail, ok, stop, type Result } from "../problem.js";
import { importHint } from "./engine-module.js";
import { askedFor, resetArgs, setArgs } from "./args.js";
import { blame } from "./blame.js";
import { collect } from "./collect.js";
import type { Reads } from "./fresh.js";
import { placeInStack } from "./frames.js";
import { place, setImagefileDirectory, short } from "./place.js";
import { loadModules, type Exports } from "./modules.js";
import { replace, undoAll, type Undo } from "./patch.js";
import { Recorder } from "./record.js";
import { track } from "./track.js";

export interface EvaluateOptions {
  /** The Imagefile, absolute. */
  readonly file: string;
  /** VAR=value words of the command line. They are in `process.env` while the Imagefile is evaluated. */
  readonly args: Readonly<Record<string, string>>;
  /** What `import … from "imagemake"` gives; the running engine's rules unless said. */
  readonly engine?: () => Promise<object>;
  /** Directory that keeps transpiled modules, which spares loading babel (100 ms); none unless said. */
  readonly cache?: string;
  /** Told of what was read, where that came to nothing. */
  readonly broken?: (reads: Reads) => void;
}

/** The graph, and what it depends on outside the engine. */
export interface Evaluation {
  readonly graph: Graph;
  readonly reads: Reads;
}

const running: { last: Promise<unknown> } = { last: Promise.resolve() };

/** Evaluates; one at a time, since what it listens to is the process's. Every problem but those of the machine has exit status 2. */
export function evaluate(options: EvaluateOptions): Promise<Result<Evaluation>> {
  const next = running.last.then(() => evaluateNow(options));
  running.last = next.catch(() => undefined);
  return next;
}

async function evaluateNow(options: EvaluateOptions): Promise<Result<Evaluation>> {
  const { file, args } = options;
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    const what = found === undefined ? "there is no such Imagefile" : "not a file";
    return fail(
      Exit.usage,
      `${short(file)}: ${what}`,
      "`imagemake init` makes one; -C DIR or -f FILE names another",
    );
  }
  const engine = await (options.engine ?? runningEngine)();
  const recorder = new Recorder(place(file, 1));
  const undos: Undo[] = [];
  prepare(args, undos);
  setImagefileDirectory(dirname(file));
  try {
    const exports = await track(recorder, () =>
      settled(
        loadModules(file, {
          engine,
          cache:
            options.cache === undefined
              ? null
              : { dir: options.cache, quietly: (work) => recorder.quietly(work) },
          onModule: (path) => recorder.module(path),
          onSearch: (path, use) => recorder.file(path, use),
        }),
      ),
    );
    const asked = askedFor();
    for (const name of Object.keys(asked)) recorder.asked(name, process.env[name]);
    const graph = collect(exports, { dir: dirname(file), where: whereIn(file), args: asked });
    return ok({ graph, reads: recorder.reads() });
  } catch (thrown) {
    // What the machine lacks is no fault of the Imagefile's, wherever it was noticed.
    const lacking = adviceFor(codeOf(thrown), null) === undefined ? null : problemIn(thrown);
    const hint = importHint(thrown, engine);
    const problem = lacking ?? { ...blame(thrown, file), ...(hint === undefined ? {} : { hint }) };
    options.broken?.(recorder.reads());
    return { ok: false, problem };
  } finally {
    undoAll(undos);
    resetArgs();
    setImagefileDirectory(null);
  }
}

const runningEngine = (): Promise<object> => import("../../targets/index.js");

/** The line of an export, where it is written as most are; an export has no place of its own at run time. */
const whereIn = (file: string) => (name: string) => {
  const written =
    name === "default" ? "default" : String.raw`(?:const|let|var|(?:async )?function|class) ${name}`;
  const lines = readFileSync(file, "utf8").split("\n");
  const line = lines.findIndex((text) => new RegExp(String.raw`^\s*export ${written}\b`).test(text));
  return line < 0 ? short(file) : place(file, line + 1);
};

/** Frames between a mistake and the Imagefile, at most; node keeps ten. */
const STACK = 60;

/** What holds while an Imagefile is evaluated, with its undoing. */
function prepare(args: Readonly<Record<string, string>>, undos: Undo[]): void {
  resetArgs();
  setArgs(args);
  for (const [name, value] of Object.entries(args)) {
    const before = process.env[name];
    process.env[name] = value;
    undos.push(() => {
      if (before === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = before;
    });
  }
  undos.push(replace(Error, "stackTraceLimit", STACK));
  const back = process.cwd();
  undos.push(() => process.chdir(back));
  refuseExit();
  // Standard output is for data: `pxe-all-print` in a script must not read what an Imagefile says.
  for (const name of ["log", "info", "debug"]) {
    undos.push(replace(console, name, (...words: unknown[]) => console.error(...words)));
  }
  const talk: unknown = Reflect.get(process.stderr, "write");
  const write = (...words: unknown[]): unknown =>
    typeof talk === "function" ? Reflect.apply(talk, process.stderr, words) : false;
  undos.push(replace(process.stdout, "write", write));
}

/**
 * An Imagefile does not end the program: that would be in silence, and with its own status. For good, since what it
 * started may call long after it was evaluated. Others, as we ourselves, may.
 */
function refuseExit(): void {
  for (const name of ["exit", "abort", "reallyExit", "kill"] as const) {
    const original: unknown = Reflect.get(process, name);
    if (typeof original !== "function" || refusing.has(original)) continue;
    const instead = (...words: unknown[]): unknown => {
      const at = placeInStack();
      if (at === null || (name === "kill" && !killsUs(words))) return Reflect.apply(original, process, words);
      const hint = "throw an error to refuse; an export that is left out is no target";
      return stop(Exit.usage, `${at}: process.${name}() in an Imagefile: it may not end imagemake`, hint);
    };
    refusing.add(instead);
    replace(process, name, instead);
  }
}
const refusing = new WeakSet<object>();

/** Whether a signal goes to this process, or to the group that it may be in; 0 only asks. */
const killsUs = ([pid, signal]: readonly unknown[]): boolean =>
  signal !== 0 && [process.pid, -process.pid, 0, -1].includes(Number(pid));

/**
 * The exports, once nothing of the evaluation is left that was going to fail: a rejection that the Imagefile
 * does not await, and an await that can never end, are its mistakes too.
 */
async function settled(loading: Promise<Exports>): Promise<Exports> {
  const { promise, reject } = deferred();
  const never = (): void => reject(new Error("an await in it never ends"));
  for (const event of MISTAKES) process.on(event, reject);
  process.on("beforeExit", never);
  try {
    const exports = await Promise.race([loading, promise]);
    await Promise.race([new Promise((resolve) => setImmediate(resolve)), promise]);
    return exports;
  } finally {
    for (const event of MISTAKES) process.off(event, reject);
    process.off("beforeExit", never);
  }
}

/** What nobody catches, in a promise or in a timer. */
const MISTAKES = ["unhandledRejection", "uncaughtException"] as const;

function deferred(): { promise: Promise<never>; reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<never>((_, no) => {
    reject = (reason) => no(asError(reason));
  });
  // Nobody may be waiting for it any more.
  promise.catch(() => undefined);
  return { promise, reject };
}
