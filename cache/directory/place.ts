// A cache in a directory that several machines share: where things lie in it, and what is believed of it. Whoever may write
// there may say what a key stands for; everything else is digested. Nothing in it is followed as a link, opened where it is
// no regular file, or linked into a store, and nothing has its name before it is whole.
import { randomBytes } from "node:crypto";
import {
  constants,
  lstatSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  type Stats,
} from "node:fs";
import { open, readdir, stat, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { codeOf, ioProblem, temporaryName } from "../io.js";
import { Exit, fail, ok, stop, unwrap, type Result } from "../problem.js";

/** The form of what lies in it. Another one lies beside it. */
const FORM = "v1";

/** What lies in there. */
const PLACES = ["results", "blobs", "tmp"];

/** How long the first look at a share may take, in milliseconds: one whose server is gone answers never. */
const PATIENCE_MS = 20_000;

/** Temporary files that are older were left by a machine that was killed. */
const OLD_MS = 24 * 3600 * 1000;

/** A shared directory, opened. */
export class Share {
  private constructor(
    /** As people know it: the URL. */
    readonly name: string,
    private readonly root: string,
    readonly readOnly: boolean,
    private readonly owners: readonly number[] | null,
    /** The shared directory as it was when it was looked at. */
    private readonly opened: Pick<Stats, "dev" | "ino">,
  ) {}

  /** Directories that were looked at, and are believed. */
  readonly #trusted = new Set<string>();
  /** Two machines may have one name, and processes one number. */
  readonly #mark = randomBytes(4).toString("hex");

  /**
   * Opens the share in `dir`. Exit 3 where it is not there, or where others than `owners` (null: anybody's may be) have or
   * may write it.
   */
  static async open(
    dir: string,
    name: string,
    { readOnly, owners }: { readonly readOnly: boolean; readonly owners: readonly number[] | null },
  ): Promise<Result<Share>> {
    try {
      const found = await within(stat(dir), PATIENCE_MS);
      if (found === null)
        return fail(Exit.environment, `${dir} does not answer`, "is the server of that file system there?");
      if (!found.isDirectory()) return fail(Exit.environment, `${dir} is not a directory`);
      const root = join(realpathSync(dir), FORM);
      const share = new Share(name, root, readOnly, owners, found);
      for (const place of [dirname(root), root, ...PLACES.map((one) => join(root, one))]) {
        const stats = lstatSync(place, { throwIfNoEntry: false });
        const wrong = stats === undefined ? null : distrusted(place, stats, owners);
        if (wrong !== null) return wrong;
      }
      if (!readOnly) await share.#clean();
      return ok(share);
    } catch (error) {
      // Not made here: where a share should be mounted, it would fill this machine's own disk.
      if (codeOf(error) === "ENOENT")
        return fail(
          Exit.environment,
          `there is no directory ${dir}`,
          "make it, or mount what it should be on",
        );
      return ioProblem(`use the cache ${name}`, error);
    }
  }

  /**
   * Throws where it is not the directory that was looked at any more: one that was moved or unmounted leaves another in its
   * place, which nobody shares, or nothing.
   */
  stands(): void {
    const now = statSync(dirname(this.root), { throwIfNoEntry: false });
    if (now?.ino !== this.opened.ino || now.dev !== this.opened.dev)
      stop(Exit.environment, `${this.name} was moved, unmounted or removed while this ran`);
  }

  /** Where a result lies. Throws where others may have put it there: what it says is believed. */
  resultPath(key: string): string {
    const dir = join(this.root, "results", key.slice(0, 2));
    const stats = this.#trusted.has(dir) ? undefined : lstatSync(dir, { throwIfNoEntry: false });
    if (stats !== undefined) {
      unwrap(distrusted(dir, stats, this.owners) ?? ok(undefined));
      this.#trusted.add(dir);
    }
    return join(dir, `${key}.json`);
  }

  blobPath(digest: string): string {
    return join(this.root, "blobs", digest.slice(0, 2), digest);
  }

  /** A name to write under before it is whole: no other process has it, on no machine. */
  temporary(): string {
    this.stands();
    mkdirSync(join(this.root, "tmp"), { recursive: true });
    return temporaryName(join(this.root, "tmp", `${hostname()}-${this.#mark}`));
  }

  /** What was written gets its name; it is there already where another was quicker. Throws what the system says. */
  settle(temporary: string, path: string): void {
    this.stands();
    mkdirSync(dirname(path), { recursive: true });
    if (!lstatSync(dirname(path)).isDirectory()) throw new Error(`${dirname(path)} is not a directory`);
    renameSync(temporary, path);
  }

  /** Which blobs are there, of these; sizes and contents are not looked at. */
  async missing(digests: Iterable<string>): Promise<ReadonlySet<string>> {
    const parts = new Map<string, string[]>();
    for (const digest of digests) {
      const part = digest.slice(0, 2);
      parts.set(part, [...(parts.get(part) ?? []), digest]);
    }
    const missing = new Set<string>();
    for (const [part, wanted] of parts) {
      const there = new Set(await namesIn(join(this.root, "blobs", part)));
      for (const digest of wanted) if (!there.has(digest)) missing.add(digest);
    }
    return missing;
  }

  async #clean(): Promise<void> {
    const dir = join(this.root, "tmp");
    for (const name of await namesIn(dir)) {
      const path = join(dir, name);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (name.endsWith(".tmp") && stats?.isFile() === true && Date.now() - stats.mtimeMs > OLD_MS)
        rmSync(path, { force: true });
    }
  }
}

const namesIn = async (dir: string): Promise<string[]> => {
  try {
    return await readdir(dir);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
};

/** The value; null where it takes longer. */
async function within<T>(value: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

function distrusted(path: string, stats: Stats, owners: readonly number[] | null): Result<never> | null {
  if (!stats.isDirectory())
    return fail(Exit.environment, `${path} is not a directory, and no link is followed there`);
  const closed = owners === null ? 0o002 : 0o022;
  if (owners !== null && !owners.includes(stats.uid))
    return fail(
      Exit.environment,
      `${path} belongs to user ${stats.uid}: what a cache says is believed, and root believes only its own and that of the Imagefile's owner`,
      `give it to root if you trust what lies there (chown -R root ${path})`,
    );
  if ((stats.mode & closed) !== 0)
    return fail(
      Exit.environment,
      `${path} can be written by others: they would say what is built here`,
      `chmod go-w ${path}`,
    );
  return null;
}

/** What a file of the share holds, opened; null where none is there. Throws where it is not a regular file. */
export async function openPlain(path: string): Promise<{ file: FileHandle; size: number } | null> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw codeOf(error) === "ELOOP" ? new Error("it is a symbolic link") : error;
  }
  const stats = await file.stat();
  if (stats.isFile()) return { file, size: stats.size };
  await file.close();
  throw new Error("it is not a regular file");
}
