// Sources become content: which files, with which digests, under which names in the stage. It reads the
// disk and the environment, remembers digests by stamp, and notes every fact it used.
import { readlinkSync, type Stats } from "node:fs";
import { basename, dirname, join, normalize, relative, resolve } from "node:path";
import { hashBytes, hashFile } from "../../cache/hash.js";
import type { Index, Stamp } from "../../cache/index.js";
import { stageOf, statePath } from "../../cache/layout.js";
import type { Source } from "../model.js";
import type { Project } from "../project.js";
import { Exit, fail, ok, ProblemError, type Result } from "../problem.js";
import {
  type Facts,
  fileSystemClock,
  Grounds,
  isDoubtful,
  lstatOf,
  sameStamp,
  stampOf,
  stampOfStats,
  statOf,
} from "./stamp.js";
import { dangling, hinted, isWithin, matchPatterns, stagePath, walk } from "./globs.js";
import { directoriesOf, follow, leadsOut, mustLead, type Scene } from "./links.js";
import { Lists, normalised } from "./lists.js";
import { droppedOf, modesText } from "./dropped.js";
import { runProbe } from "./probe.js";
import type { ResolvedSource, SourceFile } from "./resolved.js";
import { inUtf8 } from "./utf8.js";
import { tellsChanges } from "./telling.js";

/** Sources whose place in the stage is their input's. */
const OF_INPUT: ReadonlySet<Source["kind"]> = new Set(["probe", "list", "text"]);

type Kind<K extends Source["kind"]> = Extract<Source, { readonly kind: K }>;

/** A source that was looked at, and what that rests on. */
interface Resolving {
  readonly resolved: Promise<Result<ResolvedSource>>;
  readonly grounds: Grounds;
}

/** Resolves sources for one run; the same source is looked at once. */
export class Sources {
  readonly #memo = new Map<string, Resolving>();
  readonly #digests = new Map<string, Promise<{ readonly digest: string; readonly doubtful: boolean }>>();
  readonly #lists: Lists;
  readonly #clock: () => number;
  /** What no pattern matches. */
  readonly #ours: readonly string[];

  constructor(
    private readonly project: Project,
    private readonly index: Index,
    private readonly facts: Facts,
    private readonly readOnly: boolean,
  ) {
    const { dir, state, out } = project;
    this.#ours = [statePath(dir), state, out];
    this.#lists = new Lists(dir);
    this.#clock = readOnly ? Date.now : fileSystemClock(project.state);
  }

  /** The content of `source` for the input called `name`. */
  resolve(source: Source, name: string): Promise<Result<ResolvedSource>> {
    const id = idOf(source, name);
    let found = this.#memo.get(id);
    if (found === undefined) {
      const grounds = new Grounds();
      const resolved = this.#resolve(source, name, grounds)
        .catch(asResult)
        .then((done) => inUtf8(done, source.kind === "env" ? source.name : name));
      found = { resolved, grounds };
      this.#memo.set(id, found);
    }
    return found.resolved;
  }

  /** What a source that was resolved rests on. */
  groundsOf(source: Source, name: string): Grounds | undefined {
    return this.#memo.get(idOf(source, name))?.grounds;
  }

  /** The text of a list file, normalised; the same for a whole run. */
  list(file: string, grounds: Grounds = this.facts): Result<string> {
    const lines = this.lines(file, grounds);
    return lines.ok ? ok(normalised(lines.value.keys())) : lines;
  }

  /** The names in a list file, and the line of each. */
  lines(file: string, grounds: Grounds = this.facts): Result<ReadonlyMap<string, number>> {
    const { path, stamp, lines } = this.#lists.read(file);
    grounds.file(path, stamp);
    this.#noteDoubt(path, stamp, grounds);
    return lines;
  }

  /** Digests of the files that patterns mean, through whatever links lead to them; sorted. */
  async contents(patterns: readonly string[]): Promise<Result<readonly string[]>> {
    const digests = await this.digests(patterns);
    return digests.ok ? ok(digests.value.map(({ digest }) => digest).sort()) : digests;
  }

  /** The same with each file's path, in the order of paths. */
  async digests(
    patterns: readonly string[],
  ): Promise<Result<readonly { readonly path: string; readonly digest: string }[]>> {
    const matched = await matchPatterns(this.project.dir, patterns);
    if (!matched.ok) return matched;
    this.#directories(matched.value.directories, this.facts);
    const digests: { readonly path: string; readonly digest: string }[] = [];
    for (const path of matched.value.files) {
      const stamp = stampOf(path);
      if (stamp === null) return dangling(this.#name(path), path);
      digests.push({ path, digest: await this.#digest(path, stamp, this.facts) });
    }
    return ok(digests);
  }

  async #resolve(source: Source, name: string, grounds: Grounds): Promise<Result<ResolvedSource>> {
    switch (source.kind) {
      case "env": {
        const set = process.env[source.name];
        this.facts.env.set(source.name, set ?? null);
        const value = set ?? source.value;
        return value === undefined
          ? fail(
              Exit.usage,
              `the variable ${source.name} is not set`,
              "env() takes { default: text } and { optional: true }",
            )
          : ok({ kind: "value", value });
      }
      case "list": {
        const text = this.list(source.file, grounds);
        if (!text.ok) return text;
        // Not at its own path: another input may want the file as it is.
        const stage = join("in", name, basename(source.file));
        return ok(asText(stage, text.value));
      }
      case "text": {
        const { file, text } = source;
        return ok(asText(join("in", name, file), text));
      }
      case "probe":
        return this.#probe(source, name, grounds);
      case "files":
        return this.#files(source, grounds, name);
    }
  }

  async #files(source: Kind<"files">, grounds: Grounds, name = ""): Promise<Result<ResolvedSource>> {
    const { dir } = this.project;
    const base = resolve(dir, source.from ?? "");
    const ignore = this.#ours;
    const looked = new Set<string>();
    const matched = await matchPatterns(base, source.patterns, {
      ignore,
      optional: source.optional === true,
      empty: source.tree !== undefined,
      looked,
    });
    this.#directories(looked, grounds);
    if (!matched.ok) return hinted(matched, source.hint);
    const place = (path: string): string =>
      source.stage === undefined ? stagePath(dir, path) : normalize(join(source.stage, relative(base, path)));
    const files: SourceFile[] = [];
    const links: string[] = [];
    const looks = new Map<string, Stats>();
    for (const path of matched.value.files) {
      const file = await this.#file(path, place(path), grounds, looks);
      if (!file.ok) return file;
      if (file.value.kind !== "directory" && file.value.stage === source.tree?.base)
        return fail(
          Exit.usage,
          `${this.#name(path)} is a file, not a directory`,
          `files("…") takes a single file`,
        );
      files.push(file.value);
      if (file.value.kind === "link") links.push(path);
    }
    const dropped = source.tree === undefined ? [] : droppedOf(matched.value, looks, source.tree, place, dir);
    grounds.told = dropped.length > 0;
    const modes =
      source.tree?.keep === true
        ? [textAt(join("in", name, "modes"), modesText(matched.value, looks, source.tree, place))]
        : [];
    if (links.length === 0) return ok({ kind: "files", files, along: modes, dropped });
    const mine = (path: string): boolean =>
      (source.from !== undefined && isWithin(base, path)) ||
      (isWithin(dir, path) && !ignore.some((other) => isWithin(other, path)));
    const scene: Scene = {
      has: (path) => mine(path) && !/^\.\.(?:\/|$)/.test(place(path)),
      directories: directoriesOf(matched.value.files),
    };
    const wanted =
      source.links === "contents"
        ? links
        : links.filter((path) => source.links !== "anywhere" && matched.value.named.has(path));
    for (const path of wanted) {
      const leads = mustLead(path, this.#name(path), scene);
      if (!leads.ok) return hinted(leads, source.hint);
    }
    const along = await this.#along(matched.value.files, links, scene, place, grounds);
    if (!along.ok) return along;
    const all = { kind: "files", files, along: [...along.value, ...modes], dropped } as const;
    const unread = source.links === "watched" ? this.#unread(all, scene, place) : ok(undefined);
    return unread.ok ? ok(all) : unread;
  }

  /** One file or link as it is; how it looks goes to `looks`. */
  async #file(
    path: string,
    stage: string,
    grounds: Grounds,
    looks?: Map<string, Stats>,
  ): Promise<Result<SourceFile>> {
    const stats = lstatOf(path);
    if (stats === undefined) return fail(Exit.usage, `${path} vanished while it was looked at`);
    looks?.set(path, stats);
    if (stage.includes("\n"))
      return fail(
        Exit.usage,
        `${JSON.stringify(path)}: its name has a line break`,
        "paths are passed on one a line: rename it",
      );
    const stamp = stampOfStats(stats);
    if (stats.isSymbolicLink()) {
      grounds.links.set(path, stamp);
      this.#noteDoubt(path, stamp, grounds);
      return ok({ kind: "link", path, stage, to: readlinkSync(path) });
    }
    if (stats.isDirectory()) return ok({ kind: "directory", path, stage });
    if (!stats.isFile())
      return fail(
        Exit.usage,
        `${path} is neither a file nor a link`,
        "sockets, pipes and devices cannot be inputs",
      );
    const executable = (stats.mode & 0o100) !== 0;
    return ok({ kind: "file", path, stage, digest: await this.#digest(path, stamp, grounds), executable });
  }

  /**
   * What `links` lead to and `matched` does not hold: links on the way and the file at its end, of a directory all that
   * is beneath, and what links in there lead to.
   */
  async #along(
    matched: readonly string[],
    links: readonly string[],
    scene: Scene,
    place: (path: string) => string,
    grounds: Grounds,
  ): Promise<Result<readonly SourceFile[]>> {
    const here = new Set(matched);
    const found = new Set<string>();
    const pending = [...links];
    for (let link = pending.pop(); link !== undefined; link = pending.pop()) {
      const { end, at, links: through } = follow(link, scene);
      const paths = new Set(through);
      if (end === "missing") grounds.file(at, stampOf(at));
      if (end === "file" || end === "other") paths.add(at);
      if (end === "directory") {
        const directories = new Set<string>();
        walk(at, this.#ours, paths, directories);
        this.#directories(directories, grounds);
      }
      for (const path of paths) {
        if (here.has(path) || found.has(path)) continue;
        found.add(path);
        if (lstatOf(path)?.isSymbolicLink() === true) pending.push(path);
      }
    }
    const along: SourceFile[] = [];
    for (const path of [...found].sort()) {
      const file = await this.#file(path, place(path), grounds);
      if (!file.ok) return file;
      along.push(file.value);
    }
    return ok(along);
  }

  /** A command sees this machine's files: no link may lead to one that is no input. */
  #unread(
    { files, along }: Extract<ResolvedSource, { kind: "files" }>,
    scene: Scene,
    place: (path: string) => string,
  ): Result<void> {
    // Where the stage will be, but for its name.
    const work = join(stageOf(this.project, "id"), "work");
    for (const file of [...files, ...along]) {
      if (file.kind !== "link") continue;
      const { end, at, links } = follow(file.path, scene);
      // Actions have a /dev of their own.
      if (end !== "outside" || at.startsWith("/dev/")) continue;
      if (statOf(resolve(work, dirname(place(links.at(-1) ?? file.path)), at)) === undefined) continue;
      return fail(
        Exit.usage,
        leadsOut(this.#name(file.path), at, scene),
        'name the file itself that is meant; where nothing reads through the link, say files(…, { links: "anywhere" })',
      );
    }
    return ok(undefined);
  }

  /** A source as messages call it. */
  #name(path: string): string {
    const { dir } = this.project;
    return isWithin(dir, path) ? relative(dir, path) : path;
  }

  #directories(directories: Iterable<string>, grounds: Grounds): void {
    for (const directory of directories) {
      const stamp = stampOf(directory);
      grounds.file(directory, stamp);
      this.#noteDoubt(directory, stamp, grounds);
    }
  }

  /** The digest of a file's bytes, from the index where its stamp may be believed. */
  async #digest(path: string, stamp: Stamp, grounds: Grounds): Promise<string> {
    grounds.file(path, stamp);
    let found = this.#digests.get(path);
    if (found === undefined) {
      found = this.#lookUp(path, stamp);
      this.#digests.set(path, found);
    }
    const { digest, doubtful } = await found;
    if (doubtful) grounds.doubtful = true;
    return digest;
  }

  async #lookUp(path: string, before: Stamp): Promise<{ digest: string; doubtful: boolean }> {
    const known = this.index.stamp(path);
    const { mtime, ctime, mode } = before;
    // An earlier imagemake noted any.
    const tells = ctime % 1000 !== 0 || tellsChanges(path, mtime, ctime, mode);
    if (tells && known !== undefined && sameStamp(known, before))
      return { digest: known.digest, doubtful: false };
    const digest = await hashFile(path, before.size);
    const after = stampOf(path);
    const doubtful = this.#isDoubtful(path, after);
    if (!doubtful && !this.readOnly && after !== null && sameStamp(before, after))
      this.index.setStamp(path, before, digest);
    return { digest, doubtful };
  }

  /** The stamp of a thing may not be believed. */
  #noteDoubt(path: string, stamp: Stamp | null, grounds: Grounds): void {
    if (this.#isDoubtful(path, stamp)) grounds.doubtful = true;
  }

  #isDoubtful(path: string, stamp: Stamp | null): boolean {
    return stamp !== null && isDoubtful(path, stamp, this.#clock());
  }

  async #probe(source: Kind<"probe">, name: string, grounds: Grounds): Promise<Result<ResolvedSource>> {
    const { reads } = source;
    // Nobody knows what else has a say in it.
    if (reads === undefined) grounds.doubtful = true;
    const read = reads === undefined ? null : await this.#files(reads, grounds);
    if (read?.ok === false) return read;
    const { files = [], along = [] } = read?.value.kind === "files" ? read.value : {};
    const told = runProbe(source, this.project.dir, read === null ? null : [...files, ...along]);
    return told.ok ? ok(asText(join("in", name, "probe"), told.value)) : told;
  }
}

/** The same source under two names of inputs may lie in two places. */
const idOf = (source: Source, name: string): string =>
  JSON.stringify([
    source,
    OF_INPUT.has(source.kind) || (source.kind === "files" && source.tree?.keep === true) ? name : "",
  ]);

function asResult(error: unknown): Result<never> {
  if (error instanceof ProblemError) return { ok: false, problem: error.problem };
  throw error;
}

const textAt = (stage: string, text: string): SourceFile => ({
  kind: "text",
  stage,
  text,
  digest: hashBytes(text),
});

const asText = (stage: string, text: string): ResolvedSource => ({
  kind: "files",
  files: [textAt(stage, text)],
  along: [],
  dropped: [],
});
