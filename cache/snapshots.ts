// Snapshots of repositories in the store: a directory each, under a digest over what is in it.
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { copyAndHash } from "./copy.js";
import { hashFile } from "./hash.js";
import { isDirectory } from "./io.js";
import { Exit, fail, ok, type Result } from "./problem.js";

/** Directories of snapshots; each snapshot is a directory named by its digest. */
export class Snapshots {
  readonly #whole = new Map<string, Promise<boolean>>();

  /** New ones go to `dir`; those in `others` are found too. */
  constructor(
    private readonly dir: string,
    private readonly others: readonly string[] = [],
  ) {}

  /** The directory of a snapshot, null where it is not here. */
  find(digest: string): string | null {
    return [this.dir, ...this.others].map((place) => join(place, digest)).find(existsSync) ?? null;
  }

  /** The same, of one that still is what it was when it was taken: what it says decides which packages there are. */
  async whole(digest: string): Promise<string | null> {
    const dir = this.find(digest);
    if (dir === null) return null;
    const whole = this.#whole.get(dir) ?? isWhole(dir, digest);
    this.#whole.set(dir, whole);
    return (await whole) ? dir : null;
  }

  /** Deletes it, whatever lies there. */
  remove(digest: string): void {
    const dir = join(this.dir, digest);
    rmSync(dir, { recursive: true, force: true });
    this.#whole.delete(dir);
  }

  /** Keeps what was written into `dir`, which is beside the store, as a snapshot; returns its digest. */
  async keep(dir: string): Promise<string> {
    const digest = await settle(dir);
    this.#keep(dir, digest);
    return digest;
  }

  /** Takes over a copy of the snapshot `digest` that lies in `from`, if it is that one; `scratch` is beside the store. */
  async add(from: string, digest: string, scratch: string): Promise<Result<void>> {
    if (this.find(digest) !== null) return ok(undefined);
    const dir = mkdtempSync(join(scratch, "snapshot-"));
    const copied = await copySnapshot(from, dir);
    if (!copied.ok) return copied;
    if ((await settle(dir)) !== digest)
      return fail(Exit.usage, `${from} is not the snapshot that it is called`);
    this.#keep(dir, digest);
    return ok(undefined);
  }

  #keep(dir: string, digest: string): void {
    if (this.find(digest) !== null) return;
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    renameSync(dir, join(this.dir, digest));
  }
}

/** Copies a snapshot into a directory that is there. Times are part of it: apt's cache records those of its lists. */
export async function copySnapshot(from: string, to: string): Promise<Result<void>> {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      mkdirSync(copy, { recursive: true });
      const copied = await copySnapshot(source, copy);
      if (!copied.ok) return copied;
    } else if (entry.isFile()) {
      const copied = await copyAndHash(source, copy);
      if (!copied.ok) return copied;
    } else
      return fail(Exit.usage, `${source} is neither a file nor a directory, so it is no part of a snapshot`);
    const { atime, mtime } = lstatSync(source);
    utimesSync(copy, atime, mtime);
  }
  return ok(undefined);
}

/** Flushes the files below a directory to the disk; the digest over their names and contents. */
async function settle(dir: string): Promise<string> {
  for (const file of filesBelow(dir)) {
    const fd = openSync(file, "r");
    fsyncSync(fd);
    closeSync(fd);
  }
  return digestOf(dir);
}

const isWhole = async (dir: string, digest: string): Promise<boolean> =>
  isDirectory(dir) && (await digestOf(dir)) === digest;

async function digestOf(dir: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of filesBelow(dir)) hash.update(`${file.slice(dir.length)}\0${await hashFile(file)}\n`);
  return hash.digest("hex");
}

const filesBelow = (dir: string): readonly string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
