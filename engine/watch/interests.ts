// What a build rests on, as paths: the sources of its actions and what the Imagefile read. It says where to watch, whether
// something that happened matters, and to whom. It watches nothing.
import { constants } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { Stamp } from "../../cache/index.js";
import { STATE } from "../../cache/layout.js";
import type { Session } from "../build/session.js";
import type { Reads } from "../evaluate/fresh.js";
import type { Action, TargetId } from "../model.js";
import type { Project } from "../project.js";
import { groundsOf } from "../record.js";
import { type Grounds, lstatOf, ownStamp, sameStamp, stampOf } from "../sources/stamp.js";
import { isWithin } from "../sources/globs.js";

/** A path, how it looked, and who rests on it. */
interface Interest {
  /** Through links, and as it is; undefined where nobody looked in that way. */
  followed?: Stamp | null;
  own?: Stamp | null;
  readonly owners: Set<TargetId>;
  ofImagefile: boolean;
}

/** Whom a change matters to. */
export interface Concerned {
  readonly imagefile: boolean;
  readonly actions: ReadonlySet<TargetId>;
}

/** What editors leave beside a file while it is open or being saved; nobody means it as an input. */
const OF_EDITORS = /(?:^\..*\.sw[a-z]$|~$|^4913$|^\.#|^#.*#$|\.(?:tmp|part|crswap)$|___jb_(?:tmp|old)___$)/;

/** The inputs of what is wanted. */
export class Interests {
  readonly #paths = new Map<string, Interest>();
  /** What each action rests on; kept while the graph is the same, since a later build looks only at what changed. */
  readonly #grounds = new Map<TargetId, readonly Grounds[]>();
  /** Directories above something of interest. */
  readonly #above = new Set<string>();

  constructor(private readonly project: Project) {}

  /** Takes in what an evaluation read, in the place of what an earlier one did. */
  ofImagefile(reads: Reads): void {
    for (const [path, interest] of this.#paths) {
      interest.ofImagefile = false;
      if (interest.owners.size === 0) this.#paths.delete(path);
    }
    for (const { path, use, stat } of reads.files) {
      if (isForeign(path)) continue;
      const stamp =
        stat === null
          ? null
          : { size: stat.size, mtime: stat.mtimeMs, ctime: stat.ctimeMs, ino: stat.ino, mode: stat.mode };
      const interest = this.#at(path);
      interest.ofImagefile = true;
      if (use === "lstat" || use === "readlink") interest.own = stamp;
      else if (use !== "exists") interest.followed = stamp;
    }
    this.#settle();
  }

  /** The graph is another: what was known of actions no longer counts. */
  forgetActions(): void {
    this.#grounds.clear();
    for (const [path, interest] of this.#paths) {
      interest.owners.clear();
      if (!interest.ofImagefile) this.#paths.delete(path);
    }
  }

  /** Takes in what a run looked at; what it took as it stood is as it was. */
  ofSession(session: Pick<Session, "decider" | "actions" | "facts">): void {
    const { actions, decider } = session;
    const { known } = decider.products;
    const wanted = new Set(actions.map(({ id }) => id));
    for (const id of this.#grounds.keys()) if (!wanted.has(id)) this.#grounds.delete(id);
    for (const action of actions)
      if (known?.stands(action) !== true) this.#grounds.set(action.id, groundsOf({ decider }, action));
    for (const [path, interest] of this.#paths) {
      interest.owners.clear();
      if (!interest.ofImagefile) this.#paths.delete(path);
    }
    for (const [id, all] of this.#grounds)
      for (const { files, links } of all) {
        for (const [path, stamp] of files) this.#own(path, id).followed = stamp;
        for (const [path, stamp] of links) this.#own(path, id).own = stamp;
      }
    for (const action of actions) this.#packagesOf(action, session);
    this.#settle();
  }

  /** Lists of packages, and keys of repositories: they are looked at for a whole run, and not for one action. */
  #packagesOf({ id, packages }: Action, { facts }: Pick<Session, "facts">): void {
    for (const wanted of packages?.want ?? []) {
      if (typeof wanted === "string" || !("list" in wanted)) continue;
      const path = resolve(this.project.dir, wanted.list);
      this.#own(path, id).followed = facts.files.get(path) ?? stampOf(path);
    }
  }

  /** How many files there are of interest. */
  get size(): number {
    let count = 0;
    for (const { followed, own } of this.#paths.values()) if (!isDirectory(followed ?? own)) count += 1;
    return count;
  }

  /**
   * Where something can happen that matters: directories that are there, of what is not there the nearest above it. Within
   * the project all above them, too: whoever moves one of those away takes along what lies beneath.
   */
  directories(): ReadonlySet<string> {
    const { dir } = this.project;
    const found = new Set<string>([dir]);
    const add = (path: string): void => {
      let at = path;
      while (
        !found.has(at) &&
        lstatOf(at)?.isDirectory() !== true &&
        stampOf(at) === null &&
        at !== dirname(at)
      )
        at = dirname(at);
      for (; !found.has(at); at = dirname(at)) {
        found.add(at);
        if (!isWithin(dir, at)) break;
      }
    };
    for (const path of this.#above) add(path);
    for (const [path, { followed }] of this.#paths) if (isDirectory(followed)) add(path);
    return found;
  }

  /** Whether what happened to a path may matter. */
  concerns(path: string): boolean {
    const { state, out, dir } = this.project;
    if ([state, out, join(dir, STATE)].some((ours) => isWithin(ours, path))) return false;
    if (this.#paths.has(path)) return !isOfEditor(path) || lstatOf(path) === undefined;
    if (this.#above.has(path)) return true;
    return isDirectory(this.#paths.get(dirname(path))?.followed) && !isOfEditor(path);
  }

  /** Whether a path is an input by itself: not only something in a directory of inputs. */
  isInput(path: string): boolean {
    const interest = this.#paths.get(path);
    return interest !== undefined && !isDirectory(interest.followed ?? interest.own);
  }

  /** To whom changes matter. */
  concerned(paths: Iterable<string>): Concerned {
    const actions = new Set<TargetId>();
    let imagefile = false;
    const note = (interest: Interest | undefined): void => {
      if (interest?.ofImagefile === true) imagefile = true;
      for (const owner of interest?.owners ?? []) actions.add(owner);
    };
    for (const path of paths) {
      note(this.#paths.get(path));
      const beside = this.#paths.get(dirname(path));
      if (isDirectory(beside?.followed)) note(beside);
      if (this.#above.has(path))
        for (const [other, interest] of this.#paths) if (isWithin(path, other)) note(interest);
    }
    return { imagefile, actions };
  }

  /** What does not look as it did when somebody last looked; each change is named once. */
  changed(): string[] {
    return [...this.#paths].flatMap(([path, interest]) => (restamp(path, interest) ? [path] : []));
  }

  /** These are going to be looked at as they are now. */
  seen(paths: Iterable<string>): void {
    for (const path of paths) {
      const interest = this.#paths.get(path);
      if (interest !== undefined) restamp(path, interest);
    }
  }

  /** A path as it is told of. */
  name(path: string): string {
    return isWithin(this.project.dir, path) ? relative(this.project.dir, path) || "." : path;
  }

  #at(path: string): Interest {
    let found = this.#paths.get(path);
    if (found === undefined) {
      found = { owners: new Set(), ofImagefile: false };
      this.#paths.set(path, found);
    }
    return found;
  }

  #own(path: string, owner: TargetId): Interest {
    const interest = this.#at(path);
    interest.owners.add(owner);
    return interest;
  }

  #settle(): void {
    const { dir } = this.project;
    this.#above.clear();
    for (const path of this.#paths.keys())
      for (let at = dirname(path); !this.#above.has(at); at = dirname(at)) {
        this.#above.add(at);
        if (!isWithin(dir, at) || at === dir) break;
      }
  }
}

/** Whether it looks otherwise than it did; then that is how it looks. */
function restamp(path: string, interest: Interest): boolean {
  const now = {
    ...(interest.followed === undefined ? {} : { followed: stampOf(path) }),
    ...(interest.own === undefined ? {} : { own: ownStamp(path) }),
  };
  if (isSame(interest.followed, now.followed) && isSame(interest.own, now.own)) return false;
  Object.assign(interest, now);
  return true;
}

const isSame = (a: Stamp | null | undefined, b: Stamp | null | undefined): boolean =>
  a === b || (!!a && !!b && sameStamp(a, b));

const isDirectory = (stamp: Stamp | null | undefined): boolean =>
  stamp !== undefined && stamp !== null && (stamp.mode & constants.S_IFMT) === constants.S_IFDIR;

const isOfEditor = (path: string): boolean => OF_EDITORS.test(basename(path));

/** Packages are loaded once a process, whatever becomes of them. */
const isForeign = (path: string): boolean =>
  path.includes("/node_modules/") || path.endsWith("/node_modules");
