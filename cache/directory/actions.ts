// Results of actions in a shared directory: a small file each, with a checksum, under the key.
import { chmodSync, rmSync } from "node:fs";
import { sameOutputs, type ActionCache, type Disagreement, type Made } from "../action-cache.js";
import { ioProblem, saidOf } from "../io.js";
import { ok, type Result } from "../problem.js";
import { each, fields, is, list, matching, milliseconds, orNull, seconds, size, text } from "../shape.js";
import { reached } from "../steps.js";
import { checksumHolds, withChecksum, writeNew } from "../write.js";
import { openPlain, type Share } from "./place.js";

/** No result is larger: what is was not written by an imagemake. Bytes. */
const MOST = 4 << 20;

/** The results in a share. `doubt` is told by name of what cannot be believed. */
export class DirectoryActions implements ActionCache {
  constructor(
    private readonly share: Share,
    private readonly doubt: (message: string) => void,
  ) {}

  async find(keys: readonly string[]): Promise<ReadonlyMap<string, Made>> {
    const found = new Map<string, Made>();
    for (const key of keys) {
      const made = await this.#read(key);
      if (made !== null) found.set(key, made);
    }
    return found;
  }

  /** Logs stay where they are: an action may have printed what nobody else should read. */
  async put(results: readonly Made[]): Promise<Result<readonly Disagreement[]>> {
    const disagreements: Disagreement[] = [];
    for (const made of results) {
      const before = await this.#read(made.key);
      if (before !== null) {
        const { key, action, machine } = before;
        if (!sameOutputs(before, made)) disagreements.push({ key, action, machine });
        continue;
      }
      const written = this.#write(made);
      if (!written.ok) return written;
    }
    return ok(disagreements);
  }

  #write(made: Made): Result<void> {
    let temporary: string | null = null;
    try {
      temporary = this.share.temporary();
      writeNew(temporary, [withChecksum(JSON.stringify({ ...made, log: null }))]);
      chmodSync(temporary, 0o444);
      reached("shared result written", made.action);
      this.share.settle(temporary, this.share.resultPath(made.key));
      reached("result shared", made.action);
      return ok(undefined);
    } catch (error) {
      if (temporary !== null) rmSync(temporary, { force: true });
      return ioProblem(`write to the cache ${this.share.name}`, error);
    }
  }

  async #read(key: string): Promise<Made | null> {
    this.share.stands();
    let path = `the result ${key}`;
    try {
      path = this.share.resultPath(key);
      const opened = await openPlain(path);
      if (opened === null) return null;
      try {
        if (opened.size > MOST) throw new Error("it is too large");
        const json = await opened.file.readFile("utf8");
        if (checksumHolds(json) !== true) throw new Error("it is cut off, or was changed");
        const value: unknown = JSON.parse(json);
        const wrong = wrongInResult(value);
        if (wrong !== null) throw new Error(`it is no result (${wrong})`);
        const made = value as Made;
        if (made.key !== key) throw new Error("it is the result of another key");
        const { action, components, outputs, epoch, started, duration, machine } = made;
        return { key, action, components, outputs, epoch, started, duration, machine, log: null };
      } finally {
        await opened.file.close();
      }
    } catch (error) {
      this.doubt(`${path} in the cache cannot be used: ${saidOf(error)}`);
      return null;
    }
  }
}

const id = matching(/^(?:[fxt]:[0-9a-f]{64}|v:pass)$/);

/** No name of an action or a machine is longer. */
const short = is((value) => typeof value === "string" && value.length <= 1000);

/** The first field that a result does not have so: anybody may have written it. */
const wrongInResult = fields({
  ...{ key: short, action: short, machine: short },
  ...{ epoch: seconds, started: milliseconds, duration: milliseconds },
  components: list(fields({ name: text, value: text })),
  outputs: each(fields({ id, size, parent: orNull(id) })),
});
