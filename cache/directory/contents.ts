// Files and trees in a shared directory: blobs under their digests. A tree is the blob of its manifest and those of the files
// that this names.
import { chmodSync, rmSync } from "node:fs";
import type { ContentStore, Giving, Condition } from "../content-store.js";
import { copyAndHash } from "../copy.js";
import { hashBytes, hashFile, misnamed } from "../hash.js";
import { pathOf } from "../held.js";
import type { ArtifactId } from "../index.js";
import { ioProblem, saidOf } from "../io.js";
import { filesIn } from "../manifests.js";
import { Exit, fail, ok, ProblemError, stop, unwrap, type Problem, type Result } from "../problem.js";
import { reached } from "../steps.js";
import { digestOf } from "../store.js";
import { flush, writeNew } from "../write.js";
import { openPlain, type Share } from "./place.js";

/** No manifest is larger. Bytes. */
const MOST_MANIFEST = 1 << 30;

/** So many files are on their way at once. */
const BATCH = 1000;

/** The contents of a share. */
export class DirectoryContents implements ContentStore {
  constructor(private readonly share: Share) {}

  async missing(ids: readonly ArtifactId[]): Promise<ReadonlySet<ArtifactId>> {
    const missing = new Set<ArtifactId>();
    const absent = await this.share.missing(ids.map(digestOf));
    for (const id of ids) {
      if (absent.has(digestOf(id))) missing.add(id);
      else if (id.startsWith("t:")) {
        const manifest = await this.#manifest(id);
        if (!manifest.ok || (await this.share.missing(filesIn(manifest.value).keys())).size > 0)
          missing.add(id);
      }
    }
    return missing;
  }

  async give(id: ArtifactId): Promise<Result<Giving>> {
    const manifest = id.startsWith("t:") ? await this.#manifest(id) : ok(null);
    if (!manifest.ok) return manifest;
    const sizes =
      manifest.value === null
        ? new Map([[digestOf(id), await this.#sizeOf(digestOf(id))]])
        : filesIn(manifest.value);
    const [lost] = await this.share.missing(sizes.keys());
    if (lost !== undefined) return fail(Exit.environment, `${lost} is not in the cache ${this.share.name}`);
    return ok({
      ...{ id, size: total(sizes.values()), manifest: manifest.value, parent: null },
      copy: (files) => this.#copy(files, sizes),
    });
  }

  async #sizeOf(digest: string): Promise<number> {
    const opened = await openPlain(this.share.blobPath(digest)).catch(() => null);
    await opened?.file.close();
    return opened?.size ?? 0;
  }

  async #manifest(id: ArtifactId): Promise<Result<string>> {
    const digest = digestOf(id);
    const path = this.share.blobPath(digest);
    try {
      const opened = await openPlain(path);
      if (opened === null) return fail(Exit.environment, `${digest} is not in the cache ${this.share.name}`);
      try {
        if (opened.size > MOST_MANIFEST) throw new Error("it is too large");
        const text = (await opened.file.readFile()).toString("latin1");
        if (hashBytes(Buffer.from(text, "latin1")) !== digest) throw new Error(CHANGED);
        return ok(text);
      } finally {
        await opened.file.close();
      }
    } catch (error) {
      return this.#unusable(path, error);
    }
  }

  /** Copies are digested, and sizes looked at first: a file of another size is not read at all. */
  async #copy(files: ReadonlyMap<string, string>, sizes: ReadonlyMap<string, number>): Promise<Result<void>> {
    for (const [digest, to] of files) {
      const path = this.share.blobPath(digest);
      try {
        const opened = await openPlain(path);
        if (opened === null)
          return fail(Exit.environment, `${digest} is not in the cache ${this.share.name}`);
        try {
          if (opened.size !== sizes.get(digest)) throw new Error(CHANGED);
          const copied = await copyAndHash(pathOf(opened.file.fd), to);
          if (!copied.ok) return copied;
          if (copied.value.digest === digest) continue;
          rmSync(to);
          throw new Error(CHANGED);
        } finally {
          await opened.file.close();
        }
      } catch (error) {
        return this.#unusable(path, error);
      }
    }
    return ok(undefined);
  }

  /** What is no good goes where we may, so that the next machine that has it writes it again. */
  #unusable(path: string, error: unknown): Result<never> {
    if (!this.share.readOnly && error instanceof Error && !("code" in error)) remove(path);
    return fail(Exit.environment, `${path} in the cache cannot be used: ${saidOf(error)}`);
  }

  async take(givings: readonly Giving[]): Promise<ReadonlyMap<ArtifactId, Problem>> {
    const refused = new Map<ArtifactId, Problem>();
    for (const giving of givings) {
      try {
        await this.#take(giving);
      } catch (error) {
        const failed = ioProblem(`write to the cache ${this.share.name}`, error);
        if (error instanceof ProblemError) refused.set(giving.id, error.problem);
        else if (!failed.ok) refused.set(giving.id, failed.problem);
      }
    }
    return refused;
  }

  /** The manifest comes last: where it is, the files were. */
  async #take({ id, manifest, copy }: Giving): Promise<void> {
    const digest = digestOf(id);
    const files = manifest === null ? [digest] : [...filesIn(manifest).keys()];
    if (manifest !== null && hashBytes(Buffer.from(manifest, "latin1")) !== digest)
      stop(Exit.environment, `${id} is not what its digest says`);
    const missing = [...(await this.share.missing(files))];
    for (let at = 0; at < missing.length; at += BATCH)
      await this.#takeFiles(missing.slice(at, at + BATCH), copy, manifest === null);
    if (manifest === null || (await this.share.missing([digest])).size === 0) return;
    const temporary = this.share.temporary();
    await this.#naming([[digest, temporary]], true, () => {
      writeNew(temporary, [Buffer.from(manifest, "latin1")]);
      return Promise.resolve();
    });
  }

  #takeFiles(digests: readonly string[], copy: Giving["copy"], durable: boolean): Promise<void> {
    const files = digests.map((digest) => [digest, this.share.temporary()] as const);
    return this.#naming(files, durable, async () => {
      const wanted = new Map(files);
      unwrap(await copy(wanted));
      const wrong = await misnamed(wanted);
      if (wrong !== null) stop(Exit.environment, `${wrong} is not what its digest says`);
    });
  }

  /**
   * Names what `write` wrote; nothing is left where that fails. `durable`: it is on the disk before. The thousands of files
   * of a tree are not waited for: one that a crash of the server cuts off is found by its digest, as all damage is.
   */
  async #naming(
    files: readonly (readonly [string, string])[],
    durable: boolean,
    write: () => Promise<void>,
  ): Promise<void> {
    try {
      await write();
      for (const [digest, temporary] of files) {
        chmodSync(temporary, 0o444);
        if (durable) flush(temporary);
        reached("shared blob written", digest);
        this.share.settle(temporary, this.share.blobPath(digest));
        reached("blob shared", digest);
      }
    } catch (error) {
      for (const [, temporary] of files) remove(temporary);
      throw error;
    }
  }

  async verify(ids: readonly ArtifactId[]): Promise<ReadonlyMap<ArtifactId, Condition>> {
    const found = new Map<ArtifactId, Condition>();
    for (const id of ids) {
      const missing = (await this.share.missing([digestOf(id)])).size > 0;
      found.set(id, missing ? "missing" : (await this.#isWhole(id)) ? "whole" : "damaged");
    }
    return found;
  }

  async #isWhole(id: ArtifactId): Promise<boolean> {
    const manifest = id.startsWith("t:") ? await this.#manifest(id) : ok(null);
    if (!manifest.ok) return false;
    const digests = manifest.value === null ? [digestOf(id)] : [...filesIn(manifest.value).keys()];
    let whole = true;
    for (const digest of digests) if (!(await this.#isWholeFile(digest))) whole = false;
    return whole;
  }

  /** Removes what is no good where we may. */
  async #isWholeFile(digest: string): Promise<boolean> {
    const path = this.share.blobPath(digest);
    try {
      const opened = await openPlain(path);
      if (opened === null) return false;
      try {
        if ((await hashFile(pathOf(opened.file.fd), opened.size)) === digest) return true;
        throw new Error(CHANGED);
      } finally {
        await opened.file.close();
      }
    } catch (error) {
      this.#unusable(path, error);
      return false;
    }
  }
}

const CHANGED = "it is cut off, or was changed";

const total = (sizes: Iterable<number>): number => [...sizes].reduce((sum, size) => sum + size, 0);

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is in nobody's way: what is read is digested.
  }
}
