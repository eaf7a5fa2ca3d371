// What an earlier run found up to date, action by action, with the stamps that each rests on: after an edit only what
// those stamps reach is decided, the rest stands. On any doubt nothing stands, and all is decided. It decides nothing.
//
// The file lies beside the record of the run (quick.ts), whose rows it names by their numbers, and counts only with that
// very record.
import { join } from "node:path";
import { hashBytes } from "../cache/hash.js";
import type { Index, Mark } from "../cache/index.js";
import { readPlain } from "../cache/io.js";
import { checksumHolds } from "../cache/write.js";
import type { Action, Graph, TargetId } from "./model.js";
import { sameProduct, type Produced } from "./produced.js";
import type { Looked } from "./quick.js";
import { relationsOf, targetsRead, type Relations } from "./relations.js";
import type { Release, Verdict } from "./release/record.js";

/** Rows that are looked at together, and the actions that rest on them: numbers of both, one bundle after the other. */
export interface Bundles {
  readonly rows: readonly number[];
  readonly rowsEnd: readonly number[];
  readonly owners: readonly number[];
  readonly ownersEnd: readonly number[];
}

/** The file. Actions are numbered as in the graph. */
export interface SavedKnown {
  /** The checksum of the record. */
  readonly of: number;
  /** What the graph is, see remember.ts. */
  readonly graph: string;
  /** What the release pins, and what people said of artifacts. */
  readonly release: string;
  readonly mark: Mark;
  /** By action, the build that counts; empty for none. */
  readonly builds: readonly string[];
  /** Actions that are to be decided each time. */
  readonly open: readonly number[];
  /** Rows that no action owns alone. */
  readonly shared: readonly number[];
  readonly bundles: Bundles;
}

/** An earlier run of the same words, as it was found when this one began. */
export interface Earlier {
  readonly looked: Looked;
  /** What `savedKnown` is read from. */
  readonly file: string;
  /** Digest of this run's graph. */
  readonly graph: string;
}

/** What standing takes beside the record. */
export interface Scene {
  readonly graph: Graph;
  readonly index: Index;
  readonly line: string;
  /** What `releaseDigest` says now. */
  readonly release: string;
  /** Paths of files that may differ since the release itself is compared. */
  readonly releases: readonly string[];
  /** The Imagefile's directory. */
  readonly dir: string;
}

/** What a release says that decisions rest on; when it was built in last is no matter. */
export const releaseDigest = (release: Release, rejected: readonly Verdict[]): string =>
  hashBytes(JSON.stringify([{ ...release, lastBuild: "" }, rejected]));

/** Actions are numbered as they come in the graph. */
export const numbersOf = ({ actions }: Pick<Graph, "actions">): ReadonlyMap<TargetId, number> =>
  new Map(actions.map(({ id }, at) => [id, at]));

/** What stands. */
export class Known {
  /** By number: whether the action has to be looked at. */
  readonly #open: Uint8Array;
  readonly #made = new Map<TargetId, Produced | null>();
  /** Actions that came out otherwise than they were. */
  readonly #changed = new Set<TargetId>();
  readonly #relations: Relations;
  /** What is open, and all that is made from it. */
  readonly #reached: ReadonlySet<TargetId>;

  private constructor(
    readonly saved: SavedKnown,
    readonly looked: Looked,
    private readonly scene: Scene,
    readonly numbers: ReadonlyMap<TargetId, number>,
    open: Uint8Array,
  ) {
    this.#open = open;
    this.#relations = relationsOf(scene.graph);
    const { actions } = scene.graph;
    this.#reached = this.#relations.dependents(actions.flatMap(({ id }, at) => (open[at] === 1 ? [id] : [])));
  }

  /** Null where the record cannot be trusted, or does not say enough. */
  static read({ looked, file, graph }: Earlier, scene: Scene): Known | null {
    const saved = readSaved(file);
    if (saved?.of !== looked.checksum || saved.graph !== graph || saved.release !== scene.release)
      return null;
    const { actions } = scene.graph;
    if (saved.builds.length !== actions.length) return null;
    const changed = new Uint8Array(looked.header.rows);
    for (const row of looked.changed) changed[row] = 1;
    const mayDiffer = new Set(scene.releases);
    if (
      saved.shared.some(
        (row) => changed[row] === 1 && !mayDiffer.has(join(scene.dir, looked.paths[row] ?? "")),
      )
    )
      return null;
    const since = scene.index.publishedSince(scene.line, saved.mark);
    if (since === null) return null;
    const open = new Uint8Array(actions.length);
    for (const at of saved.open) open[at] = 1;
    for (const [at, build] of saved.builds.entries()) if (build === "") open[at] = 1;
    for (const { rows, owners } of each(saved.bundles))
      if (rows.some((row) => changed[row] === 1)) for (const owner of owners) open[owner] = 1;
    const numbers = numbersOf(scene.graph);
    for (const action of since) {
      const at = numbers.get(action);
      if (at !== undefined) open[at] = 1;
    }
    return new Known(saved, looked, scene, numbers, open);
  }

  /** Whether an action may have to be decided: it rests on what differs, or is made from what does. */
  reaches({ id }: Pick<Action, "id">): boolean {
    return this.#reached.has(id);
  }

  /** Whether an action is up to date as it was then: all that it is made from came out as it was. Asked in build order. */
  stands(action: Action): boolean {
    if (!this.reaches(action)) return true;
    if (this.#open[this.numbers.get(action.id) ?? -1] !== 0) return false;
    return !targetsRead(action).some((target) =>
      this.#changed.has(this.#relations.target(target)?.action ?? ""),
    );
  }

  /** An action was decided: null for what is to be built. */
  decided(action: TargetId, made: Produced | null): void {
    const before = made === null ? null : this.made(action);
    if (made === null || before === null || !sameProduct(before, made)) this.#changed.add(action);
  }

  /** What an action made that stood when the record was written; null where the index does not say. */
  made(action: TargetId): Produced | null {
    let found = this.#made.get(action);
    if (found === undefined) {
      const id = this.buildOf(action);
      const build = id === "" ? undefined : this.scene.index.build(id);
      found =
        build === undefined
          ? null
          : { outputs: this.scene.index.outputsOf(build.id), epoch: build.epoch, build: build.id };
      this.#made.set(action, found);
    }
    return found;
  }

  /** Its id; empty for none. */
  buildOf(action: TargetId): string {
    return this.saved.builds[this.numbers.get(action) ?? -1] ?? "";
  }

  /** The action, not this one, that has the key of a build now. */
  otherWith(build: string, but: TargetId): TargetId | null {
    const { actions } = this.scene.graph;
    for (let at = this.saved.builds.indexOf(build); at >= 0; at = this.saved.builds.indexOf(build, at + 1)) {
      const id = actions[at]?.id;
      if (id !== undefined && id !== but && this.#open[at] === 0) return id;
    }
    return null;
  }
}

/** Bundle after bundle. */
export function* each({
  rows,
  rowsEnd,
  owners,
  ownersEnd,
}: Bundles): Generator<{ readonly rows: readonly number[]; readonly owners: readonly number[] }> {
  let [row, owner] = [0, 0];
  for (const [at, end] of rowsEnd.entries()) {
    const to = ownersEnd[at] ?? owner;
    yield { rows: rows.slice(row, end), owners: owners.slice(owner, to) };
    [row, owner] = [end, to];
  }
}

function readSaved(file: string): SavedKnown | null {
  try {
    const text = readPlain(file)?.toString("utf8");
    return text !== undefined && checksumHolds(text) === true ? (JSON.parse(text) as SavedKnown) : null;
  } catch {
    return null;
  }
}
