// An executor in another state directory, for tests: a process of its own (elsewhere-worker.ts) that does not see the first
// one, as if it were another machine. Actions go there as JSON; contents go by digest through a directory that both see, and
// only what is lacking goes.
import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ContentStore, Giving } from "../../cache/content-store.js";
import { copyAndHash } from "../../cache/copy.js";
import { DirectoryContents } from "../../cache/directory/contents.js";
import { Share } from "../../cache/directory/place.js";
import type { ArtifactId } from "../../cache/index.js";
import { packagePath } from "../../cache/packages.js";
import { fail, ok, unwrap, type Problem, type Result } from "../../engine/problem.js";
import type { Action } from "../../engine/model.js";
import type { Obstacles } from "../../engine/obstacles.js";
import type { Asked, Circumstance, Executor, Outcome, StagedAction } from "../../engine/execute/executor.js";

/** What the worker is asked; it answers each with the question's number. */
export type Question =
  | { readonly do: "obstacles"; readonly actions: readonly Action[]; readonly asked: Asked }
  | { readonly do: "prepare"; readonly needed: readonly Action[]; readonly toBuild: readonly Action[] }
  | { readonly do: "lacks"; readonly ids: readonly ArtifactId[] }
  | { readonly do: "execute"; readonly staged: StagedAction }
  /** Of an execution, by its question's number. */
  | { readonly do: "stop" | "kill"; readonly execution: number };

/** What an execution is answered with; what the action said is in base64. */
export interface Executed {
  readonly outcome: Outcome;
  readonly said: string;
}

const WORKER = fileURLToPath(new URL("./elsewhere-worker.js", import.meta.url));

/** Nothing is mounted or seen of the first state directory there. */
const HIDDEN = 'mount -t tmpfs -o mode=000 none "$1"; shift; exec "$@"';

/** What is known of the first machine. */
export interface Near {
  readonly contents: ContentStore;
  /** The directory of package files. */
  readonly packages: string;
  /** What the worker must not see. */
  readonly hidden: string;
}

/** The name of a package file as one of a content store. */
export const packageId = (sha256: string): ArtifactId => `f:${sha256}`;

/** All that has to be there for an action: its sources, its inputs, its packages. */
export const idsOf = ({ sources, inputs, packages }: StagedAction): ArtifactId[] => [
  ...new Set([
    ...sources.map(({ content }) => content).filter((content) => /^[fx]:/.test(content)),
    ...inputs.map(({ id }) => id),
    ...(packages ?? []).map(({ sha256 }) => packageId(sha256)),
  ]),
];

/** The side of it that is here. */
export class Elsewhere implements Executor {
  /** What went there so far. */
  readonly given: ArtifactId[] = [];
  readonly #answers = new Map<number, (value: unknown) => void>();
  #asked = 0;

  private constructor(
    private readonly near: Near,
    private readonly share: ContentStore,
    private readonly worker: ChildProcess,
  ) {
    if (worker.stdout === null) throw new Error("the worker has no stdout");
    createInterface(worker.stdout).on("line", (line) => {
      const { id, value } = JSON.parse(line) as { readonly id: number; readonly value: unknown };
      this.#answers.get(id)?.(value);
      this.#answers.delete(id);
    });
  }

  /** Starts it: its state directory and what both see lie in `dir`. */
  static async start(near: Near, dir: string): Promise<Elsewhere> {
    const [far, between] = [join(dir, "far"), join(dir, "between")];
    for (const path of [far, between]) mkdirSync(path, { recursive: true });
    const argv = ["--mount", "sh", "-euc", HIDDEN, "sh", near.hidden, process.execPath, WORKER, far, between];
    const worker = spawn("unshare", argv, { cwd: "/", stdio: ["pipe", "pipe", "inherit"] });
    return new Elsewhere(near, await contentsIn(between), worker);
  }

  /** Ends the worker, and waits for that. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.worker.once("close", () => resolve());
      this.worker.stdin?.end();
    });
  }

  async obstacles(actions: readonly Action[], asked: Asked): Promise<Obstacles> {
    return new Map((await this.#ask({ do: "obstacles", actions, asked })) as [string, Problem][]);
  }

  async prepare(needed: readonly Action[], toBuild: readonly Action[]): Promise<Result<readonly string[]>> {
    return (await this.#ask({ do: "prepare", needed, toBuild })) as Result<readonly string[]>;
  }

  async execute(staged: StagedAction, circumstance: Circumstance): Promise<Outcome> {
    const brought = await this.#bring(staged, join(circumstance.dir, "work"));
    if (!brought.ok) return { kind: "not-run", problem: brought.problem };
    const { signal, killSignal, log } = circumstance;
    if (signal.aborted) return { kind: "interrupted" };
    const execution = this.#asked;
    const stop = (): void => void this.#ask({ do: "stop", execution });
    const kill = (): void => void this.#ask({ do: "kill", execution });
    signal.addEventListener("abort", stop);
    killSignal.addEventListener("abort", kill);
    const { outcome, said } = (await this.#ask({ do: "execute", staged })) as Executed;
    signal.removeEventListener("abort", stop);
    killSignal.removeEventListener("abort", kill);
    appendFileSync(log, Buffer.from(said, "base64"));
    if (outcome.kind !== "made") return outcome;
    const fetched = await this.#fetch(staged, outcome.outputs);
    return fetched.ok ? outcome : { kind: "problem", problem: fetched.problem };
  }

  /** Lays what the worker lacks where it finds it. */
  async #bring(staged: StagedAction, work: string): Promise<Result<void>> {
    const lacking = (await this.#ask({ do: "lacks", ids: idsOf(staged) })) as ArtifactId[];
    for (const id of lacking) {
      const giving = await this.#giving(staged, work, id);
      if (!giving.ok) return giving;
      const problem = (await this.share.take([giving.value])).get(id);
      if (problem !== undefined) return { ok: false, problem };
      this.given.push(id);
    }
    return ok(undefined);
  }

  #giving(
    { inputs, sources, packages }: StagedAction,
    work: string,
    id: ArtifactId,
  ): Promise<Result<Giving>> {
    if (inputs.some((input) => input.id === id)) return this.near.contents.give(id);
    const source = sources.find(({ content }) => content === id);
    const file = packages?.find(({ sha256 }) => packageId(sha256) === id);
    if (source !== undefined) return Promise.resolve(ok(fileAt(id, join(work, source.path))));
    if (file !== undefined)
      return Promise.resolve(ok(fileAt(id, packagePath(this.near.packages, file.sha256))));
    return Promise.resolve(fail(3, `${id} is nothing that the action reads`));
  }

  /** Takes what was made. */
  async #fetch(
    { action, inputs }: StagedAction,
    outputs: Readonly<Record<string, ArtifactId>>,
  ): Promise<Result<void>> {
    for (const id of await this.near.contents.missing(Object.values(outputs))) {
      const giving = await this.share.give(id);
      if (!giving.ok) return giving;
      const output = action.outputs.find(({ name }) => outputs[name] === id);
      const base = output?.kind === "tree" ? output.base : null;
      const parent = inputs.find(({ name }) => name === base)?.id ?? null;
      const problem = (await this.near.contents.take([{ ...giving.value, parent }])).get(id);
      if (problem !== undefined) return { ok: false, problem };
    }
    return ok(undefined);
  }

  #ask(question: Question): Promise<unknown> {
    const id = this.#asked++;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.worker.stdin?.write(`${JSON.stringify({ id, ...question })}\n`);
    });
  }
}

/** What both sides see. */
export const contentsIn = async (dir: string): Promise<ContentStore> =>
  new DirectoryContents(unwrap(await Share.open(dir, `file://${dir}`, { readOnly: false, owners: null })));

function fileAt(id: ArtifactId, path: string): Giving {
  const copy: Giving["copy"] = async (files) => {
    for (const to of files.values()) {
      const copied = await copyAndHash(path, to);
      if (!copied.ok) return copied;
    }
    return ok(undefined);
  };
  return { id, size: statSync(path).size, manifest: null, parent: null, copy };
}
