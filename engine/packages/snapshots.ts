// Snapshots on the disk: where each lies, and taking new ones. Which release has which is not known here.
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
import { copyAndHash } from "../../cache/copy.js";
import { hashFile } from "../../cache/hash.js";
import type { Json } from "../model.js";
import { fail, ok, type Problem, type Result } from "../problem.js";
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
    this.#keep(dir, digest);
    return ok(digest);
  }

  /** Takes over a copy of the snapshot `digest` that lies in `from`, if it is that one; `scratch` is beside the store. */
  async add(from: string, digest: string, scratch: string): Promise<Result<void>> {
    if (this.find(digest) !== null) return ok(undefined);
    const dir = mkdtempSync(join(scratch, "snapshot-"));
    const copied = await copySnapshot(from, dir);
    if (!copied.ok) return copied;
    if ((await settle(dir)) !== digest) return fail(2, `${from} is not the snapshot that it is called`);
    this.#keep(dir, digest);
    return ok(undefined);
  }

  #keep(dir: string, digest: string): void {
    if (this.find(digest) !== null) return;
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    renameSync(dir, join(this.dir, digest));
  }
}

/** Runs `work` with a scratch directory in `parent`, which is made if need be, and removes it afterwards. */
export async function withScratch<T>(
  parent: string,
  prefix: string,
  work: (scratch: string) => Promise<T>,
): Promise<T> {
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const scratch = mkdtempSync(join(parent, prefix));
  try {
    return await work(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
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
    } else return fail(2, `${source} is neither a file nor a directory, so it is no part of a snapshot`);
    const { atime, mtime } = lstatSync(source);
    utimesSync(copy, atime, mtime);
  }
  return ok(undefined);
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

/** `2026-11-21 23:41:07 UTC`. */
export const moment = (iso: string): string => `${iso.slice(0, 19).replace("T", " ")} UTC`;

/** What a release holds of a snapshot: when it was taken, and its name. */
type Taken = readonly [taken: string, name: string];

/**
 * What is said where a release got snapshots at `taking`, some of them in place of others because the `reconfigured` are
 * configured otherwise. It had those `before`.
 */
export function renewedTexts(
  datecode: string,
  taking: string | null,
  before: readonly Taken[],
  later: readonly string[],
  reconfigured: readonly string[],
): string[] {
  const renewed = [...later, ...reconfigured];
  const [first] = before.filter(([taken, name]) => taken !== taking && !renewed.includes(name)).sort();
  return [
    ...reconfigured.map((name) => reconfiguredText(name, datecode)),
    ...(first === undefined || renewed.length === 0
      ? []
      : [laterText(renewed, taking ?? "", first, datecode)]),
  ];
}

/** A problem of an older snapshot, with what takes a new one: it may have been mended in the repository since. */
export function dated(problem: Problem, taken: string): Problem {
  if (problem.ofHost === true || problem.hint?.includes("release refresh") === true) return problem;
  const refresh = `the release's snapshot is of ${moment(taken)}; \`imagemake release refresh\` takes a new one`;
  return { ...problem, hint: problem.hint === undefined ? refresh : `${problem.hint}\n${refresh}` };
}

/** A release whose snapshots are of different moments mixes states of its repositories. */
function laterText(later: readonly string[], taking: string, [taken, name]: Taken, datecode: string): string {
  const [what, are] = later.length === 1 ? ["snapshot", "is"] : ["snapshots", "are"];
  return (
    `the ${what} of ${later.join(", ")} ${are} of ${moment(taking)}, and the first of release ${datecode}` +
    ` (${name}) is of ${moment(taken)}: \`imagemake release refresh\` takes all of them anew`
  );
}

/** A snapshot counts only under the configuration that it was taken with. */
const reconfiguredText = (name: string, datecode: string): string =>
  `the configuration or the keys of ${name} are not those of its snapshot in release ${datecode}: a new snapshot was` +
  ` taken, as \`imagemake release refresh\` does, and packages are verified by what is asked for now`;
