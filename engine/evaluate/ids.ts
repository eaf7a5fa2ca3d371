// Ids for every target that an export is or reaches.
import { inside, isHandle, type Draft, type Handle } from "../declare.js";
import type { TargetId } from "../model.js";
import { Exit, stop } from "../problem.js";
import { short } from "./place.js";

/** An export's target. */
export interface Named {
  readonly id: TargetId;
  readonly handle: Handle;
}

/** Ids by draft and output. Throws (exit 2) for one id on two targets, and for one target under two ids. */
export class Names {
  readonly #outputs = new Map<Draft, Map<string, TargetId>>();
  readonly #actions = new Map<Draft, TargetId>();
  readonly #owners = new Map<TargetId, Draft>();

  /** `exported` in declared order, which decides from whom an unexported target has its name. */
  constructor(exported: readonly Named[]) {
    for (const { id, handle } of exported) this.#export(id, handle);
    // Before anything is reached: another export may read the tree of a packed one first.
    for (const { id, handle } of exported) {
      if (handle.tree !== undefined) this.#reach(handle.tree, id, id, "tree");
    }
    for (const { id, handle } of exported) this.#follow(id, inside(handle).draft);
    for (const [draft, outputs] of this.#outputs) {
      for (const { name } of draft.spec.outputs) {
        // Made along with others and read by nobody.
        if (!outputs.has(name))
          this.#give(draft, name, this.#free(`${this.action(draft)}/${name.toLowerCase()}`));
      }
    }
  }

  /** Every draft that is reached, in order of creation. */
  drafts(): readonly Draft[] {
    return [...this.#outputs.keys()].sort((a, b) => a.order - b.order);
  }

  /** Id of a draft's action: that of its first target, exported ones before others. */
  action(draft: Draft): TargetId {
    return this.#actions.get(draft) ?? missing(draft);
  }

  /** Id of the target that an output is. */
  output(draft: Draft, name: string): TargetId {
    return this.#outputs.get(draft)?.get(name) ?? missing(draft);
  }

  /** Id of a handle's target. */
  target(handle: Handle): TargetId {
    const { draft, output } = inside(handle);
    return this.output(draft, output);
  }

  /** Whether the handle's target is an export or reached by one. */
  has(handle: Handle): boolean {
    const { draft, output } = inside(handle);
    return this.#outputs.get(draft)?.has(output) ?? false;
  }

  #export(id: TargetId, handle: Handle): void {
    const { draft, output } = inside(handle);
    const owner = this.#owners.get(id);
    if (owner !== undefined) {
      const both = owner.at === draft.at ? short(draft.at) : `${short(owner.at)} and ${short(draft.at)}`;
      stop(Exit.usage, `${both}: two targets with the same id, ${id}`);
    }
    const other = this.#outputs.get(draft)?.get(output);
    if (other !== undefined) {
      stop(Exit.usage, `${short(draft.at)}: one target is exported twice, as ${other} and as ${id}`);
    }
    this.#give(draft, output, id);
  }

  /** Names what is reached from an exported target, nearest first. Without recursion: chains may be long. */
  #follow(root: TargetId, first: Draft): void {
    const stack = [first];
    const seen = this.#followed;
    for (let draft = stack.pop(); draft !== undefined; draft = stack.pop()) {
      if (seen.has(draft)) continue;
      seen.add(draft);
      const inputs = handlesIn(draft);
      for (const [name, handle] of inputs) this.#reach(handle, root, this.action(draft), name.toLowerCase());
      for (const [, handle] of [...inputs].reverse()) stack.push(inside(handle).draft);
    }
  }
  readonly #followed = new Set<Draft>();

  /** `by` is what reads it, `root` the exported target on whose behalf. */
  #reach(handle: Handle, root: TargetId, by: TargetId, input: string): void {
    if (this.has(handle)) return;
    const { draft, output } = inside(handle);
    const { suffix } = draft.spec;
    this.#give(draft, output, this.#free(suffix === undefined ? `${root}/${input}` : `${by}.${suffix}`));
  }

  #give(draft: Draft, output: string, id: TargetId): void {
    const outputs = this.#outputs.get(draft) ?? new Map<string, TargetId>();
    this.#outputs.set(draft, outputs.set(output, id));
    this.#owners.set(id, draft);
    if (!this.#actions.has(draft)) this.#actions.set(draft, id);
  }

  #free(id: TargetId): TargetId {
    for (let n = 1; ; n++) {
      const one = n === 1 ? id : `${id}-${n}`;
      if (!this.#owners.has(one)) return one;
    }
  }
}

/** What a draft reads from other drafts, by input name; the tree its packages are on is `on`. */
function handlesIn(draft: Draft): readonly (readonly [string, Handle])[] {
  const inputs = Object.entries(draft.spec.inputs).flatMap(([name, from]) =>
    isHandle(from) ? [[name, from] as const] : [],
  );
  const on = draft.spec.packages?.on ?? null;
  return on === null ? inputs : [...inputs, ["on", on] as const];
}

function missing(draft: Draft): never {
  throw new Error(`${draft.at}: ${draft.spec.rule}: a target that was never reached`);
}
