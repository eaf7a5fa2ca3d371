// Collects what an evaluation read and used, as the listeners report it.
import { AsyncLocalStorage } from "node:async_hooks";
import { environmentDigest, fileRead, type FileRead, type Reads, type Use } from "./fresh.js";
import { caller } from "./frames.js";

/** Follows the Imagefile through every await and callback, so that nothing else in the process is recorded. */
const current = new AsyncLocalStorage<Recorder>();

/** The recorder of the code that is running, unless the code is the loader's. */
export function recorder(): Recorder | undefined {
  const store = current.getStore();
  return store === undefined || store.quiet || store.quietly(caller).who === "loader" ? undefined : store;
}

/** One evaluation's reads. */
export class Recorder {
  /** True while the recorder itself asks the file system. */
  quiet = false;
  #cwd: string | null = null;
  #all = false;
  readonly #fallback: string;
  readonly #modules = new Set<string>();
  readonly #env = new Map<string, string | null>();
  readonly #written = new Set<string>();
  readonly #files = new Map<string, FileRead>();
  readonly #uses = new Map<string, { readonly what: string; readonly at: string }>();

  /** `fallback` is the place of uses of which the stack says nothing. */
  constructor(fallback: string) {
    this.#fallback = fallback;
  }

  /** Everything that `evaluation` starts is recorded. */
  run<T>(evaluation: () => T): T {
    return current.run(this, evaluation);
  }

  /** A module's text is about to be read. */
  module(path: string): void {
    this.#modules.add(path);
    this.file(path, "read");
  }

  /** The file system is about to be asked. Later questions of the same kind change nothing. */
  file(path: string, use: Use): void {
    const key = `${use} ${path}`;
    if (this.#files.has(key)) return;
    this.quietly(() => this.#files.set(key, fileRead(path, use)));
  }

  /** A variable is about to be read. One that the Imagefile itself set is none of the caller's. */
  variable(name: string, value: string | undefined): void {
    if (!this.#env.has(name) && !this.#written.has(name)) this.#env.set(name, value ?? null);
  }

  /** A VAR= name was asked for: the next run may give it, even one that the Imagefile sets in `process.env`. */
  asked(name: string, value: string | undefined): void {
    if (!this.#env.has(name)) this.#env.set(name, value ?? null);
  }

  /** The Imagefile sets or removes a variable. */
  writes(name: string): void {
    this.#written.add(name);
  }

  /** The names of all variables are about to be read. */
  environment(): void {
    this.#all = true;
  }

  /** Something depends on where we are. */
  workingDirectory(): void {
    this.#cwd ??= this.quietly(() => process.cwd());
  }

  /** `kind` is the clock, …; `name` the function. Said once for each place. */
  uses(kind: string, name: string): void {
    const who = this.quietly(caller);
    if (who.who !== "imagefile") return;
    const at = who.at ?? this.#fallback;
    const key = `${kind} ${at}`;
    if (!this.#uses.has(key)) this.#uses.set(key, { what: `${kind} (${name})`, at });
  }

  /** As plain data. Call it when the environment is the caller's again. */
  reads(): Reads {
    return {
      modules: [...this.#modules],
      cwd: this.#cwd,
      env: Object.fromEntries([...this.#env].sort(([a], [b]) => (a < b ? -1 : 1))),
      envAll: this.#all,
      envDigest: this.#all ? environmentDigest() : null,
      files: this.#telling(),
      unsnapshottable: [...this.#uses.values()],
    };
  }

  /** Without the questions whose answer another one includes. */
  #telling(): readonly FileRead[] {
    const more = new Set<string>();
    for (const { path, use } of this.#files.values()) {
      if (use === "read" || use === "list" || use === "stat") more.add(path);
    }
    return [...this.#files.values()].filter(({ path, use }) => use !== "exists" || !more.has(path));
  }

  /** What the recorder does itself is not recorded. */
  quietly<T>(work: () => T): T {
    const before = this.quiet;
    this.quiet = true;
    try {
      return work();
    } finally {
      this.quiet = before;
    }
  }
}
