// Watches directories, by chokidar, which is loaded here alone. What it tells is a hint: something happened there. It
// compares nothing, and knows no input.
//
// Each directory is watched for what happens to the names in it, not each file: that takes a thousandth of the kernel's
// watches, and what editors do (rename over, delete and make again) looks like any other change. chokidar's own events
// leave out a second change within 50 ms, so that its raw ones are used.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { FSWatcher } from "chokidar";
import { codeOf } from "../../cache/io.js";
import { asError, Exit, type Problem } from "../problem.js";
import { statOf } from "../sources/stamp.js";

/** Whom to tell. */
export interface Listeners {
  /** Something happened to this path. */
  readonly hint: (path: string) => void;
  /** Not all can be watched. */
  readonly failed: (problem: Problem) => void;
}

/** A directory that is watched: it, and not another that came into its place. */
interface Watched {
  readonly inode: number;
  readonly watcher: FSWatcher;
  /** Resolved when it is watched, or cannot be. */
  readonly ready: Promise<void>;
}

/** Watches a set of directories that changes. */
export class Watcher {
  readonly #watched = new Map<string, Watched>();
  #failed = false;

  constructor(private readonly listeners: Listeners) {}

  /** Watches these, and no others. Resolved when it does. */
  async follow(directories: ReadonlySet<string>): Promise<void> {
    const { watch } = await import("chokidar");
    for (const [path, { inode, watcher }] of this.#watched) {
      if (directories.has(path) && statOf(path)?.ino === inode) continue;
      this.#watched.delete(path);
      void watcher.close();
    }
    for (const path of directories) {
      const stats = this.#watched.has(path) ? undefined : statOf(path);
      if (stats === undefined) continue;
      const watcher = watch(path, {
        ignored: (other) => other !== path,
        depth: 0,
        ignoreInitial: true,
        ignorePermissionErrors: true,
        atomic: false,
      });
      watcher.on("raw", (_, name) => this.#happened(path, name));
      const ready = new Promise<void>((resolve) => {
        watcher.once("ready", resolve);
        watcher.on("error", (error) => {
          this.#refused(error);
          resolve();
        });
      });
      this.#watched.set(path, { inode: stats.ino, watcher, ready });
    }
    await Promise.all([...this.#watched.values()].map(({ ready }) => ready));
  }

  /** Stops. */
  async close(): Promise<void> {
    const closing = [...this.#watched.values()].map(({ watcher }) => watcher.close());
    this.#watched.clear();
    await Promise.all(closing);
  }

  #happened(directory: string, name: string | null): void {
    if (name === null || name === basename(directory)) this.listeners.hint(directory);
    if (name !== null) this.listeners.hint(join(directory, name));
  }

  #refused(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.listeners.failed(limitOf(codeOf(error), this.#watched.size) ?? other(error));
  }
}

const HINT = "--poll looks at them once a second instead";

/** The kernel's limits, in words. */
function limitOf(code: string | undefined, wanted: number): Problem | null {
  const [name, what] =
    code === "ENOSPC"
      ? (["max_user_watches", `${wanted} directories cannot be watched`] as const)
      : code === "EMFILE"
        ? (["max_user_instances", "nothing more can be watched"] as const)
        : [null, ""];
  if (name === null) return null;
  const limit = `fs.inotify.${name}`;
  return {
    exit: Exit.environment,
    message: `${what}: the kernel's limit is reached (${limit}${valueOf(name)})`,
    hint: `sysctl ${limit}=N raises it, as root; ${HINT}`,
  };
}

function valueOf(name: string): string {
  try {
    return ` is ${readFileSync(`/proc/sys/fs/inotify/${name}`, "utf8").trim()}`;
  } catch {
    return "";
  }
}

const other = (error: unknown): Problem => ({
  exit: Exit.environment,
  message: `the inputs cannot be watched: ${asError(error).message}`,
  hint: HINT,
});
