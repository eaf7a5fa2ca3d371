// Brings the extended attributes of a layer into the form in which it is kept: none that are not the tree's, and those of one
// file set in the order of their names. What packs a tree takes them in the order in which the file system lists them, which
// would be that of who set them: one tree, two images.
import { existsSync, lstatSync } from "node:fs";
import { bytePath } from "../../cache/hash.js";
import { runProgram } from "../../cache/program.js";
import { noticeOf, type Notice } from "../notice.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { isContent, LABEL, OVERLAYS_OWN, type TreeAttributes } from "./attributes.js";
import { escapeBytes, type Attributes } from "./entry.js";
import { pathIn } from "./scan.js";

/** The attributes that are left, and what a person should know of those that are not. */
export interface SettledAttributes {
  readonly attributes: TreeAttributes;
  readonly notices: readonly Notice[];
}

/** Where a machine has a policy its labels are on every file, cannot be taken off, and are nothing that an action said. */
const hasPolicy = (): boolean => existsSync("/sys/fs/selinux/enforce");

/** What is said of what is taken off. */
const LOST: Readonly<Record<string, (name: string) => boolean>> = {
  "labels of SELinux": (name) => name === LABEL,
  "attributes by which overlays keep account": (name) => OVERLAYS_OWN.test(name),
};

/**
 * `layering` is the prefix of the attributes that the layer itself needs; null where it lies on nothing. It changes the directory
 * `root`, and needs setfattr, which comes with getfattr.
 */
export function settleAttributes(
  root: string,
  all: TreeAttributes,
  layering: string | null,
): Result<SettledAttributes> {
  const labelled = hasPolicy();
  const isForeign = (name: string): boolean =>
    name === LABEL ? !labelled : OVERLAYS_OWN.test(name) && (layering === null || !name.startsWith(layering));
  const foreign = [...all].filter(([, own]) => [...own.keys()].some(isForeign));
  const several = [...all].filter(([, own]) => contentOf(own).length > 1);
  const taken = remove(root, [
    ...foreign
      .filter(oneNameEach(root))
      .map(([path, own]) => [path, [...own.keys()].filter(isForeign)] as const),
    ...several
      .filter(oneNameEach(root))
      .map(([path, own]) => [path, contentOf(own).map(([name]) => name)] as const),
  ]);
  if (!taken.ok) return taken;
  const put = several.length === 0 ? ok(undefined) : restore(root, several);
  if (!put.ok) return put;
  const left = new Map(all);
  for (const [path, own] of foreign) left.set(path, new Map([...own].filter(([name]) => !isForeign(name))));
  const notices = Object.entries(LOST).flatMap(([words, isLost]) => {
    const paths = foreign.filter(([, own]) =>
      [...own.keys()].some((name) => isForeign(name) && isLost(name)),
    );
    const named = paths.map(([path]) => (path === "" ? "/" : escapeBytes(path))).sort();
    return named.length === 0 ? [] : [noticeOf((some) => `a tree does not hold ${words} (${some(named)})`)];
  });
  return ok({ attributes: left, notices });
}

/** In the order of their names. */
const contentOf = (own: Attributes): (readonly [string, string])[] =>
  [...own].filter(([name]) => isContent(name)).sort(([a], [b]) => (a < b ? -1 : 1));

/** Lets the first name of each file through: its others (hard links) have the same attributes, and lose them with it. */
function oneNameEach(root: string): (of: readonly [path: string, own: Attributes]) => boolean {
  const seen = new Set<string>();
  return ([path]) => {
    const { dev, ino } = lstatSync(bytePath(pathIn(root, path)), { bigint: true });
    return seen.size < seen.add(`${dev}:${ino}`).size;
  };
}

const pathOf = (path: string): string => (path === "" ? "." : `./${path}`);

/** Removes attributes of paths, one call of setfattr for each name. */
function remove(root: string, wanted: readonly (readonly [string, readonly string[]])[]): Result<void> {
  const byName = new Map<string, string[]>();
  for (const [path, names] of wanted)
    for (const name of names) byName.set(name, [...(byName.get(name) ?? []), pathOf(path)]);
  for (const [name, paths] of byName) {
    // Names and paths are bytes, which Node passes on to no program but by its standard input.
    const words = ["-h", "-x", name, "--"];
    for (const some of inBatches(paths)) {
      const removed = setfattr(root, "xargs", ["-0", "-x", "setfattr"], [...words, ...some, ""].join("\0"));
      if (!removed.ok) return removed;
    }
  }
  return ok(undefined);
}

/** As many as xargs puts into one call, in bytes; it takes 128 KiB at least. */
const BATCH = 100_000;

function* inBatches(paths: readonly string[]): Generator<readonly string[]> {
  let batch: string[] = [];
  let size = 0;
  for (const path of paths) {
    if (size + path.length > BATCH && batch.length > 0) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(path);
    // The pointer to it counts, too.
    size += path.length + 9;
  }
  yield batch;
}

/** Sets them again, in the form that getfattr prints and setfattr reads. */
function restore(root: string, files: readonly (readonly [string, Attributes])[]): Result<void> {
  const text = files.map(
    ([path, own]) =>
      `# file: ${quoted(pathOf(path), /[\n\r\\]/g)}\n` +
      contentOf(own)
        .map(([name, value]) => `${quoted(name, /[\n\r\\=]/g)}=0x${value}\n`)
        .join("") +
      "\n",
  );
  return setfattr(root, "setfattr", ["-h", "--restore=-"], text.join(""));
}

const quoted = (text: string, special: RegExp): string =>
  text.replace(special, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);

/** `input` is bytes, one a character. */
function setfattr(root: string, program: string, argv: readonly string[], input: string): Result<void> {
  const { status, said } = runProgram(program, argv, {
    cwd: root,
    env: { ...process.env, LC_ALL: "C" },
    input: Buffer.from(input, "latin1"),
  });
  if (status === 0) return ok(undefined);
  return fail(Exit.environment, `cannot bring the extended attributes in ${root} into order: ${said}`);
}
