// Answers for one action: up to date, restore, or build, and why, as data. It compares the key with the
// index and the artifacts with the store and the output directory. It runs nothing and changes nothing
// but the links' stamps.
import { join } from "node:path";
import type { ArtifactId, ArtifactRow, BuildRow, Component } from "../cache/index.js";
import { reached } from "../cache/steps.js";
import { digestOf, fileId } from "../cache/store.js";
import { keyFactsOf, type FactContext } from "./key-facts.js";
import { componentsOf, keyOf, unisolated, type KeyFacts } from "./key.js";
import { History } from "./history.js";
import { DEFAULT_EPOCH, type Action, type Graph, type TargetId } from "./model.js";
import { undated, withDate } from "./names.js";
import { Out } from "./out.js";
import { Exit, fail, ok, type Result } from "./problem.js";
import type { Produced } from "./produced.js";
import { Products } from "./products.js";
import { relationsOf, type Relations } from "./relations.js";
import type { ReleasedArtifact, Verdict } from "./release/record.js";
import type { BuildReason, Decision, RestoreReason } from "./reason.js";
import { Presence, type PresenceContext } from "./presence.js";
import { Whole } from "./whole.js";

/** What deciding needs; the same for a whole run. */
export interface DecideContext extends FactContext, PresenceContext {
  readonly graph: Graph;
  /** -B: build what is wanted, whatever is known. */
  readonly force: boolean;
  /** False with --no-isolation. */
  readonly isolated: boolean;
  /** Failing verdicts that stand, of all releases. */
  readonly rejected: readonly Verdict[];
}

/** A decision, and what it rests on. `key` and the facts that it is made of are null while an input is pending. */
export interface Judgement {
  readonly decision: Decision;
  readonly key: string | null;
  readonly facts: KeyFacts | null;
  /** What is known to be made, where the decision is not to build. Outputs that nothing links may be absent. */
  readonly made: Produced | null;
  /** A person brought the artifact: what lies beneath it in the graph is not needed for it. */
  readonly adopted?: boolean;
}

/** Decides action after action, in build order; remembers what each produced. */
export class Decider {
  readonly #required = new Set<TargetId>();
  readonly #origins = new Map<TargetId, Promise<Result<string>>>();
  readonly #relations: Relations;
  /** How many targets have an output name. */
  readonly #patterns = new Map<string, number>();

  readonly #presence: Presence;
  /** Where file outputs are linked. */
  readonly out: Out;
  /** What the store holds, looked at before it is read. */
  readonly whole: Whole;
  /** What is published, to compare with. */
  readonly history: History;
  /** What each action made. */
  readonly products: Products;

  constructor(readonly context: DecideContext) {
    this.#relations = relationsOf(context.graph);
    this.products = new Products(this.#relations);
    this.out = new Out(context.project);
    this.whole = new Whole(context);
    this.#presence = new Presence(context, this.whole);
    this.history = new History({ ...context, products: this.products });
    for (const { pattern, linked } of context.graph.targets) {
      if (pattern !== null && linked) this.#patterns.set(pattern, (this.#patterns.get(pattern) ?? 0) + 1);
    }
  }

  /** The artifact behind a target; undefined while it is not known. */
  artifactOf(target: TargetId): ArtifactId | undefined {
    return this.products.artifactOf(target);
  }

  /** Somebody needs what an action made: known outputs that are not here do not do. */
  require(action: TargetId): void {
    this.#required.add(action);
  }

  /** Names of known outputs that the store does not hold. */
  absent(outputs: Readonly<Record<string, ArtifactId>>): string[] {
    return this.#presence.absent(outputs);
  }

  /** The inputs of an action that are known and not here. */
  lacks(action: Action): TargetId[] {
    return action.inputs.flatMap((input) => {
      const id = input.kind === "artifact" ? this.artifactOf(input.target) : undefined;
      return input.kind === "artifact" && id !== undefined && this.absent({ id }).length > 0
        ? [input.target]
        : [];
    });
  }

  /** What is damaged of what an action reads, as far as that is known and here. */
  async damagedInputs({ inputs }: Action): Promise<Result<ArtifactRow[]>> {
    const found: ArtifactRow[] = [];
    for (const input of inputs) {
      const id = input.kind === "artifact" ? this.artifactOf(input.target) : undefined;
      const damaged = id === undefined ? ok(null) : await this.whole.damagedIn(id);
      if (!damaged.ok) return damaged;
      if (damaged.value !== null) found.push(damaged.value);
    }
    return ok(found);
  }

  /** The target that one output of an action is. */
  targetOf(action: Action, output: string): TargetId {
    return this.#relations.targetOf(action.id, output) ?? action.id;
  }

  /**
   * The files an action's file outputs are linked to. Not what nobody but a rule gave a name (the squashfs of every
   * ISO, say), nor inner targets that share one.
   */
  outPaths(action: Action): { readonly output: string; readonly path: string }[] {
    return action.outputs.flatMap((output) =>
      output.kind === "file" &&
      this.#relations.target(this.targetOf(action, output.name))?.linked === true &&
      this.#patterns.get(output.pattern) === 1
        ? [
            {
              output: output.name,
              path: join(this.context.project.out, withDate(output.pattern, this.context.datecode)),
            },
          ]
        : [],
    );
  }

  /** The decision for one action; everything it reads must have been decided before. */
  async decide(action: Action): Promise<Result<Judgement>> {
    const adopted = this.context.force ? ok(null) : await this.#adopted(action);
    if (!adopted.ok) return adopted;
    if (adopted.value !== null) return ok(adopted.value);
    const problem = this.context.pins.refusal(action);
    if (problem !== undefined) return ok(judge({ kind: "build", reason: { kind: "unresolvable", problem } }));
    const waiting = this.products.waitedFor(action);
    if (waiting.length > 0) {
      const otherwise = await this.#whyNotAdopted(action);
      if (!otherwise.ok) return otherwise;
      const reason = otherwise.value ?? { kind: "input-pending", targets: waiting };
      return ok(judge({ kind: "build", reason }));
    }
    const facts = await this.keyFacts(action);
    if (!facts.ok) return facts;
    const components = this.#counting(componentsOf(action, facts.value));
    const key = keyOf(components);
    this.history.has(action.id, key);
    reached("decided", action.id);
    if (this.context.force) return ok(judge({ kind: "build", reason: { kind: "forced" } }, key, facts.value));
    const result = this.context.index.resultOf(key);
    if (result === undefined) {
      const reason = await this.#whyBuild(action, key, components);
      return reason.ok ? ok(judge({ kind: "build", reason: reason.value }, key, facts.value)) : reason;
    }
    const outputs = this.context.index.outputsOf(result.id);
    const rejected = this.rejected(action, outputs);
    if (rejected !== null) return ok(judge({ kind: "build", reason: rejected }, key, facts.value));
    if (await this.context.pins.isUnchecked(action))
      return ok(judge({ kind: "build", reason: { kind: "unchecked" } }, key, facts.value));
    const lost = this.#lost(action, outputs);
    const reason = lost === null ? await this.#whyRestore(action, outputs, result, components) : null;
    const gone =
      lost ?? (reason === null ? null : await this.#presence.damaged(outputs, reason.kind === "edited"));
    if (gone !== null) {
      const target = this.targetOf(action, gone);
      return ok(judge({ kind: "build", reason: { kind: "artifact-lost", target } }, key, facts.value));
    }
    return ok({
      decision: reason === null ? { kind: "up-to-date" } : { kind: "restore", reason },
      key,
      facts: facts.value,
      made: { outputs, epoch: result.epoch, build: result.id },
    });
  }

  /**
   * The judgement of an action that was planned, where nothing happened since that could make it another: what it reads
   * came out as it was then, what it was to be built for nobody else has built, and what was made is here.
   */
  stillHolds(action: Action, judged: Judgement): boolean {
    const { decision, key, made } = judged;
    if (key === null || this.products.isNew(action)) return false;
    if (made !== null) return this.absent(made.outputs).length === 0;
    return (
      decision.kind === "build" &&
      (decision.reason.kind === "forced" || this.context.index.resultOf(key) === undefined)
    );
  }

  /** The components of a judgement's key; none while an input is pending. */
  componentsIn(action: Action, { facts, key }: Pick<Judgement, "facts" | "key">): readonly Component[] {
    if (facts === null) return [];
    const components = componentsOf(action, facts);
    return this.context.isolated || keyOf(components) === key ? components : unisolated(components);
  }

  /** What was made in isolation counts without, too; not the other way round. */
  #counting(components: Component[]): Component[] {
    const { force, index, isolated } = this.context;
    if (isolated) return components;
    const known = !force && index.resultOf(keyOf(components)) !== undefined;
    return known ? components : unisolated(components);
  }

  /** The facts of an action's key; its inputs' artifacts must be known. */
  keyFacts(action: Action): Promise<Result<KeyFacts>> {
    return keyFactsOf(
      this.context,
      this,
      action,
      (target) => {
        const artifact = this.artifactOf(target);
        return artifact === undefined
          ? fail(Exit.failed, `${action.id}: ${target} is not there yet`)
          : ok(artifact);
      },
      (target) => this.products.epochOf(target),
    );
  }

  /**
   * What an action is made from, whatever of it is there: a key in which inputs are not what was produced but again
   * what they are made from. Versions of tools do not count.
   */
  originOf(action: Action): Promise<Result<string>> {
    let found = this.#origins.get(action.id);
    if (found === undefined) {
      found = this.#origin(action);
      this.#origins.set(action.id, found);
    }
    return found;
  }

  async #origin(action: Action): Promise<Result<string>> {
    const facts = await keyFactsOf(
      this.context,
      this,
      action,
      async (target) => {
        const made = this.#relations.producer(target);
        if (made === undefined) return fail(Exit.usage, `${action.id}: nothing makes ${target}`);
        const origin = await this.originOf(made);
        return origin.ok ? ok(`o:${origin.value}`) : origin;
      },
      // Its origin says what dates it.
      () => 0,
    );
    return facts.ok ? ok(keyOf(componentsOf(action, { ...facts.value, tools: {} }))) : facts;
  }

  /** The epoch of what neither packages nor artifacts date, and of what a person brought; in seconds. */
  plainEpoch(): number {
    return this.context.graph.project.epoch ?? DEFAULT_EPOCH;
  }

  /** Where an artifact lies in the stage: `in/<NAME>/<file>`, a tree at `in/<NAME>`. */
  stagePathOf(name: string, target: TargetId): string {
    const pattern = this.#relations.target(target)?.pattern;
    return pattern === null || pattern === undefined ? join("in", name) : join("in", name, undated(pattern));
  }

  /** A person's failing verdict on one of these outputs. */
  rejected(action: Action, outputs: Readonly<Record<string, ArtifactId>>): BuildReason | null {
    for (const [output, id] of Object.entries(outputs)) {
      const word = this.context.rejected.find(({ digest }) => digest === digestOf(id));
      if (word !== undefined)
        return { kind: "rejected", target: this.targetOf(action, output), because: word.because };
    }
    return null;
  }

  /**
   * Name of the first output that the store does not hold as promised. Of what nothing here promises (another machine
   * made it) it is enough to know what it was, unless it is linked, or somebody needs it.
   */
  #lost(action: Action, outputs: Readonly<Record<string, ArtifactId>>): string | null {
    const linked = new Set(this.outPaths(action).map(({ output }) => output));
    const needed = (output: string): boolean =>
      this.#required.has(action.id) ||
      linked.has(output) ||
      this.context.index.artifact(outputs[output] ?? "") !== undefined;
    return this.absent(outputs).find(needed) ?? null;
  }

  /**
   * What a person brought in place of a build, while the action is what it was then. Gone from the store it counts no
   * more, nor does one that was rejected.
   */
  async #adopted(action: Action): Promise<Result<Judgement | null>> {
    const [output] = action.outputs;
    const { release } = this.context.pins;
    const entry = output && release.artifacts[this.targetOf(action, output.name)];
    if (output === undefined || entry?.provenance.kind !== "adopted" || release.foreign === true)
      return ok(null);
    const origin = await this.originOf(action);
    if (!origin.ok) return origin;
    const id = fileId(entry.digest, entry.executable);
    if (origin.value !== entry.key || !this.context.store.has(id, entry.size)) return ok(null);
    const outputs = { [output.name]: id };
    if (this.rejected(action, outputs) !== null) return ok(null);
    const reason = this.#recall(id, entry) ?? (await this.#whyLink(action, outputs));
    if (reason !== null && (await this.#presence.damaged(outputs, reason.kind === "edited")) !== null)
      return ok(null);
    const decision: Decision = reason === null ? { kind: "up-to-date" } : { kind: "restore", reason };
    return ok({
      decision,
      key: entry.key,
      facts: null,
      made: { outputs, epoch: this.plainEpoch(), build: null },
      adopted: true,
    });
  }

  /** A person brought an artifact for it, and it is no longer what it was then. */
  async #whyNotAdopted(action: Action): Promise<Result<BuildReason | null>> {
    const [output] = action.outputs;
    const target = output && this.targetOf(action, output.name);
    const entry = target && this.context.pins.release.artifacts[target];
    if (!target || !entry || entry.provenance.kind !== "adopted") return ok(null);
    if (this.context.pins.release.foreign === true) return ok(null);
    const origin = await this.originOf(action);
    if (!origin.ok) return origin;
    const { because } = entry.provenance;
    return ok(origin.value === entry.key ? null : { kind: "adopted-otherwise", target, because });
  }

  /** The index may have been set aside since: the release file and the store know enough of what was adopted. */
  #recall(id: ArtifactId, { name, size }: ReleasedArtifact): RestoreReason | null {
    const { index, project, readOnly } = this.context;
    if (index.artifact(id) !== undefined) return null;
    if (!readOnly) index.addArtifact({ id, kind: "file", size, layer: null, parent: null, form: null });
    return { kind: "new-name", path: join(project.out, name) };
  }

  async #whyLink(
    action: Action,
    outputs: Readonly<Record<string, ArtifactId>>,
  ): Promise<RestoreReason | null> {
    for (const { output, path } of this.outPaths(action)) {
      const artifact = outputs[output];
      const state = artifact === undefined ? "good" : await this.#presence.linkState(path, artifact);
      if (state !== "good") return { kind: state === "other" ? "new-name" : state, path };
    }
    return null;
  }

  async #whyBuild(
    action: Action,
    key: string,
    components: readonly Component[],
  ): Promise<Result<BuildReason>> {
    const closure = await this.context.pins.closure(action);
    if (!closure.ok) return closure;
    if (closure.value === null) return ok({ kind: "not-resolved" });
    const otherwise = await this.#whyNotAdopted(action);
    if (!otherwise.ok) return otherwise;
    if (otherwise.value !== null) return ok(otherwise.value);
    return ok(this.history.whyBuild(action, key, components, closure.value?.packages ?? []));
  }

  async #whyRestore(
    action: Action,
    outputs: Readonly<Record<string, ArtifactId>>,
    result: BuildRow,
    components: readonly Component[],
  ): Promise<RestoreReason | null> {
    const reason = await this.#whyLink(action, outputs);
    if (reason === null || reason.kind === "edited") return reason;
    const last = this.history.published(action);
    if (last === undefined || last.key === result.key) return reason;
    const { changes } = this.history.differences(last, components, []);
    return { kind: "key-known", from: new Date(result.started).toISOString(), changes };
  }
}

const judge = (decision: Decision, key: string | null = null, facts: KeyFacts | null = null): Judgement => ({
  decision,
  key,
  facts,
  made: null,
});
