// Results of actions in a shared directory: a small file each, with a checksum, under the key.
import { chmodSync, rmSync } from "node:fs";
import { sameOutputs, type ActionCache, type Disagreement, type Made } from "../action-cache.js";
import { ioProblem, saidOf } from "../io.js";
import { MOST_RESULT, resultIn, textOf } from "../made.js";
import { ok, type Result } from "../problem.js";
import { reached } from "../steps.js";
import { checksumHolds, withChecksum, writeNew } from "../write.js";
import { openPlain, type Share } from "./place.js";

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
      writeNew(temporary, [withChecksum(textOf(made))]);
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
        if (opened.size > MOST_RESULT) throw new Error("it is too large");
        const json = await opened.file.readFile("utf8");
        if (checksumHolds(json) !== true) throw new Error("it is cut off, or was changed");
        return resultIn(json, key);
      } finally {
        await opened.file.close();
      }
    } catch (error) {
      this.doubt(`${path} in the cache cannot be used: ${saidOf(error)}`);
      return null;
    }
  }
}
