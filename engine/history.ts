// What an action is compared with when it is explained: the build that is published under it now. The last one that ran
// may have failed, or been undone since; and a step that was put in moved others to the names of their neighbours. It
// decides nothing that is done.
import { addTo } from "../cache/grouped.js";
import type { BuildRow, Component, Index, PublishedRow } from "../cache/index.js";
import { fields, is, isObject, jsonOf, list, optional, size, text, type Check } from "../cache/shape.js";
import { compareComponents, componentsOf, type KeyFacts } from "./key.js";
import type { Action, Graph, TargetId } from "./model.js";
import { hasDate } from "./names.js";
import { closureIn, packageChanges } from "./packages/closure.js";
import type { Package } from "./packages/driver.js";
import type { Products } from "./products.js";
import type { Project } from "./project.js";
import type { BuildReason, Differences, Failure } from "./reason.js";

/** What history is kept in, and the release that it is about. */
export interface HistoryContext {
  readonly project: Pick<Project, "line">;
  readonly graph: Pick<Graph, "actions">;
  readonly index: Index;
  readonly datecode: string;
  /** What stands from an earlier run has the keys that it had. */
  readonly products: Pick<Products, "known">;
}

/** So many actions are asked for one by one. */
const FEW = 100;

/** The published builds of a line, and where what they were made from is now. */
export class History {
  #published: Map<TargetId, PublishedRow[]> | undefined;
  /** The actions of each family under which something is published. */
  readonly #families = new Map<string, Set<TargetId>>();
  /** Keys of the present graph, with the action that has each. */
  readonly #now = new Map<string, TargetId>();
  #work: ReadonlyMap<Action, string> | undefined;

  constructor(private readonly context: HistoryContext) {}

  /** An action has this key now. */
  has(action: TargetId, key: string): void {
    this.#now.set(key, action);
  }

  /** The build that is published under an action now: in this release, else in the one that came last. */
  published(action: Action): BuildRow | undefined {
    const rows = this.#under(action.id);
    // A name without a date is the same file in all releases.
    const shared = action.outputs.some(({ kind, ...output }) => kind === "file" && !isDated(output));
    const own = shared ? undefined : rows.find(({ under }) => under === this.context.datecode);
    return own ?? rows.at(-1);
  }

  /** Notes what is published under actions now. Their builds by action; what is known already is not written. */
  publish(builds: ReadonlyMap<Action, BuildRow>): void {
    const { index, project, datecode } = this.context;
    if (builds.size > FEW) this.#rows();
    const news = [...builds].filter(([action, { id }]) => {
      const rows = this.#under(action.id);
      const own = rows.find(({ under }) => under === datecode);
      return own?.id !== id || this.published(action)?.id !== id;
    });
    if (news.length === 0) return;
    index.transaction(() => {
      for (const [{ id }, build] of news) index.setPublished(project.line, id, datecode, build.id);
    });
    for (const [{ id }, build] of news) {
      const others = this.#under(id).filter(({ under }) => under !== datecode);
      this.#published?.set(id, [...others, { ...build, under: datecode }]);
      if (this.#published !== undefined) this.#join(id);
    }
  }

  /**
   * What an action with these components takes the place of. That is what is published under its name, unless that is
   * still there under another name, or is other work: then it is what is most like it among its target's own actions
   * that are no more, neither as they were nor with other inputs.
   */
  before(action: Action, components: readonly Component[]): BuildRow | undefined {
    const own = this.published(action);
    const rule = valueOf(components, "rule");
    const sameWork = (build: BuildRow): boolean =>
      valueOf(this.context.index.componentsOf(build.id), "rule") === rule;
    const moved = this.movedTo(action) !== null;
    if (own !== undefined && !moved && sameWork(own)) return own;
    const family = familyOf(action.id);
    const rows = this.#rows();
    const like = [...(this.#families.get(family) ?? [])]
      .flatMap((id) => (id === action.id ? [] : (rows.get(id) ?? []).slice(-1)))
      .filter(
        (build) => this.#holder(build, action) === null && sameWork(build) && !this.#isStill(build, action),
      )
      .map((build) => ({ build, count: this.#changes(build, components).length }))
      .sort((a, b) => a.count - b.count);
    return like[0]?.build ?? (moved ? undefined : own);
  }

  /** Whether a build was of another action that is still in the graph, whatever that reads now, and not of this one. */
  #isStill(build: BuildRow, but: Action): boolean {
    this.#work ??= new Map(
      this.context.graph.actions.map((one) => [one, workOf(componentsOf(one, NO_FACTS))]),
    );
    const work = workOf(this.context.index.componentsOf(build.id));
    if (work === this.#work.get(but)) return false;
    return [...this.#work].some(([{ id }, its]) => its === work && familyOf(id) === familyOf(but.id));
  }

  /** The action that now does what this one did; null where no other does. */
  movedTo(action: Action): TargetId | null {
    const build = this.published(action);
    const now = build === undefined ? null : this.#holder(build, action);
    return now === action.id ? null : now;
  }

  /** The action that has the key of a build now; null where none has. */
  #holder({ key, id }: BuildRow, but: Action): TargetId | null {
    return this.#now.get(key) ?? this.context.products.known?.otherWith(id, but.id) ?? null;
  }

  /** What differs between a build and components; `packages` are those of the latter, where they are not in the index. */
  differences(build: BuildRow, after: readonly Component[], packages?: readonly Package[]): Differences {
    return this.#between(this.context.index.componentsOf(build.id), after, packages);
  }

  #between(
    before: readonly Component[],
    after: readonly Component[],
    packages?: readonly Package[],
  ): Differences {
    return {
      changes: compareComponents(before, after),
      packages: packageChanges(this.#closure(before), packages ?? this.#closure(after)),
    };
  }

  /** Why an action has to be built whose key is not known. */
  whyBuild(
    action: Action,
    key: string,
    components: readonly Component[],
    packages: readonly Package[],
  ): BuildReason {
    const { index, project } = this.context;
    const build = this.before(action, components);
    const before = build === undefined ? null : index.componentsOf(build.id);
    // Its rows went with what it had made, which was damaged.
    if (before?.length === 0) return { kind: "artifact-lost", target: action.id };
    const since = before === null ? null : this.#between(before, components, packages);
    const last = index.lastBuild(project.line, action.id);
    if (last?.status === "failed" && last.key === key)
      return { kind: "failed-before", ...endOf(last), since };
    if (since !== null) return { kind: "changed", ...since };
    const now = this.movedTo(action);
    if (now !== null) return { kind: "inserted", rule: action.rule, now };
    // What failed is the nearest to compare with where nothing ever succeeded.
    return last === undefined
      ? { kind: "never-built" }
      : { kind: "changed", ...this.differences(last, components, packages) };
  }

  #changes(build: BuildRow, after: readonly Component[]): Differences["changes"] {
    return compareComponents(this.context.index.componentsOf(build.id), after);
  }

  #closure(components: readonly Component[]): readonly Package[] {
    const digest = valueOf(components, "packages");
    return digest === undefined ? [] : (closureIn(this.context.index, digest) ?? []);
  }

  /** What is published under one action. Few are asked for one by one, many are all read at once. */
  #under(action: TargetId): readonly PublishedRow[] {
    return this.#published === undefined
      ? this.context.index.publishedUnder(this.context.project.line, action)
      : (this.#published.get(action) ?? []);
  }

  #rows(): Map<TargetId, PublishedRow[]> {
    if (this.#published === undefined) {
      this.#published = new Map();
      for (const row of this.context.index.published(this.context.project.line)) {
        addTo(this.#published, row.action, row);
        this.#join(row.action);
      }
    }
    return this.#published;
  }

  #join(action: TargetId): void {
    const family = familyOf(action);
    this.#families.set(family, (this.#families.get(family) ?? new Set()).add(action));
  }
}

/** How a failed build ended, as its row has it. */
export const endOf = ({ failure, started, log }: BuildRow): Ended => ({
  failure: failure === null ? null : (jsonOf(failure, isFailure) as Failure | null),
  at: new Date(started).toISOString(),
  log,
});

const isFailure: Check = (value) => {
  const kind = isObject(value) ? value["kind"] : undefined;
  return typeof kind === "string" && Object.hasOwn(FAILURES, kind)
    ? FAILURES[kind as Failure["kind"]](value)
    : "kind";
};
const FAILURES: Readonly<Record<Failure["kind"], Check>> = {
  exit: fields({ status: is(Number.isInteger) }),
  signal: fields({ signal: text }),
  timeout: fields({ seconds: is(Number.isFinite) }),
  interrupted: fields({}),
  "output-missing": fields({ output: text, expected: text, made: optional(list(text)) }),
  "wrong-date": fields({ expected: text, found: text }),
  guard: fields({ output: text, message: text }),
  problem: fields({ problem: fields({ exit: size, message: text, hint: optional(text) }) }),
};

type Ended = Pick<Extract<BuildReason, { kind: "failed-before" }>, "failure" | "at" | "log">;

const valueOf = (components: readonly Component[], wanted: string): string | undefined =>
  components.find(({ name }) => name === wanted)?.value;

const isDated = (output: object): boolean =>
  "pattern" in output && typeof output.pattern === "string" && hasDate(output.pattern);

/** An exported target and what has no name but through it: `img`, `img.tree`, `img/base-3`. */
const familyOf = (id: TargetId): string => id.replace(/\/.*$/s, "").replace(/\.tree$/, "");

/** What an action is told to do, as text: its rows without those of what it reads. */
const workOf = (components: readonly Component[]): string =>
  JSON.stringify(
    components
      .filter(({ name }) => /^(?:rule|command|recipe .*|env .*)$/s.test(name))
      .map(({ name, value }) => [name, value]),
  );

const NO_FACTS: KeyFacts = { inputs: [], closure: null, tools: {}, datecode: "", epoch: null };
