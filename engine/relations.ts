// Who makes and who reads what in a graph: one set of maps, made once, that everybody asks. It loads nothing: a run with
// little to do asks too. What has to look for an order or for cycles is in graph.ts.
import type { Action, Graph, Target, TargetId } from "./model.js";

/** What is asked about a graph. Actions are answered in its order, in which each comes after what it reads. */
export class Relations {
  readonly #actions: ReadonlyMap<TargetId, Action>;
  readonly #targets: ReadonlyMap<TargetId, Target>;
  #outputs: ReadonlyMap<string, TargetId> | undefined;

  constructor(private readonly graph: Pick<Graph, "actions" | "targets">) {
    this.#actions = new Map(graph.actions.map((action) => [action.id, action]));
    this.#targets = new Map(graph.targets.map((target) => [target.id, target]));
  }

  /** The target of that id. */
  target(id: TargetId | undefined): Target | undefined {
    return id === undefined ? undefined : this.#targets.get(id);
  }

  /** The action of that id. */
  action(id: TargetId): Action | undefined {
    return this.#actions.get(id);
  }

  /** The action that makes a target. */
  producer(target: TargetId | undefined): Action | undefined {
    const made = this.target(target);
    return made === undefined ? undefined : this.#actions.get(made.action);
  }

  /** The target that is the output of that name of an action; undefined where nothing in the graph asks for it. */
  targetOf(action: TargetId, output: string): TargetId | undefined {
    this.#outputs ??= new Map(this.graph.targets.map((one) => [`${one.output} ${one.action}`, one.id]));
    return this.#outputs.get(`${output} ${action}`);
  }

  /** The actions that make the inputs of an action, once each. */
  producers(action: Action): readonly Action[] {
    const found = new Set(artifactsRead(action).map((target) => this.producer(target)));
    return [...found].flatMap((one) => one ?? []);
  }

  /**
   * The actions that make these targets and all that they read, however far; beneath those that are `cut` nothing is
   * looked at. A tree that packages are only resolved on is not read.
   */
  closure(targets: Iterable<TargetId>, cut: (action: TargetId) => boolean = () => false): readonly Action[] {
    const needed = new Set<Action>();
    const pending = [...targets].map((target) => this.producer(target));
    while (pending.length > 0) {
      const action = pending.pop();
      if (action === undefined || needed.has(action)) continue;
      needed.add(action);
      if (!cut(action.id)) pending.push(...this.producers(action));
    }
    return this.graph.actions.filter((action) => needed.has(action));
  }

  /** These actions and all that are made or resolved from one of them, however far. */
  dependents(actions: Iterable<TargetId>): ReadonlySet<TargetId> {
    const found = new Set(actions);
    for (const action of this.graph.actions)
      if (targetsRead(action).some((target) => found.has(this.target(target)?.action ?? "")))
        found.add(action.id);
    return found;
  }
}

const known = new WeakMap<object, Relations>();

/** The relations of a graph; the same for everybody who asks. */
export function relationsOf(graph: Pick<Graph, "actions" | "targets">): Relations {
  let found = known.get(graph);
  if (found === undefined) {
    found = new Relations(graph);
    known.set(graph, found);
  }
  return found;
}

/** Targets that an action needs before it can be run: those among its inputs. */
export const artifactsRead = ({ inputs }: Action): readonly TargetId[] =>
  inputs.flatMap((input) => (input.kind === "artifact" ? [input.target] : []));

/** Targets that an action needs before it can be run or resolved: also the tree that its packages are on. */
export function targetsRead(action: Action): readonly TargetId[] {
  const on = action.packages?.on ?? null;
  return on === null ? artifactsRead(action) : [...artifactsRead(action), on];
}
