// What actions have made, as far as a run knows: what it decided or built itself, and what stands from an earlier run. It
// decides nothing.
import type { ArtifactId } from "../cache/index.js";
import type { Known } from "./known.js";
import type { Action, TargetId } from "./model.js";
import { sameProduct, type Produced } from "./produced.js";
import { artifactsRead, type Relations } from "./relations.js";

/** What each action produced; what will run is pending until then. */
export class Products {
  readonly #produced = new Map<TargetId, Produced>();
  readonly #pending = new Set<TargetId>();
  /** What came out otherwise than it was known to be, or was not known, since the last `settle`. */
  readonly #news = new Set<TargetId>();
  #known: Known | null = null;
  #spoilt = false;

  constructor(private readonly relations: Relations) {}

  /** What stands from an earlier run; null for nothing. */
  get known(): Known | null {
    return this.#known;
  }

  /** Takes what stands from an earlier run. */
  stand(known: Known | null): void {
    this.#known = known;
  }

  /** Nothing stands any more: all is to be decided. */
  doubt(): void {
    this.#known = null;
  }

  /** An action has produced these artifacts: what reads them can be decided. */
  produced(action: TargetId, made: Produced): void {
    const before = this.#produced.get(action);
    if (before === undefined || !sameProduct(before, made)) this.#news.add(action);
    this.#produced.set(action, made);
    this.#pending.delete(action);
  }

  /** An action will run: what reads it waits. */
  pending(action: TargetId): void {
    this.#pending.add(action);
  }

  /** All that is known now was planned with. */
  settle(): void {
    this.#news.clear();
  }

  /** Whether something that an action reads was not planned with, or anything may be. */
  isNew(action: Action): boolean {
    return this.#spoilt || this.relations.producers(action).some(({ id }) => this.#news.has(id));
  }

  /** What was planned with no longer counts: something was found damaged. */
  spoil(): void {
    this.#spoilt = true;
  }

  /** What an action made; undefined while it is not known. */
  of(action: TargetId): Produced | undefined {
    const own = this.#produced.get(action);
    if (own !== undefined || this.#known === null || this.#pending.has(action)) return own;
    const one = this.relations.action(action);
    return one !== undefined && this.#known.stands(one) ? (this.#known.made(action) ?? undefined) : undefined;
  }

  /** The artifact behind a target; undefined while it is not known. */
  artifactOf(target: TargetId): ArtifactId | undefined {
    const found = this.relations.target(target);
    return found && this.of(found.action)?.outputs[found.output];
  }

  /** The epoch of the build that made a target, in seconds; null for a verdict, and while it is not known. */
  epochOf(target: TargetId): number | null {
    const found = this.relations.target(target);
    if (found === undefined || found.kind === "verdict") return null;
    return this.of(found.action)?.epoch ?? null;
  }

  /** Those inputs of an action that are still to be made. */
  waitedFor(action: Action): TargetId[] {
    return artifactsRead(action).filter((target) =>
      this.#pending.has(this.relations.target(target)?.action ?? ""),
    );
  }

  /** Whether what an action reads is known, where that stands from an earlier run. */
  recalls(action: Action): boolean {
    const known = this.#known;
    return (
      known === null ||
      this.relations.producers(action).every((one) => !known.stands(one) || known.made(one.id) !== null)
    );
  }
}
