// What of sources does not come along into a tree, which gets contents, x bits and links, as git keeps them: here it is
// found, so that nobody takes it for granted.
import { existsSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { dirname, join, normalize, relative, resolve } from "node:path";
import { grouped } from "../../cache/grouped.js";
import type { Source } from "../model.js";
import { noticeOf, type Notice } from "../notice.js";
import { ok, type Result } from "../problem.js";
import { attributesOf, LABEL } from "../tree/attributes.js";
import { lossesOfNames, type Loss } from "../tree/losses.js";
import { isWithin, type Matched } from "./globs.js";
import { directoriesOf } from "./links.js";
import type { SourceFile } from "./resolved.js";
import { lstatOf } from "./stamp.js";

/** Where sources go into a tree. */
type Into = NonNullable<Extract<Source, { kind: "files" }>["tree"]>;

/** A file, link or directory that goes into the tree. */
interface Found {
  readonly path: string;
  /** As messages call it. */
  readonly name: string;
  /** Its path in the stage. */
  readonly stage: string;
  readonly stats: Stats;
}

/**
 * What does not come along of files, links and directories: modes, names that are one file, where links lead that climb,
 * and names that a `*` passed over. `looks` are those of files that were looked at; `place` says where a path lies in the
 * stage; `dir` is the Imagefile's.
 */
export function droppedOf(
  { files, directories, passed }: Pick<Matched, "files" | "directories" | "passed">,
  looks: ReadonlyMap<string, Stats>,
  tree: Into,
  place: (path: string) => string,
  dir: string,
): readonly Notice[] {
  const nameOf = (path: string): string => (isWithin(dir, path) ? relative(dir, path) : path);
  const found = foundIn([...files, ...directories], looks, tree, place, nameOf);
  return [
    unsaidModes(found, tree),
    hardLinks(found, tree),
    climbing(found, tree, dir),
    passedOver(passed.map(nameOf), tree),
  ].flatMap((one) => one ?? []);
}

function foundIn(
  paths: readonly string[],
  looks: ReadonlyMap<string, Stats>,
  tree: Into,
  place: (path: string) => string,
  nameOf: (path: string) => string = (path) => path,
): readonly Found[] {
  const base = join("/", tree.base);
  return [...new Set(paths)].sort().flatMap((path): readonly Found[] => {
    const stats = looks.get(path) ?? lstatOf(path);
    const stage = join(place(path), ".");
    if (stats === undefined || join("/", stage) === base || !isWithin(base, join("/", stage))) return [];
    return [{ path, name: nameOf(path), stage, stats }];
  });
}

/** Modes of what goes into the tree, a line each with its path in the stage. */
export const modesText = (
  { files, directories }: Pick<Matched, "files" | "directories">,
  looks: ReadonlyMap<string, Stats>,
  tree: Into,
  place: (path: string) => string,
): string =>
  foundIn([...files, ...directories], looks, tree, place)
    .filter(({ stats }) => !stats.isSymbolicLink())
    .map(({ stage, stats }) => `${(stats.mode & 0o7777).toString(8)} ${stage}\n`)
    .join("");

/** Names with a dot in front, which somebody may have meant. */
function passedOver(names: readonly string[], { kind }: Into): Notice | null {
  return names.length === 0
    ? null
    : noticeOf(
        (some) =>
          `a * passes over names that begin with a dot, as in a shell, so these are not in the ${kind} (${some(names)}): ` +
          `name them (.*), take all beneath with **, or leave them out with !`,
      );
}

/** Modes that git would not have and that `tree.modes` does not say. */
function unsaidModes(found: readonly Found[], tree: Into): Notice | null {
  if (tree.keep === true) return null;
  const said = new Set(tree.modes);
  const matching = (tree.matching ?? []).map((one) => new RegExp(one));
  const isSaid = (stage: string): boolean =>
    said.has(stage) || matching.some((one) => one.test(join(tree.to, relative(tree.base, stage))));
  const unsaid = found
    .filter(({ stats, stage }) => !stats.isSymbolicLink() && !isPlain(stats) && !isSaid(stage))
    .map(({ name, stats }) => `${name} ${(stats.mode & 0o7777).toString(8)}`);
  return unsaid.length === 0
    ? null
    : noticeOf((some) => `modes are not kept in the ${tree.kind} (${some(unsaid)}): ${MODES[tree.kind]}`);
}

const MODES = {
  tree: 'say them in modes: { … }, or modes: "keep"',
  image: "there everybody may read everything",
};

/** Sticky, set-user-ID and set-group-ID. */
const SPECIAL = 0o7000;

/** Who may write under the usual umasks: nobody, the owner, the group too, or all. */
const WRITERS: readonly number[] = [0, 0o200, 0o220, 0o222];

/**
 * Whether a mode says no more than git's x bit does: all may read, and all or none execute. Who may write is a matter of
 * the umask.
 */
function isPlain(stats: Stats): boolean {
  const mode = stats.mode & 0o777;
  const isForAll = (mode & 0o555) === 0o555 || ((mode & 0o555) === 0o444 && !stats.isDirectory());
  return isForAll && WRITERS.includes(mode & 0o222) && (stats.mode & SPECIAL) === 0;
}

/** Names of one file, which become files of their own. */
function hardLinks(found: readonly Found[], { kind }: Into): Notice | null {
  const linked = found.filter(({ stats }) => stats.nlink > 1 && stats.isFile());
  const shared = [...grouped(linked, ({ stats }) => `${stats.dev}:${stats.ino}`).values()]
    .filter((files) => files.length > 1)
    .map((files) => files.map(({ name }) => name).join(" = "));
  return shared.length === 0
    ? null
    : noticeOf(
        (some) =>
          `hard links are not kept in the ${kind}, each name becomes a file of its own (${some(shared)}): ` +
          `use symbolic links${kind === "tree" ? ", or link them in a step.hook" : ""}`,
      );
}

/** Links that lead out of what is copied, to where the tree has something else or nothing. */
function climbing(found: readonly Found[], tree: Into, dir: string): Notice | null {
  const base = join("/", tree.base);
  const isSymbolic = ({ stats }: Found): boolean => stats.isSymbolicLink();
  if (!found.some(isSymbolic)) return null;
  const paths = found.map(({ path }) => path);
  const copied = new Set([...paths, ...directoriesOf(paths)]);
  const links = found.filter(isSymbolic).flatMap(({ path, name, stage }) => {
    const to = readlinkSync(path);
    if (to.startsWith("/")) return [];
    const inside = dirname(relative(base, join("/", stage)));
    const meant = resolve(dirname(path), to);
    const isHere = isWithin(dir, meant) && existsSync(meant);
    // Of globs it may be beside what they match.
    const isCopied = (): boolean => copied.has(meant) || copied.has(realpathSync(meant));
    const isLeft = isHere && (climbs(inside, to) || !isCopied());
    return isLeft || climbs(join(tree.to, inside), to) ? [`${name} -> ${to}`] : [];
  });
  return links.length === 0
    ? null
    : noticeOf(
        (some) =>
          `links come along as they are, and these lead out of what is copied (${some(links)}): in the ${tree.kind} they ` +
          `lead elsewhere or nowhere; leave them out, and name what they lead to by itself`,
      );
}

/** Whether the text of a relative link in the directory `from` climbs above where that begins. */
const climbs = (from: string, to: string): boolean => /^\.\.(\/|$)/.test(normalize(join(from, to)));

/**
 * Access lists, capabilities and other attributes of the files and of the directories that lead to them from
 * `tree.base` on. It calls getfattr, so it is for a tree that is being made.
 */
export async function droppedAttributes(
  files: readonly SourceFile[],
  tree: Into,
): Promise<Result<readonly Loss[]>> {
  const paths = new Map<string, string>();
  for (const file of files) {
    if (file.kind === "text" || file.kind === "link") continue;
    let { path, stage } = file;
    for (
      ;
      stage !== tree.base && stage !== "." && !paths.has(path);
      [path, stage] = [dirname(path), dirname(stage)]
    )
      paths.set(path, relative(tree.base, stage));
  }
  const found = await attributesOf([...paths.keys()]);
  if (!found.ok) return found;
  return ok(
    lossesOfNames(
      [...found.value].map(([path, attributes]) => ({
        path: paths.get(Buffer.from(path, "latin1").toString()) ?? path,
        names: [...attributes.keys()].filter((name) => name !== LABEL),
      })),
    ),
  );
}
