// Snapshots on the disk: where each lies, and taking new ones. Which release has which is not known here.
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
} from "node:fs";
import { join } from "node:path";
import { hashFile } from "../../cache/hash.js";
import type { Json } from "../model.js";
import { ok, type Result } from "../problem.js";
import type { PackageDriver, SnapshotContext } from "./driver.js";

/** Directories of snapshots; each snapshot is a directory named by its digest. */
export class Snapshots {
  /** New ones go to `dir`; those in `others` are found too. */
  constructor(
    private readonly dir: string,
    private readonly others: readonly string[] = [],
  ) {}

  /** The directory of a snapshot; null where it is not here. */
  find(digest: string): string | null {
    return [this.dir, ...this.others].map((place) => join(place, digest)).find(existsSync) ?? null;
  }

  /** Takes a snapshot; returns its digest. Uses the network. What is not complete never gets its name. */
  async take(
    driver: PackageDriver,
    repo: Json,
    arch: string,
    context: SnapshotContext,
  ): Promise<Result<string>> {
    const dir = mkdtempSync(join(context.scratch, "snapshot-"));
    const taken = await driver.snapshot(repo, arch, dir, context);
    if (!taken.ok) return taken;
    const digest = await settle(dir);
    if (this.find(digest) === null) {
      mkdirSync(this.dir, { recursive: true, mode: 0o700 });
      renameSync(dir, join(this.dir, digest));
    }
    return ok(digest);
  }
}

/** Flushes the files below a directory to the disk; the digest over their names and contents. */
async function settle(dir: string): Promise<string> {
  const hash = createHash("sha256");
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) {
    const fd = openSync(file, "r");
    fsyncSync(fd);
    closeSync(fd);
    hash.update(`${file.slice(dir.length)}\0${await hashFile(file)}\n`);
  }
  return hash.digest("hex");
}
