// Results of actions in this machine's index.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { sameOutputs, type ActionCache, type Disagreement, type Made } from "../action-cache.js";
import type { Index } from "../index.js";
import { ok, type Result } from "../problem.js";

/** What rows say beside the result. */
export interface LocalSettings {
  readonly line: string;
  readonly release: string;
  /** What results from elsewhere come from, as people name it. */
  readonly source: string;
}

/** The results in an index. */
export class LocalActions implements ActionCache {
  constructor(
    private readonly index: Index,
    private readonly settings: LocalSettings,
  ) {}

  find(keys: readonly string[]): Promise<ReadonlyMap<string, Made>> {
    const found = new Map<string, Made>();
    for (const key of keys) {
      const made = this.#result(key);
      if (made !== null) found.set(key, made);
    }
    return Promise.resolve(found);
  }

  /** Rows as if it had been built here. Of contents nothing is promised: what a store takes has rows of its own. */
  put(results: readonly Made[]): Promise<Result<readonly Disagreement[]>> {
    const disagreements: Disagreement[] = [];
    this.index.transaction(() => {
      for (const made of results) {
        const before = this.#result(made.key);
        if (before === null) this.#add(made);
        else if (!sameOutputs(before, made)) {
          const { key, action, machine } = before;
          disagreements.push({ key, action, machine });
        }
      }
    });
    return Promise.resolve(ok(disagreements));
  }

  #result(key: string): Made | null {
    const row = this.index.resultOf(key);
    if (row === undefined) return null;
    const outputs = Object.entries(this.index.outputsOf(row.id)).map(([name, id]) => {
      const { size = 0, parent = null } = this.index.artifact(id) ?? {};
      return [name, { id, size, parent }] as const;
    });
    const { action, epoch, started, duration, log } = row;
    return {
      ...{ key, action, epoch, started, duration, log },
      components: this.index.componentsOf(row.id),
      outputs: Object.fromEntries(outputs),
      machine: this.index.originOf(row.id)?.machine ?? hostname(),
    };
  }

  #add({ key, action, components, outputs, epoch, started, duration, machine, log }: Made): void {
    const { line, release, source } = this.settings;
    const id = `taken-${randomBytes(8).toString("hex")}`;
    const end = { status: "built", failure: null, replaces: null } as const;
    const ids = Object.entries(outputs).map(([name, output]) => [name, output.id] as const);
    this.index.addBuild(
      { id, line, action, key, started, duration, release, log, epoch, ...end },
      components,
      Object.fromEntries(ids),
    );
    this.index.setOrigin(id, { machine, source });
  }
}
