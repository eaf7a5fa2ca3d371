// Sources become content: which files, with which digests, under which names in the stage. It reads the
// disk and the environment, remembers digests by stamp, and notes every fact it used.
import { readlinkSync, readFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { spawnSync } from "node:child_process";
import { hashBytes, hashFile } from "../../cache/hash.js";
import type { Index } from "../../cache/index.js";
import type { Source } from "../model.js";
import type { Project } from "../project.js";
import { asError, fail, ok, type Problem, type Result } from "../problem.js";
import { asWritten } from "../shell.js";
import type { Facts } from "./facts.js";
import { matchPatterns, stagePath } from "./globs.js";
import { normalised } from "./lists.js";
import { inUtf8 } from "./utf8.js";
import { fileSystemClock, isRacy, ownStamp, sameStamp, stampOf } from "./stamp.js";

/** One file of a source. `text` is what is staged where the content is not the file's own bytes. */
export type SourceFile =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly stage: string;
      readonly digest: string;
      readonly executable: boolean;
    }
  | { readonly kind: "link"; readonly path: string; readonly stage: string; readonly to: string }
  | { readonly kind: "text"; readonly stage: string; readonly text: string; readonly digest: string };

/** A resolved source: files, or the value of an environment variable (null: not set). */
export type ResolvedSource =
  | { readonly kind: "files"; readonly files: readonly SourceFile[] }
  | { readonly kind: "value"; readonly value: string | null };

/** Sources whose place in the stage is their input's. */
const OF_INPUT: ReadonlySet<Source["kind"]> = new Set(["probe", "list", "text"]);

type Kind<K extends Source["kind"]> = Extract<Source, { readonly kind: K }>;

/** Resolves sources for one run; the same source is looked at once. */
export class Sources {
  readonly #memo = new Map<string, Promise<Result<ResolvedSource>>>();
  readonly #digests = new Map<string, Promise<string>>();
  readonly #lists = new Map<string, Result<string>>();
  readonly #clock: () => number;

  constructor(
    private readonly project: Project,
    private readonly index: Index,
    private readonly facts: Facts,
    private readonly readOnly: boolean,
  ) {
    this.#clock = readOnly ? Date.now : fileSystemClock(project.state);
  }

  /** The content of `source` for the input called `name`. */
  resolve(source: Source, name: string): Promise<Result<ResolvedSource>> {
    const id = JSON.stringify([source, OF_INPUT.has(source.kind) ? name : ""]);
    let found = this.#memo.get(id);
    if (found === undefined) {
      found = this.#resolve(source, name).then((resolved) =>
        inUtf8(resolved, source.kind === "env" ? source.name : name),
      );
      this.#memo.set(id, found);
    }
    return found;
  }

  /** The text of a list file, normalised; the same for a whole run. */
  list(file: string): Result<string> {
    const path = resolve(this.project.dir, file);
    let found = this.#lists.get(path);
    if (found === undefined) {
      found = this.#list(path, file);
      this.#lists.set(path, found);
    }
    return found;
  }

  #list(path: string, file: string): Result<string> {
    try {
      this.facts.file(path, stampOf(path));
      this.#noteRace(path);
      return ok(normalised(readFileSync(path, "utf8")));
    } catch (error) {
      return fail(2, `list ${file} cannot be read`, asError(error).message);
    }
  }

  async #resolve(source: Source, name: string): Promise<Result<ResolvedSource>> {
    switch (source.kind) {
      case "env": {
        const value = process.env[source.name] ?? null;
        this.facts.env.set(source.name, value);
        return ok({ kind: "value", value });
      }
      case "list": {
        const text = this.list(source.file);
        if (!text.ok) return text;
        // Not at its own path: another input may want the file as it is.
        const stage = join("in", name, basename(source.file));
        return ok({
          kind: "files",
          files: [{ kind: "text", stage, text: text.value, digest: hashBytes(text.value) }],
        });
      }
      case "text": {
        const { file, text } = source;
        const digest = hashBytes(text);
        return ok({ kind: "files", files: [{ kind: "text", stage: join("in", name, file), text, digest }] });
      }
      case "probe":
        return this.#probe(source, name);
      case "files":
        return this.#files(source);
    }
  }

  async #files(source: Kind<"files">): Promise<Result<ResolvedSource>> {
    const base = resolve(this.project.dir, source.from ?? "");
    const matched = await matchPatterns(base, source.patterns, [this.project.state, this.project.out]);
    if (!matched.ok) return hinted(matched, source.hint);
    for (const directory of matched.value.directories) {
      this.facts.file(directory, stampOf(directory));
      this.#noteRace(directory);
    }
    const files: SourceFile[] = [];
    for (const path of matched.value.files) {
      const stage =
        source.stage === undefined
          ? stagePath(this.project.dir, path)
          : join(source.stage, relative(base, path));
      const own = ownStamp(path);
      const stamp = stampOf(path);
      if (own === null) return fail(2, `${path} vanished while it was looked at`);
      if (stamp === null || (stamp.mode & 0o170000) === 0o040000) {
        this.facts.file(path, stamp);
        files.push({ kind: "link", path, stage, to: readlinkSync(path) });
      } else if ((stamp.mode & 0o170000) !== 0o100000) {
        return fail(2, `${path} is neither a file nor a link`, "sockets, pipes and devices cannot be inputs");
      } else {
        const executable = (stamp.mode & 0o100) !== 0;
        files.push({ kind: "file", path, stage, digest: await this.digest(path), executable });
      }
    }
    return ok({ kind: "files", files });
  }

  /** The digest of a file's bytes, from the index where its stamp may be believed. */
  digest(path: string): Promise<string> {
    let found = this.#digests.get(path);
    if (found === undefined) {
      found = this.#digest(path);
      this.#digests.set(path, found);
    }
    return found;
  }

  async #digest(path: string): Promise<string> {
    const before = stampOf(path);
    this.facts.file(path, before);
    if (before === null) throw new Error(`${path} vanished while it was looked at`);
    const known = this.index.stamp(path);
    if (known !== undefined && sameStamp(known, before)) return known.digest;
    const digest = await hashFile(path, before.size);
    if (this.#noteRace(path)) return digest;
    const after = stampOf(path);
    if (!this.readOnly && after !== null && sameStamp(before, after))
      this.index.setStamp(path, before, digest);
    return digest;
  }

  /** Notes, and says, when the path changed too lately for its stamp to be believed. */
  #noteRace(path: string): boolean {
    const stamp = stampOf(path);
    const racy = stamp !== null && isRacy(stamp, this.#clock());
    if (racy) this.facts.racy = true;
    return racy;
  }

  #probe({ argv, what }: Kind<"probe">, name: string): Result<ResolvedSource> {
    const [program, ...rest] = argv;
    if (program === undefined) return fail(2, "probe: the command is empty");
    const run = spawnSync(program, rest, {
      cwd: this.project.dir,
      encoding: "utf8",
      maxBuffer: Infinity,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (run.status !== 0) {
      const why =
        run.error?.message ?? `it ended with status ${run.status ?? "unknown"}: ${run.stderr.trim()}`;
      return fail(
        3,
        what === undefined ? `probe ${asWritten(argv)} failed` : `${what} is not to be had`,
        why,
      );
    }
    const digest = hashBytes(run.stdout);
    this.facts.probes.push({ argv, digest });
    return ok({
      kind: "files",
      files: [{ kind: "text", stage: join("in", name, "probe"), text: run.stdout, digest }],
    });
  }
}

/** The problem of a name that is not there, with what its source says to it. */
function hinted(failed: { readonly ok: false; readonly problem: Problem }, hint: string | undefined) {
  if (hint === undefined) return failed;
  const { problem } = failed;
  return fail(problem.exit, problem.message, [problem.hint, hint].filter(Boolean).join("; "));
}
