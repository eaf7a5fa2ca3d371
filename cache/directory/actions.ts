// Results of actions in a shared directory: a small file each, with a checksum, under the key.
import { chmodSync, rmSync } from "node:fs";
import { sameOutputs, type ActionCache, type Disagreement, type Made } from "../action-cache.js";
import { ioProblem } from "../io.js";
import { ok, type Result } from "../problem.js";
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
      writeNew(temporary, withChecksum(JSON.stringify({ ...made, log: null })));
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
    let path = `the result ${key}`;
    try {
      path = this.share.resultPath(key);
      const opened = await openPlain(path);
      if (opened === null) return null;
      try {
        if (opened.size > MOST) throw new Error("it is too large");
        const text = await opened.file.readFile("utf8");
        if (checksumHolds(text) !== true) throw new Error("it is cut off, or was changed");
        const value: unknown = JSON.parse(text);
        if (!isMade(value) || value.key !== key) throw new Error("it is no result of this key");
        const { action, components, outputs, epoch, started, duration, machine } = value;
        return { key, action, components, outputs, epoch, started, duration, machine, log: null };
      } finally {
        await opened.file.close();
      }
    } catch (error) {
      const why = ioProblem("", error);
      this.doubt(
        `${path} in the cache cannot be used${why.ok ? "" : why.problem.message.replace(/^cannot /, "")}`,
      );
      return null;
    }
  }
}

/** No name of an action or a machine is longer. */
const MOST_TEXT = 1000;

const ID = /^(?:[fxt]:[0-9a-f]{64}|v:pass)$/;

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isId = (value: unknown): boolean => typeof value === "string" && ID.test(value);

const isOutput = (value: unknown): boolean =>
  isRecord(value) &&
  isId(value["id"]) &&
  isCount(value["size"]) &&
  (value["parent"] === null || isId(value["parent"]));

const isComponent = (value: unknown): boolean =>
  isRecord(value) && typeof value["name"] === "string" && typeof value["value"] === "string";

/** Whether it has the fields of a result: anybody may have written it. */
function isMade(value: unknown): value is Made {
  if (!isRecord(value)) return false;
  const { key, action, machine, components, outputs, epoch, started, duration } = value;
  return (
    [key, action, machine].every((text) => typeof text === "string" && text.length <= MOST_TEXT) &&
    [epoch, started, duration].every(isCount) &&
    Array.isArray(components) &&
    components.every(isComponent) &&
    isRecord(outputs) &&
    Object.values(outputs).every(isOutput)
  );
}
