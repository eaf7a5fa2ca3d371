// Results that several machines share: what is asked for, taken, and given on. A share costs time and a warning where it is
// broken, never a build; what comes from it is digested before it counts. It knows two interfaces (cache/action-cache.ts,
// cache/content-store.ts) twice, for what is here and for what is shared.
import type { ActionCache, Made } from "../../cache/action-cache.js";
import { atOnce } from "../../cache/at-once.js";
import type { ContentStore } from "../../cache/content-store.js";
import { hashBytes } from "../../cache/hash.js";
import type { ArtifactId, Component } from "../../cache/index.js";
import { problemIn } from "../../cache/io.js";
import { digestOf } from "../../cache/store.js";
import { LocalActions } from "../../cache/local/actions.js";
import type { Decider, Judgement } from "../decide.js";
import { checkFileGuards } from "../execute/guards.js";
import { isDatedSo } from "../key.js";
import type { Action, TargetId } from "../model.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { BuildReason, Decision } from "../reason.js";
import { noteOwn } from "../sources/stamp.js";

/** A cache that machines share, opened. */
export interface SharedCache {
  /** As people named it. */
  readonly name: string;
  readonly readOnly: boolean;
  readonly actions: ActionCache;
  readonly contents: ContentStore;
}

/** A result of the share that does for an action here. */
interface Offer {
  readonly action: Action;
  readonly made: Made;
  /** As they are here. */
  readonly components: readonly Component[];
}

/** An action, and what is thought of it. */
type Judged = readonly [Action, Judgement];

/** A result that would be of use; `builds`: without it the action has to be built. */
interface Wish {
  readonly key: string;
  readonly components: readonly Component[];
  readonly builds: boolean;
}

/** Results whose contents are taken at a time. */
const AT_ONCE = 6;

/** Reasons to build for which the share is asked. With -B, and after a person's verdict, it is not. */
const ASKS: ReadonlySet<BuildReason["kind"]> = new Set([
  "never-built",
  "changed",
  "inserted",
  "failed-before",
  "artifact-lost",
]);

/** One run's dealings with a share. */
export class Shared {
  readonly #offers = new Map<TargetId, Offer>();
  /** Offers whose contents somebody needs. */
  readonly #wanted = new Set<TargetId>();
  readonly #taken = new Map<TargetId, Decision>();
  /** Keys whose contents could not be had. */
  readonly #refused = new Set<string>();
  #broken = false;

  constructor(
    private readonly cache: SharedCache,
    private readonly warn: (message: string) => void,
    /** A line about long work. */
    private readonly say: (line: string) => void,
  ) {}

  /** Everything is decided again. */
  begin(): void {
    this.#offers.clear();
    this.#wanted.clear();
  }

  /**
   * The judgements of actions that do not read each other, where the share has what one would have to build. What is known
   * here and not in the store is asked for too: it counts once somebody needs it. The share is asked for all at once.
   */
  async ask(decider: Decider, judged: readonly Judged[]): Promise<readonly Judged[]> {
    const wishes = judged.map((one) => this.#wish(decider, one));
    const keys = wishes.flatMap((wish) => wish?.key ?? []);
    const found =
      keys.length === 0 || this.#broken ? null : await this.#trying(() => this.cache.actions.find(keys));
    return judged.map((one, at) => {
      const wish = wishes[at] ?? null;
      const made = wish === null ? undefined : found?.get(wish.key);
      return wish === null || made === undefined ? one : this.#answer(decider, one, wish, made);
    });
  }

  /** What is to be asked for; null where there is nothing to ask. */
  #wish(decider: Decider, [action, judged]: Judged): Wish | null {
    const { decision, key, made } = judged;
    if (key === null || judged.adopted === true || decider.context.force) return null;
    const builds = decision.kind === "build" && ASKS.has(decision.reason.kind);
    const lacks = made !== null && decider.absent(made.outputs).length > 0;
    if ((!builds && !lacks) || this.#refused.has(key)) return null;
    const components = decider.componentsIn(action, judged);
    return isShareable(action, components) ? { key, components, builds } : null;
  }

  #answer(decider: Decider, one: Judged, { key, components, builds }: Wish, made: Made): Judged {
    const [action, judged] = one;
    if (!fits(action, made)) return one;
    if (!isDatedSo(components, made.epoch)) {
      this.#refused.add(key);
      this.warn(`${action.id} is not taken from ${this.cache.name}: its key is of another date than it says`);
      return one;
    }
    if (decider.rejected(action, producedBy(made).outputs) !== null) return one;
    this.#offers.set(action.id, { action, made, components });
    if (!builds) return one;
    // What is linked is needed in any case; of the rest only what somebody reads.
    if (decider.outPaths(action).length > 0) this.#wanted.add(action.id);
    return [action, { ...judged, decision: this.#decision(made), made: producedBy(made) }];
  }

  /** What is needed of an action and not here can be taken: what is decided then. */
  want(action: TargetId): Decision | null {
    const offer = this.#offers.get(action);
    if (offer === undefined) return null;
    this.#wanted.add(action);
    return this.#decision(offer.made);
  }

  /** Whether an action is offered, and nobody needs what it made: it is enough to know it. */
  isIdle = (action: TargetId): boolean => this.#offers.has(action) && !this.#wanted.has(action);

  /** Takes what the share has of an action that the plan could not ask for, since its inputs were not made yet. */
  async takeNow(
    decider: Decider,
    contents: ContentStore,
    action: Action,
    judged: Judgement,
  ): Promise<boolean> {
    const [offered] = await this.ask(decider, [[action, judged]]);
    return offered?.[1] !== judged && (await this.take(decider, contents, action.id));
  }

  /** How many actions' results were taken. */
  get count(): number {
    return this.#taken.size;
  }

  /** What the plan says of an action whose result was taken. */
  asTaken(action: TargetId, judged: Judgement): Judgement {
    const decision = judged.made === null ? undefined : this.#taken.get(action);
    return decision === undefined ? judged : { ...judged, decision };
  }

  /** What was taken in this run, as its decision. */
  taken = (action: TargetId): Decision | undefined => this.#taken.get(action);

  #decision({ machine, started }: Made): Decision {
    const at = new Date(started).toISOString();
    return { kind: "restore", reason: { kind: "shared", cache: this.cache.name, machine, at } };
  }

  /** Null where the share fails in a way that nobody expects: it is left alone from then on. */
  async #trying<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      const problem = problemIn(error);
      if (problem === null) throw error;
      // Others may have been under way.
      if (!this.#broken) this.warn(`${this.cache.name} is not used any more: ${problem.message}`);
      this.#broken = true;
      return null;
    }
  }

  /**
   * Takes what the judged actions need of the share, so that it counts as if it had been built here. True where anything
   * came, or could not be had: then all is to be decided again.
   */
  async take(decider: Decider, contents: ContentStore, only?: TargetId): Promise<boolean> {
    const actions = actionsHere(decider, this.cache.name);
    const offers = [...this.#offers.values()].filter(
      ({ action: { id } }) => only === undefined || id === only,
    );
    let changed = false;
    const underWay = new Map<ArtifactId, Promise<unknown>>();
    await atOnce(offers, AT_ONCE, async (offer) => {
      // A tree comes after the one beneath it, which was begun before.
      const outputs = Object.values(offer.made.outputs);
      const beneath = Promise.all(
        outputs.flatMap(({ parent }) => (parent === null ? [] : (underWay.get(parent) ?? []))),
      );
      const taking = beneath.then(() => this.#takeOne(decider, contents, actions, offer, only !== undefined));
      for (const { id } of outputs) underWay.set(id, taking);
      changed = (await taking) || changed;
    });
    for (const { action } of offers) {
      this.#offers.delete(action.id);
      this.#wanted.delete(action.id);
    }
    return changed;
  }

  /** Whether anything came, or could not be had. */
  async #takeOne(
    decider: Decider,
    contents: ContentStore,
    actions: ActionCache,
    offer: Offer,
    needed: boolean,
  ): Promise<boolean> {
    const { action, made, components } = offer;
    const wanted = needed || this.#wanted.has(action.id);
    const problem = wanted
      ? await this.#trying(() => this.#takeContents(decider, contents, offer))
      : ok(undefined);
    if (problem?.ok === true) {
      const put = await actions.put([{ ...made, action: action.id, components }]);
      if (put.ok && put.value.length === 0) {
        if (wanted) this.#taken.set(action.id, this.#decision(made));
        return wanted;
      }
      const why = put.ok ? "it was made here, and came out differently" : put.problem.message;
      this.warn(`${action.id} is not taken from ${this.cache.name}: ${why}`);
    } else if (problem !== null)
      this.warn(`${action.id} is not taken from ${this.cache.name}: ${problem.problem.message}`);
    this.#refused.add(made.key);
    return true;
  }

  async #takeContents(decider: Decider, local: ContentStore, { action, made }: Offer): Promise<Result<void>> {
    const { index, store, project } = decider.context;
    const outputs = Object.values(made.outputs);
    const missing = await local.missing(outputs.map(({ id }) => id));
    for (const { id, parent } of outputs) {
      if (!missing.has(id)) continue;
      this.say(`${action.id} from ${this.cache.name}`);
      const giving = await this.cache.contents.give(id);
      if (!giving.ok) return giving;
      const refused = (await local.take([{ ...giving.value, parent }])).get(id);
      if (refused !== undefined) return { ok: false, problem: refused };
      const row = index.artifact(id);
      if (row?.kind === "tree") await decider.whole.note(row);
      if (row?.kind !== "file") continue;
      noteOwn(index, store.path(id), digestOf(id), project.state);
      const wrong = checkFileGuards(store.path(id), action.guards);
      if (wrong !== null) return fail(Exit.environment, wrong);
    }
    return ok(undefined);
  }

  /** Gives on what was built here. The first thing that goes wrong is said, and ends it for this run. */
  async give(decider: Decider, contents: ContentStore, built: readonly Action[]): Promise<void> {
    if (this.cache.readOnly || this.#broken) return;
    const { index, project } = decider.context;
    const actions = actionsHere(decider, this.cache.name);
    for (const action of built) {
      const key = index.lastBuild(project.line, action.id)?.key ?? "";
      const made = (await actions.find([key])).get(key);
      if (made === undefined || !isShareable(action, made.components)) continue;
      const given = await this.#trying(() => this.#giveOne(contents, action, made));
      if (given === null) return;
      if (given.ok) continue;
      if (given.problem.ofOne === true) {
        this.warn(`${action.id} is not shared: ${given.problem.message}`);
        continue;
      }
      this.#broken = true;
      this.warn(`nothing more is shared: ${given.problem.message}`);
      return;
    }
  }

  async #giveContents(local: ContentStore, ids: readonly ArtifactId[]): Promise<Result<void>> {
    for (const id of await this.cache.contents.missing(ids)) {
      const giving = await local.give(id);
      if (!giving.ok) return giving;
      const refused = (await this.cache.contents.take([giving.value])).get(id);
      if (refused !== undefined) return { ok: false, problem: refused };
    }
    return ok(undefined);
  }

  async #giveOne(local: ContentStore, action: Action, made: Made): Promise<Result<void>> {
    const ids = Object.values(made.outputs).map(({ id }) => id);
    const given = await this.#giveContents(local, ids);
    if (!given.ok) return given;
    if (this.#refused.has(made.key)) {
      // Of a tree that is damaged there, more may be than what was found when it was to be taken.
      await this.cache.contents.verify(ids);
      const again = await this.#giveContents(local, ids);
      if (!again.ok) return again;
    }
    const put = await this.cache.actions.put([{ ...made, components: made.components.map(withoutSecrets) }]);
    if (!put.ok) return put;
    for (const { machine } of put.value)
      this.warn(
        `${action.id} came out differently here than on ${machine}, and ${this.cache.name} keeps that one`,
      );
    return ok(undefined);
  }
}

/** The results that are known on this machine, by the same interface. */
const actionsHere = ({ context: { datecode, index, project } }: Decider, source: string): ActionCache =>
  new LocalActions(index, { line: project.line, release: datecode, source });

/**
 * What a key says enough of. Not what a person took part in, nor what was made without isolation; and a verdict is given
 * where its check ran, since releases are signed on it.
 */
const isShareable = (action: Action, components: readonly Component[]): boolean =>
  !action.interactive &&
  action.outputs.every(({ kind }) => kind !== "verdict") &&
  components.every(({ name }) => name !== "isolation");

/** Whether a result has the outputs that the action makes: anybody may have written it. */
const fits = ({ outputs }: Action, made: Made): boolean =>
  Object.keys(made.outputs).length === outputs.length &&
  outputs.every(({ name, kind }) => {
    const id = made.outputs[name]?.id ?? "";
    return kind === "tree" ? id.startsWith("t:") : /^[fx]:/.test(id);
  });

const producedBy = ({ outputs, epoch }: Made): NonNullable<Judgement["made"]> => ({
  outputs: Object.fromEntries(
    Object.entries(outputs).map(([name, { id }]): [string, ArtifactId] => [name, id]),
  ),
  epoch,
  build: null,
});

/** Rows that hold nothing that an argument or a variable of the caller's may have brought. */
const OPEN = /^(?:schema|rule|epoch|date|arch|packages|network|root|tool .*|input .*)$/;

const withoutSecrets = ({ name, value }: Component): Component =>
  OPEN.test(name) ? { name, value } : { name, value: `sha256:${hashBytes(value)}` };
