// What of a tree a format cannot hold, found in the tree's manifest: so before anything is written, and by name. Which
// format lacks what is the rules' to say.
import type { Holding, Trait } from "../model.js";
import { noticeOf, type Notice } from "../notice.js";
import { decodeBody, pathWord, type Entry } from "./entry.js";
import type { Manifest } from "./manifest.js";

/** What is lost of a tree: paths, printable, in order. */
export interface Loss {
  readonly trait: Trait;
  readonly paths: readonly string[];
}

const ACL = /^system\.posix_acl_/;
const CAPABILITY = "security.capability";
/** In bytes: what no 32 bits count. */
const LARGE = 2 ** 32;
/** In nanoseconds. */
const YEAR_1980 = 315_532_800_000_000_000n;

/** How each trait is called, and which entries have it. */
const TRAITS: Readonly<Record<Trait, { readonly words: string; readonly has: (entry: Entry) => boolean }>> = {
  acl: { words: "POSIX ACLs", has: ({ attributes }) => names(attributes).some((name) => ACL.test(name)) },
  capability: { words: "file capabilities", has: ({ attributes }) => attributes.has(CAPABILITY) },
  attribute: {
    words: "extended attributes",
    has: ({ attributes }) => names(attributes).some((name) => name !== CAPABILITY && !ACL.test(name)),
  },
  link: { words: "symbolic links", has: ({ type }) => type === "symlink" },
  hardlink: { words: "hard links", has: ({ group }) => group !== null },
  node: { words: "devices and fifos", has: ({ type }) => ["char", "block", "fifo"].includes(type) },
  owner: { words: "owners that are not root", has: ({ uid, gid }) => uid !== 0 || gid !== 0 },
  mode: {
    words: "modes that are not 755 or 644",
    // What only its owner may write, all may read: who may write does not matter on a medium.
    has: ({ type, mode }) =>
      type !== "symlink" && ![0o755, 0o555, ...(type === "dir" ? [] : [0o644, 0o444])].includes(mode),
  },
  large: { words: "files of 4 GiB and more", has: (entry) => entry.type === "file" && entry.size >= LARGE },
  old: { words: "times before 1980", has: ({ mtime }) => mtime < YEAR_1980 },
};

/** Every trait and its words, for documents. */
export const traits: readonly (readonly [Trait, string])[] = (Object.keys(TRAITS) as Trait[]).map((trait) => [
  trait,
  TRAITS[trait].words,
]);

const names = (attributes: Entry["attributes"]): string[] => [...attributes.keys()];

/** What files lose of which only the names of attributes are known. */
export function lossesOfNames(
  files: readonly { readonly path: string; readonly names: readonly string[] }[],
): readonly Loss[] {
  const lists: readonly (readonly [Trait, (name: string) => boolean])[] = [
    ["acl", (name) => ACL.test(name)],
    ["capability", (name) => name === CAPABILITY],
    ["attribute", (name) => name !== CAPABILITY && !ACL.test(name)],
  ];
  return lists.flatMap(([trait, is]) => {
    const paths = files.filter((file) => file.names.some(is)).map(({ path }) => path);
    return paths.length === 0 ? [] : [{ trait, paths }];
  });
}

/** What `holding` loses of the tree, one trait after the other in its own order; empty where nothing is. */
export function lossesOf(manifest: Manifest, { beneath, without, lacks }: Holding): readonly Loss[] {
  const found = new Map<Trait, string[]>(lacks.map((trait) => [trait, []]));
  const leftOut = without.map(matcher);
  for (const [path, { body, group }] of manifest.lines) {
    if (beneath !== "" && path !== beneath && !path.startsWith(`${beneath}/`)) continue;
    if (leftOut.some((matches) => matches.test(path))) continue;
    const entry = decodeBody(path, body, group);
    for (const [trait, paths] of found) if (TRAITS[trait].has(entry)) paths.push(pathWord(path));
  }
  return [...found].flatMap(([trait, paths]) => (paths.length === 0 ? [] : [{ trait, paths }]));
}

/** A path and all beneath it; `*` and `?` stand for parts of a name. */
const matcher = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[\\^$+.()|{}]/g, "\\$&")
      .replaceAll("*", "[^/]*")
      .replaceAll("?", "[^/]")}(/|$)`,
  );

/** One sentence: `squashfs does not hold POSIX ACLs (etc/x, var/log/journal and 4 more)`. */
export const lossText = (format: string, losses: readonly Loss[]): Notice =>
  noticeOf(
    (some) =>
      `${format} does not hold ${losses
        .map(({ trait, paths }) => `${TRAITS[trait].words} (${some(paths)})`)
        .join(", ")}`,
  );
