// Blobs of a content-addressable store by SHA-256 and size: small ones many at a time, large ones as streams. All that comes
// is digested on its way.
import { createHash, randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { hashBytes } from "../hash.js";
import { Exit, stop } from "../problem.js";
import type { Link } from "./link.js";
import {
  Capabilities,
  ContentAddressableStorage,
  DigestFunction_Value,
  type Digest,
} from "./protocol/build/bazel/remote/execution/v2/remote_execution_pb.js";
import { ByteStream } from "./protocol/google/bytestream/bytestream_pb.js";
import { atOnce } from "../at-once.js";

/** What a blob is called there. */
export interface Blob {
  readonly hash: string;
  /** In bytes. */
  readonly size: number;
}

/** What a server can. */
export interface Limits {
  /** Of all blobs of one message, in bytes. */
  readonly batch: number;
  /** Of one blob, in bytes. */
  readonly largest: number;
  /** Whether clients may write results. */
  readonly results: boolean;
}

/** A blob to send: its bytes, or the file that holds them. */
export interface Outgoing {
  readonly blob: Blob;
  readonly from: Uint8Array | { readonly path: string };
}

/** Messages stay below what servers take where they name no limit (4 MiB, of which a digest takes some as well). */
const MOST_BATCH = 1.5 * (1 << 20);
const MOST_DIGESTS = 10_000;
/** A server may write each to its disk before it answers. */
const MOST_BLOBS = 500;
/** What a blob takes of a message beside its bytes. */
const BESIDE = 100;

const CHUNK = 1 << 20;

/** So many messages of a stream may hold nothing. */
const MOST_EMPTY = 1000;

/** Calls that are under way at once. */
const AT_ONCE = 8;

/** How long the first call may take: what is not there then is not waited for. Milliseconds. */
const FIRST_MS = 10_000;

/** The empty blob, which every server has, whatever it says. */
const EMPTY = hashBytes("");

/** The blob that these bytes are. */
export const blobOf = (bytes: Uint8Array): Blob => ({ hash: hashBytes(bytes), size: bytes.length });

/** As messages have it. */
export const digestFrom = ({ hash, size }: Blob): { hash: string; sizeBytes: bigint } => ({
  hash,
  sizeBytes: BigInt(size),
});

/** As messages have it; null for what is not a SHA-256. */
export const blobFrom = (digest: Digest | undefined): Blob | null =>
  digest !== undefined &&
  /^[0-9a-f]{64}$/.test(digest.hash) &&
  digest.sizeBytes >= 0n &&
  digest.sizeBytes <= BigInt(Number.MAX_SAFE_INTEGER)
    ? { hash: digest.hash, size: Number(digest.sizeBytes) }
    : null;

/** Digests of what is missing there, or is something else. */
export interface Unfetched {
  readonly lost: readonly string[];
  readonly wrong: readonly string[];
}

/** The blobs of a server. */
export class Blobs {
  #limits: Promise<Limits> | undefined;

  constructor(private readonly link: Link) {}

  /** What the server says that it can; asked once. */
  limits(): Promise<Limits> {
    return (this.#limits ??= this.#askLimits());
  }

  async #askLimits(): Promise<Limits> {
    const { name, instance } = this.link.address;
    const answer = await this.link.call(
      Capabilities.method.getCapabilities,
      { instanceName: instance },
      FIRST_MS,
    );
    const can = answer?.cacheCapabilities;
    if (can === undefined) stop(Exit.environment, `${name} is not a cache`);
    if (!can.digestFunctions.includes(DigestFunction_Value.SHA256))
      stop(Exit.environment, `${name} does not support SHA-256`);
    const [batch, largest] = [Number(can.maxBatchTotalSizeBytes), Number(can.maxCasBlobSizeBytes)];
    return {
      // 0 is "no limit", or nothing said.
      batch: batch > 0 ? Math.min(batch, MOST_BATCH) : MOST_BATCH,
      largest: largest > 0 ? largest : Number.MAX_SAFE_INTEGER,
      results: can.actionCacheUpdateCapabilities?.updateEnabled === true,
    };
  }

  /** Which of these are not there. */
  async missing(blobs: Iterable<Blob>): Promise<readonly Blob[]> {
    const wanted = new Map<string, Blob>();
    for (const blob of blobs) if (blob.hash !== EMPTY) wanted.set(blob.hash, blob);
    if (wanted.size > 0) await this.limits();
    const missing = new Set<string>();
    await atOnce(
      batches(wanted.values(), () => 0, { count: MOST_DIGESTS, bytes: 0 }),
      AT_ONCE,
      async (some) => {
        const answer = await this.link.call(ContentAddressableStorage.method.findMissingBlobs, {
          instanceName: this.link.address.instance,
          blobDigests: some.map(digestFrom),
        });
        if (answer === null) for (const { hash } of some) missing.add(hash);
        else for (const { hash } of answer.missingBlobDigests) missing.add(hash);
      },
    );
    return [...wanted.values()].filter(({ hash }) => missing.has(hash));
  }

  /** Writes them. Throws what the server says against one. */
  async put(all: readonly Outgoing[]): Promise<void> {
    const { batch } = await this.limits();
    const isSmall = ({ blob }: Outgoing): boolean => blob.size + BESIDE <= batch;
    const limit = { count: MOST_BLOBS, bytes: batch };
    const small = batches(all.filter(isSmall), ({ blob }) => blob.size + BESIDE, limit);
    await atOnce(small, AT_ONCE, (some) => this.#putSmall(some));
    const large = all.filter((one) => !isSmall(one));
    await atOnce(large, AT_ONCE, (one) => this.#putLarge(one));
  }

  async #putSmall(some: readonly Outgoing[]): Promise<void> {
    const answer = await this.link.call(ContentAddressableStorage.method.batchUpdateBlobs, {
      instanceName: this.link.address.instance,
      requests: some.map(({ blob, from }) => ({ digest: digestFrom(blob), data: bytesOf(from, blob.size) })),
    });
    const done = new Set<string>();
    for (const { digest, status } of answer?.responses ?? [])
      if ((status?.code ?? 0) === 0 && digest !== undefined) done.add(digest.hash);
    const refused = some.find(({ blob: { hash } }) => !done.has(hash) && hash !== EMPTY);
    if (refused === undefined) return;
    const said = answer?.responses.find(({ digest }) => digest?.hash === refused.blob.hash)?.status;
    const why = said === undefined ? "" : ` (${said.code}: ${said.message.slice(0, 200)})`;
    stop(Exit.environment, `${this.link.address.name} does not take ${refused.blob.hash}${why}`);
  }

  async #putLarge({ blob, from }: Outgoing): Promise<void> {
    const answer = await this.link.send(ByteStream.method.write, () =>
      chunksOf(this.#named(`uploads/${randomUUID()}/blobs/${blob.hash}/${blob.size}`), from, blob.size),
    );
    // What is there already is answered with the size of what it is, or with -1 where it is compressed.
    const committed = Number(answer?.committedSize ?? 0);
    if (committed !== blob.size && committed !== -1)
      stop(
        Exit.environment,
        `${this.link.address.name} kept ${committed} bytes of ${blob.hash}, which has ${blob.size}`,
      );
  }

  #named(resource: string): string {
    const { instance } = this.link.address;
    return instance === "" ? resource : `${instance}/${resource}`;
  }

  /** The bytes of one; null where it is not there. Throws where they are not what its digest says. */
  async read(blob: Blob): Promise<Buffer | null> {
    const parts: Uint8Array[] = [];
    const found = await this.#stream(blob, (bytes) => void parts.push(bytes));
    if (found === "wrong")
      stop(Exit.environment, `${this.link.address.name} has other bytes for ${blob.hash}`);
    return found === "lost" ? null : Buffer.concat(parts);
  }

  /** Writes them to paths at which nothing lies. Of what is not as it should be nothing is left. */
  async fetch(wanted: readonly { readonly blob: Blob; readonly to: string }[]): Promise<Unfetched> {
    const { batch } = await this.limits();
    const lost: string[] = [];
    const wrong: string[] = [];
    const end = ({ hash }: Blob, to: string, how: "whole" | "lost" | "wrong"): void => {
      if (how === "whole") return;
      rmSync(to, { force: true });
      (how === "lost" ? lost : wrong).push(hash);
    };
    const isSmall = ({ blob }: { blob: Blob }): boolean => blob.size + BESIDE <= batch;
    const limit = { count: MOST_BLOBS, bytes: batch };
    const small = batches(wanted.filter(isSmall), ({ blob }) => blob.size + BESIDE, limit);
    await atOnce(small, AT_ONCE, async (some) => {
      const found = await this.#readSmall(some.map(({ blob }) => blob));
      for (const { blob, to } of some) {
        const data = blob.size === 0 ? new Uint8Array() : found.get(blob.hash);
        if (data === undefined) end(blob, to, "lost");
        else if (data.length !== blob.size || hashBytes(data) !== blob.hash) end(blob, to, "wrong");
        else writeFile(to, data);
      }
    });
    const large = wanted.filter((one) => !isSmall(one));
    await atOnce(large, AT_ONCE, async ({ blob, to }) => {
      const fd = openSync(to, "wx");
      try {
        end(blob, to, await this.#stream(blob, (bytes) => writeAll(fd, bytes)));
      } catch (error) {
        rmSync(to, { force: true });
        throw error;
      } finally {
        closeSync(fd);
      }
    });
    return { lost, wrong };
  }

  async #readSmall(blobs: readonly Blob[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const wanted = blobs.filter(({ size }) => size > 0);
    const found = new Map<string, Uint8Array>();
    if (wanted.length === 0) return found;
    const answer = await this.link.call(ContentAddressableStorage.method.batchReadBlobs, {
      instanceName: this.link.address.instance,
      digests: wanted.map(digestFrom),
    });
    for (const { digest, data, status } of answer?.responses ?? [])
      if ((status?.code ?? 0) === 0 && digest !== undefined) found.set(digest.hash, data);
    return found;
  }

  /** Digests them without keeping them. */
  async look(blob: Blob): Promise<"whole" | "lost" | "wrong"> {
    return this.#stream(blob, () => undefined);
  }

  /** A stream that does not end ends here once it has more bytes than the blob. */
  async #stream(blob: Blob, write: (bytes: Uint8Array) => void): Promise<"whole" | "lost" | "wrong"> {
    if (blob.size === 0) return "whole";
    const sum = createHash("sha256");
    let at = 0;
    let empty = 0;
    const tooLong = new Error("it is longer than it should be");
    try {
      const found = await this.link.receive(
        ByteStream.method.read,
        () => ({ resourceName: this.#named(`blobs/${blob.hash}/${blob.size}`), readOffset: BigInt(at) }),
        ({ data }) => {
          at += data.length;
          if (at > blob.size || (data.length === 0 && ++empty > MOST_EMPTY)) throw tooLong;
          sum.update(data);
          write(data);
        },
      );
      if (found === null) return "lost";
    } catch (error) {
      if (error === tooLong) return "wrong";
      throw error;
    }
    return at === blob.size && sum.digest("hex") === blob.hash ? "whole" : "wrong";
  }
}

/** Parts of a list, each with no more members and bytes than that; a member by itself may have more bytes. */
export function* batches<T>(
  items: Iterable<T>,
  sizeOf: (item: T) => number,
  most: { readonly count: number; readonly bytes: number },
): Generator<readonly T[]> {
  let some: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (some.length > 0 && (some.length >= most.count || bytes + size > most.bytes)) {
      yield some;
      [some, bytes] = [[], 0];
    }
    some.push(item);
    bytes += size;
  }
  if (some.length > 0) yield some;
}

function bytesOf(from: Outgoing["from"], size: number): Uint8Array {
  if (from instanceof Uint8Array) return from;
  const bytes = Buffer.alloc(size);
  const fd = openSync(from.path, "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}

/** What is sent of a blob, message by message; the first one has its name. */
async function* chunksOf(
  name: string,
  from: Outgoing["from"],
  size: number,
): AsyncGenerator<{ resourceName: string; writeOffset: bigint; finishWrite: boolean; data: Uint8Array }> {
  const fd = from instanceof Uint8Array ? null : openSync(from.path, "r");
  try {
    for (let at = 0; at < size; at += CHUNK) {
      const length = Math.min(CHUNK, size - at);
      const data =
        fd === null ? (from as Uint8Array).subarray(at, at + length) : Buffer.allocUnsafeSlow(length);
      if (fd !== null) readSync(fd, data, 0, length, at);
      yield {
        resourceName: at === 0 ? name : "",
        writeOffset: BigInt(at),
        finishWrite: at + length === size,
        data,
      };
      // Others have their turn between two reads.
      await Promise.resolve();
    }
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function writeFile(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "wx");
  try {
    writeAll(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}
