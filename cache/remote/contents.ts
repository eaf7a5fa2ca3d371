// Files and trees in the content-addressable store of a server: blobs by digest. A tree is the blob of its manifest and those
// of the files that this names; beside it lies a Tree message that names the same, by which a server knows what belongs
// together. A server knows blobs by digest and size, and an artifact's name has no size: what a run learnt is kept in `Known`.
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { toBinary, create } from "@bufbuild/protobuf";
import type { Condition, ContentStore, Giving } from "../content-store.js";
import { hashBytes, misnamed } from "../hash.js";
import type { ArtifactId } from "../index.js";
import { ioProblem } from "../io.js";
import { filesIn } from "../manifests.js";
import { Exit, fail, ok, ProblemError, stop, unwrap, type Problem, type Result } from "../problem.js";
import { digestOf } from "../store.js";
import { batches, blobOf, type Blob, type Blobs, type Outgoing } from "./blobs.js";
import { bagOf } from "./bag.js";
import type { Link } from "./link.js";
import { TreeSchema } from "./protocol/build/bazel/remote/execution/v2/remote_execution_pb.js";

/** What is known of an artifact's blobs. */
export interface Parts {
  /** The file, or the manifest of a tree. */
  readonly blob: Blob;
  /** The Tree message of a tree; null for a file. */
  readonly bag: Blob | null;
  /** The files of a tree, sizes by digest; null where nobody read the manifest yet. */
  readonly files: ReadonlyMap<string, number> | null;
}

/** What one run knows of artifacts there: from results that it found, and from what it gave. */
export type Known = Map<ArtifactId, Parts>;

/** No manifest is larger. Bytes. */
const MOST_MANIFEST = 1 << 30;

/** So many files, or bytes, are copied before they are sent. */
const MOST_COPIED = { count: 1000, bytes: 256 << 20 };

/** The contents of a server. */
export class RemoteContents implements ContentStore {
  constructor(
    private readonly link: Link,
    private readonly blobs: Blobs,
    private readonly known: Known,
    /** Makes an empty directory for what is on its way there. */
    private readonly makeScratch: () => string,
  ) {}

  /** What this run knows nothing of is missing: taking it again sends nothing that is there. */
  async missing(ids: readonly ArtifactId[]): Promise<ReadonlySet<ArtifactId>> {
    const missing = new Set<ArtifactId>();
    for (const id of ids) {
      const parts = this.known.get(id);
      const files = parts === undefined ? ok(null) : await this.#filesOf(id, parts);
      if (parts === undefined || !files.ok) missing.add(id);
      else if ((await this.blobs.missing(allOf(parts, files.value))).length > 0) missing.add(id);
    }
    return missing;
  }

  async #filesOf(id: ArtifactId, parts: Parts): Promise<Result<Parts["files"]>> {
    if (!id.startsWith("t:") || parts.files !== null) return ok(parts.files);
    const manifest = await this.#manifest(id, parts);
    if (!manifest.ok) return manifest;
    const files = filesIn(manifest.value);
    this.known.set(id, { ...parts, files });
    return ok(files);
  }

  async give(id: ArtifactId): Promise<Result<Giving>> {
    const parts = this.known.get(id);
    if (parts === undefined) return this.#lost(digestOf(id));
    const manifest = id.startsWith("t:") ? await this.#manifest(id, parts) : ok(null);
    if (!manifest.ok) return manifest;
    const sizes =
      manifest.value === null ? new Map([[parts.blob.hash, parts.blob.size]]) : filesIn(manifest.value);
    const [lost] = await this.blobs.missing(blobsIn(sizes));
    if (lost !== undefined) return this.#lost(lost.hash);
    return ok({
      ...{ id, size: total(sizes.values()), manifest: manifest.value, parent: null },
      copy: (files) => this.#copy(files, sizes),
    });
  }

  #lost(digest: string): Result<never> {
    return fail(Exit.environment, `${digest} is not in the cache ${this.link.address.name}`);
  }

  #changed(digest: string): Result<never> {
    return fail(
      Exit.environment,
      `${this.link.address.name} has other bytes for ${digest} than its digest says`,
    );
  }

  async #manifest(id: ArtifactId, { blob }: Parts): Promise<Result<string>> {
    if (blob.size > MOST_MANIFEST) return fail(Exit.environment, `the manifest ${blob.hash} is too large`);
    try {
      const bytes = await this.blobs.read(blob);
      if (bytes === null) return this.#lost(blob.hash);
      return hashBytes(bytes) === digestOf(id) ? ok(bytes.toString("latin1")) : this.#changed(blob.hash);
    } catch (error) {
      return this.#unlessGone(error);
    }
  }

  /** A problem with one thing is told of that; a server that is gone is everybody's. */
  #unlessGone(error: unknown): Result<never> {
    if (!(error instanceof ProblemError) || this.link.isGone) throw error;
    return { ok: false, problem: error.problem };
  }

  async #copy(files: ReadonlyMap<string, string>, sizes: ReadonlyMap<string, number>): Promise<Result<void>> {
    try {
      const wanted: { blob: Blob; to: string }[] = [];
      for (const [hash, to] of files) {
        const size = sizes.get(hash);
        if (size === undefined) return this.#lost(hash);
        wanted.push({ blob: { hash, size }, to });
      }
      const {
        lost: [lost],
        wrong: [wrong],
      } = await this.blobs.fetch(wanted);
      if (wrong !== undefined) return this.#changed(wrong);
      return lost === undefined ? ok(undefined) : this.#lost(lost);
    } catch (error) {
      if (error instanceof ProblemError) return this.#unlessGone(error);
      return ioProblem(`write what comes from ${this.link.address.name}`, error);
    }
  }

  async take(givings: readonly Giving[]): Promise<ReadonlyMap<ArtifactId, Problem>> {
    const refused = new Map<ArtifactId, Problem>();
    for (const giving of givings) {
      try {
        await (giving.manifest === null ? this.#takeFile(giving) : this.#takeTree(giving, giving.manifest));
      } catch (error) {
        if (this.link.isGone) throw error;
        const failed = ioProblem(`send ${giving.id}`, error);
        if (error instanceof ProblemError) refused.set(giving.id, error.problem);
        else if (!failed.ok) refused.set(giving.id, failed.problem);
      }
    }
    return refused;
  }

  async #takeFile({ id, size, copy }: Giving): Promise<void> {
    const blob = { hash: digestOf(id), size };
    await this.#send(await this.blobs.missing([blob]), copy);
    this.known.set(id, { blob, bag: null, files: null });
  }

  /** The manifest comes last: where it is, the files were. */
  async #takeTree({ id, parent, copy }: Giving, manifest: string): Promise<void> {
    const bytes = Buffer.from(manifest, "latin1");
    const blob = blobOf(bytes);
    if (blob.hash !== digestOf(id)) stop(Exit.environment, `${id} is not what its digest says`);
    const files = filesIn(manifest);
    const beneath = parent === null ? null : (this.known.get(parent)?.files ?? null);
    const own = [...blobsIn(files)].filter(({ hash }) => beneath?.has(hash) !== true);
    const message = toBinary(TreeSchema, create(TreeSchema, bagOf(own)));
    const bag = blobOf(message);
    await this.#send(await this.blobs.missing(blobsIn(files)), copy);
    const last: Outgoing[] = [
      { blob, from: bytes },
      { blob: bag, from: message },
    ];
    const missing = new Set((await this.blobs.missing([blob, bag])).map(({ hash }) => hash));
    await this.#put(last.filter((one) => missing.has(one.blob.hash)));
    this.known.set(id, { blob, bag, files });
  }

  /** Copies blobs, some at a time, looks whether they are what they should be, and sends them. */
  async #send(missing: readonly Blob[], copy: Giving["copy"]): Promise<void> {
    await this.#requireFit(missing);
    if (missing.length === 0) return;
    const scratch = this.makeScratch();
    try {
      for (const some of batches(missing, ({ size }) => size, MOST_COPIED))
        await this.#sendSome(some, copy, scratch);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  async #sendSome(some: readonly Blob[], copy: Giving["copy"], scratch: string): Promise<void> {
    const all = some.map((blob) => ({ blob, path: join(scratch, blob.hash) }));
    const paths = new Map(all.map(({ blob, path }) => [blob.hash, path]));
    unwrap(await copy(paths));
    const wrong = await misnamed(paths);
    if (wrong !== null) stop(Exit.environment, `${wrong} is not what its digest says`);
    const other = all.find(({ blob, path }) => statSync(path).size !== blob.size);
    if (other !== undefined)
      stop(Exit.environment, `${other.blob.hash} has not the size that it is said to have`);
    await this.#put(all.map(({ blob, path }) => ({ blob, from: { path } })));
    for (const { path } of all) rmSync(path, { force: true });
  }

  async #put(all: readonly Outgoing[]): Promise<void> {
    await this.#requireFit(all.map(({ blob }) => blob));
    await this.blobs.put(all);
  }

  async #requireFit(blobs: readonly Blob[]): Promise<void> {
    if (blobs.length === 0) return;
    const { largest } = await this.blobs.limits();
    const large = blobs.find(({ size }) => size > largest);
    if (large !== undefined)
      throw new ProblemError({
        ...{ exit: Exit.environment, ofOne: true },
        message: `${this.link.address.name} takes no file of ${large.size} bytes (${large.hash})`,
      });
  }

  /** What is damaged there stays: clients of a server remove nothing. */
  async verify(ids: readonly ArtifactId[]): Promise<ReadonlyMap<ArtifactId, Condition>> {
    const found = new Map<ArtifactId, Condition>();
    for (const id of ids) found.set(id, await this.#verify(id));
    return found;
  }

  async #verify(id: ArtifactId): Promise<Condition> {
    const parts = this.known.get(id);
    if (parts === undefined) return "missing";
    const first = await this.blobs.look(parts.blob);
    if (first !== "whole") return first === "lost" ? "missing" : "damaged";
    const files = await this.#filesOf(id, parts);
    if (!files.ok) return "damaged";
    for (const blob of blobsIn(files.value ?? new Map<string, number>()))
      if ((await this.blobs.look(blob)) !== "whole") return "damaged";
    return "whole";
  }
}

function* blobsIn(files: ReadonlyMap<string, number>): Generator<Blob> {
  for (const [hash, size] of files) yield { hash, size };
}

function* allOf({ blob, bag }: Parts, files: Parts["files"]): Generator<Blob> {
  yield blob;
  if (bag !== null) yield bag;
  if (files !== null) yield* blobsIn(files);
}

const total = (sizes: Iterable<number>): number => {
  let sum = 0;
  for (const size of sizes) sum += size;
  return sum;
};
