// SHA-256 of bytes and files: small files at once, big ones and long lists in worker threads that start when they are
// first needed.
import { hash, createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { programUrl } from "./installed.js";

/** Files up to this many bytes are digested on the calling thread: a message to a worker would cost as much. */
export const SMALL_FILE = 1 << 20;

/** Bytes in one digest. */
export const DIGEST_BYTES = 32;

const NON_ASCII = /[^\0-\x7f]/;

/**
 * A path for Node's file calls from a byte string (one character a byte, as `latin1` gives them): names in
 * trees are bytes, not text.
 */
export const bytePath = (bytes: string): string | Buffer =>
  NON_ASCII.test(bytes) ? Buffer.from(bytes, "latin1") : bytes;

/** A path of the host (text) as a byte string. */
export const toByteString = (path: string): string =>
  NON_ASCII.test(path) ? Buffer.from(path, "utf8").toString("latin1") : path;

/** SHA-256 in lower-case hexadecimal. */
export const hashBytes = (bytes: Uint8Array | string): string => hash("sha256", bytes, "hex");

let buffer: Buffer | undefined;

/** One buffer a thread, for calls that finish before anything else runs. */
export const scratch = (): Buffer => (buffer ??= Buffer.allocUnsafeSlow(SMALL_FILE));

/** Digests an open file from its present position, on this thread. Throws system errors. */
export function hashOpen(fd: number): string {
  const into = scratch();
  let count = readSync(fd, into, 0, into.length, null);
  // A short read of a regular file is its end.
  if (count < into.length) return hashBytes(into.subarray(0, count));
  const digest = createHash("sha256");
  while (count > 0) {
    digest.update(into.subarray(0, count));
    count = readSync(fd, into, 0, into.length, null);
  }
  return digest.digest("hex");
}

/** Digests a file on this thread, whatever its size. Throws system errors. */
export function hashFileHere(path: string | Buffer): string {
  const fd = openSync(path, "r");
  try {
    return hashOpen(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Digests a file; follows symlinks. `size` in bytes, if known, saves a stat. Rejects with the system error.
 */
export async function hashFile(path: string, size?: number): Promise<string> {
  if ((size ?? statSync(path).size) <= SMALL_FILE) return hashFileHere(path);
  const [digest] = await hashInWorkers([toByteString(path)], "", 1);
  if (digest === undefined) throw new Error(`no digest came back for ${path}`);
  return digest;
}

/** The digests that files of packages are named by, told apart by their length: a repository may have one alone. */
const NAMED_BY: Readonly<Record<number, string>> = { 64: "sha256", 96: "sha384", 128: "sha512" };

/** Whether a file has that digest: SHA-256, or SHA-384 or SHA-512. `size` as for `hashFile`. Rejects with the system error. */
export async function hasDigest(path: string, digest: string, size?: number): Promise<boolean> {
  const kind = NAMED_BY[digest.length];
  if (kind === undefined) return false;
  if (digest.length === 2 * DIGEST_BYTES) return (await hashFile(path, size)) === digest;
  const sum = createHash(kind);
  for await (const chunk of createReadStream(path)) sum.update(chunk as Buffer);
  return sum.digest("hex") === digest;
}

/** A file of a list to digest: its path as a byte string, below the list's root, and its size in bytes as far as known. */
export interface ToHash {
  readonly path: string;
  readonly size: number;
}

/** Below these a list is digested at once: starting workers takes about 25 ms. */
const FEW_FILES = 300;
const FEW_BYTES = 16 << 20;

/**
 * Digests many files, on all cores where it pays; digests come in the order of `files`. `root` is a byte string that stands
 * before each path. Rejects with the system error.
 */
export async function hashMany(files: readonly ToHash[], root = ""): Promise<string[]> {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length <= FEW_FILES && bytes <= FEW_BYTES)
    return files.map(({ path }) => hashFileHere(bytePath(root + path)));
  // Biggest first, so that no worker is left alone with a long one at the end.
  const order = files.map((_, index) => index).sort((a, b) => sizeAt(files, b) - sizeAt(files, a));
  const paths = order.flatMap((index) => files[index]?.path ?? []);
  const digests = await hashInWorkers(paths, root, poolSize());
  const result = new Array<string>(files.length);
  for (const [at, index] of order.entries()) {
    const digest = digests[at];
    if (digest === undefined) throw new Error("a digest of a file did not come back");
    result[index] = digest;
  }
  return result;
}

/** The first digest whose file is not what it says; null where all are. Rejects with the system error. */
export async function misnamed(files: ReadonlyMap<string, string>): Promise<string | null> {
  const list = [...files.values()].map((path) => ({ path: toByteString(path), size: statSync(path).size }));
  const found = await hashMany(list);
  return [...files.keys()].find((digest, at) => found[at] !== digest) ?? null;
}

const sizeAt = (files: readonly ToHash[], index: number): number => files[index]?.size ?? 0;

/** Most worker threads there will be. */
const poolSize = (): number => Math.min(4, availableParallelism());

/**
 * What a worker is sent: it takes paths by counting `next` up, so that workers share one list without talking. The paths, each
 * behind `root`, are in `bytes`, and where each ends is in `ends`: sent as strings they would be copied for every worker.
 */
export interface HashJob {
  readonly id: number;
  readonly root: string;
  readonly bytes: SharedArrayBuffer;
  readonly ends: SharedArrayBuffer;
  readonly next: SharedArrayBuffer;
  readonly digests: SharedArrayBuffer;
}

/** What a worker answers when no path is left, or one could not be read. */
export interface HashAnswer {
  readonly id: number;
  readonly error: { readonly message: string; readonly code: string } | null;
}

interface Hand {
  readonly worker: Worker;
  readonly waiting: Map<number, (error: Error | null) => void>;
}

const hands: Hand[] = [];
let jobs = 0;

async function hashInWorkers(paths: readonly string[], root: string, most: number): Promise<string[]> {
  const taken = takeHands(Math.min(most, paths.length));
  if (taken.length === 0) return paths.map((path) => hashFileHere(bytePath(root + path)));
  const next = new SharedArrayBuffer(4);
  const digests = new SharedArrayBuffer(DIGEST_BYTES * paths.length);
  const job: HashJob = { id: jobs++, root, ...shared(paths), next, digests };
  await Promise.all(taken.map((hand) => work(hand, job)));
  const all = Buffer.from(digests).toString("hex");
  return paths.map((_, index) => all.slice(2 * DIGEST_BYTES * index, 2 * DIGEST_BYTES * (index + 1)));
}

function shared(paths: readonly string[]): Pick<HashJob, "bytes" | "ends"> {
  const bytes = new SharedArrayBuffer(paths.reduce((sum, path) => sum + path.length, 0));
  const ends = new SharedArrayBuffer(4 * paths.length);
  const [text, at] = [Buffer.from(bytes), new Uint32Array(ends)];
  let end = 0;
  for (const [index, path] of paths.entries()) {
    end += text.write(path, end, "latin1");
    at[index] = end;
  }
  return { bytes, ends };
}

/** The `count` hands with least to do; starts missing ones while the others are busy. None where no thread can be started. */
function takeHands(count: number): Hand[] {
  const idle = hands.filter((hand) => hand.waiting.size === 0).length;
  for (let missing = count - idle; missing > 0 && hands.length < poolSize(); missing--) {
    const hand = startHand();
    if (hand === null) break;
    hands.push(hand);
  }
  return [...hands].sort((a, b) => a.waiting.size - b.waiting.size).slice(0, count);
}

function work(hand: Hand, job: HashJob): Promise<void> {
  return new Promise((resolve, reject) => {
    hand.waiting.set(job.id, (error) => (error === null ? resolve() : reject(error)));
    // Referenced while it works, so that the process waits for the answer, and only then.
    hand.worker.ref();
    hand.worker.postMessage(job);
  });
}

/** Null where the limit of processes, which counts threads, is reached: what is there does the work. */
function startHand(): Hand | null {
  let worker: Worker;
  try {
    worker = new Worker(programUrl("hash-worker"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_WORKER_INIT_FAILED") return null;
    throw error;
  }
  const hand: Hand = { worker, waiting: new Map() };
  worker.unref();
  worker.on("message", ({ id, error }: HashAnswer) => {
    const answer = hand.waiting.get(id);
    hand.waiting.delete(id);
    if (hand.waiting.size === 0) worker.unref();
    answer?.(error === null ? null : Object.assign(new Error(error.message), { code: error.code }));
  });
  const gone = (error: Error): void => {
    const at = hands.indexOf(hand);
    if (at >= 0) hands.splice(at, 1);
    for (const answer of hand.waiting.values()) answer(error);
    hand.waiting.clear();
  };
  worker.on("error", gone);
  worker.on("exit", () => gone(new Error("a hashing thread ended early")));
  return hand;
}
