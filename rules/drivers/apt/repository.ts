// Debian repositories as package requests name them, checked, and written as apt's sources.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { readBy } from "../repository.js";

/** Name of the file in a snapshot that says where it came from. */
export const SOURCE_FILE = "snapshot.sources";

/** A line break would end the field of the source and begin another. */
const word = z.string().regex(/^\S+$/);

const source = {
  /**
   * A URI that apt understands, a directory relative to the Imagefile, or `host`: the mirror that the host's own apt
   * uses for the suite.
   */
  url: word.transform(localAsCopy),
  /** A suite or codename; with a slash at its end a directory that holds Packages itself (a flat repository). */
  suite: word,
  components: z.array(word).default(["main"]),
  /** Keyring files that may sign it, as patterns below the Imagefile's directory; empty for those of the host. */
  keys: z
    .union([z.string().transform((one) => [one]), z.array(z.string().min(1))])
    .nullish()
    .transform((keys) => keys ?? []),
};

const more = z.object({
  ...source,
  /** What its packages are said to come from; no two sources of one have the same. */
  name: word,
  /** Architectures for which it is one of the sources; null for all. */
  architectures: z.array(word).nullable().default(null),
});

const schema = z.object({ ...source, more: z.array(more).default([]) });

/** What a package request says of its repository: the first source, and more of them. */
export type Repository = z.output<typeof schema>;

/** One source of it. */
export type AptSource = z.output<typeof more>;

/** Reads a request's `repo`. Left out: components are `main`, keys the host's. */
export const readRepository = readBy(
  schema,
  "a repository of apt needs url, suite and components without blanks (write %20 for one in a path), and keys that are files",
);

/** All sources that count for an architecture, in the order in which apt gets them. */
export const sourcesOf = ({ more, ...first }: Repository, arch: string): readonly AptSource[] => [
  { ...first, name: first.suite, architectures: null },
  ...more.filter(({ architectures }) => architectures?.includes(arch) ?? true),
];

/** Suite and components; of more sources the names. */
export const nameOf = (repository: Repository): string =>
  [firstNameOf(repository), ...repository.more.map(({ name }) => name)].join(" + ");

const firstNameOf = (repository: Pick<Repository, "suite" | "components">): string =>
  ["apt", repository.suite, ...(isFlat(repository) ? [] : repository.components)].join(" ");

/** Suite and components of one source, where more than one may have its name. */
const suiteOf = (one: AptSource): string => firstNameOf(one).replace("apt ", "");

/** What counts beside its keys' contents: whether there are any, or the host's; of several sources whose they are. */
export const policyOf = ({ suite, components, keys, more }: Repository): Json => ({
  suite,
  components,
  keys: keys.length > 0,
  ...(more.length === 0
    ? {}
    : { whose: [keys, ...more.map((one) => one.keys)], more: more.map((one) => ({ ...one, url: null })) }),
});

/** The files of keys of all sources. */
export const keyFilesOf = ({ keys, more }: Repository): readonly string[] => [
  ...new Set([keys, ...more.map((one) => one.keys)].flat()),
];

/** The path of a package below the repository's address, which may change while the release stays; else its URI. */
export const locationIn = (url: string, uri: string): string => {
  const root = url.endsWith("/") ? url : `${url}/`;
  return uri.startsWith(root) ? uri.slice(root.length) : uri;
};

/** Where a package is now. */
export const uriIn = (url: string, location: string): string =>
  /^[a-z][a-z0-9+.-]*:/.test(location) ? location : `${url.endsWith("/") ? url : `${url}/`}${location}`;

/** The directory of this machine that an address stands for; null for what is elsewhere. */
const directoryOf = (url: string): string | null =>
  url.startsWith("copy:") ? fileURLToPath(`file://${url.slice("copy:".length)}`) : null;

/** A path as apt's `copy:`. A blank in the path of the project is none in its URI. */
export const copyOf = (path: string): string => `copy:${pathToFileURL(path).pathname}`;

/** The address of a source, whole: a directory is relative to `base`, and has to be there. */
export function addressOf({ url }: Pick<AptSource, "url">, base: string): Result<string> {
  const isRelative = !/^[a-z]+:/.test(url);
  const whole = isRelative ? `${copyOf(base).replace(/\/+$/, "")}/${url}` : url;
  const directory = directoryOf(whole);
  if (directory === null || existsSync(directory)) return ok(whole);
  return fail(
    Exit.environment,
    `the repository ${directory} does not exist`,
    isRelative ? "a directory is relative to the Imagefile; an address begins with https://" : undefined,
  );
}

const isFlat = ({ suite }: Pick<Repository, "suite">): boolean => suite.endsWith("/");

/** Whether apt must take it without a signature: only a local directory that has none, where no keys are named for it. */
function isUnsignedDirectory(source: AptSource): boolean {
  if (source.keys.length > 0) return false;
  const root = directoryOf(source.url);
  if (root === null) return false;
  const dir = isFlat(source) ? join(root, source.suite) : join(root, "dists", source.suite);
  return !existsSync(join(dir, "InRelease")) && !existsSync(join(dir, "Release.gpg"));
}

/** That nobody signed it, of directories that are taken nevertheless. */
export function cautionOf({ more, ...first }: Repository, base: string): string | null {
  const all: readonly AptSource[] = [{ ...first, name: first.suite, architectures: null }, ...more];
  const unsigned = all.flatMap((source) => {
    const at = addressOf(source, base);
    if (!at.ok || !isUnsignedDirectory({ ...source, url: at.value })) return [];
    return [`${directoryOf(at.value) ?? at.value} (${firstNameOf(source)})`];
  });
  if (unsigned.length === 0) return null;
  const [what, are, its, it] =
    unsigned.length === 1
      ? ["repository", "is", "its packages", "it"]
      : ["repositories", "are", "their packages", "them"];
  return (
    `the ${what} ${unsigned.join(", ")} ${are} not signed, and ${its} are taken as they are: ` +
    `sign ${it} (Release.gpg), and name ${unsigned.length === 1 ? "its" : "their"} keys in keys: files(…), which refuses what is not signed`
  );
}

/** The sources of a snapshot; `keys` are the keyrings of each while apt verifies, so that it holds no path of this machine's. */
export function sourcesText(sources: readonly AptSource[], keys?: readonly (readonly string[])[]): string {
  const stanzas = sources.map((source, at) => {
    const fields = [`Types: deb`, `URIs: ${source.url}`, `Suites: ${source.suite}`];
    if (!isFlat(source)) fields.push(`Components: ${source.components.join(" ")}`);
    if (isUnsignedDirectory(source)) fields.push("Trusted: yes");
    const own = keys?.[at] ?? [];
    if (own.length > 0) fields.push(`Signed-By: ${own.join(",")}`);
    return `${fields.join("\n")}\n`;
  });
  return stanzas.join("\n");
}

/** The addresses that a snapshot was taken from, out of its directory of sources. */
export async function sourceUrls(sources: string): Promise<readonly [string, ...string[]]> {
  const text = await readFile(join(sources, SOURCE_FILE), "utf8");
  const [first, ...rest] = [...text.matchAll(/^URIs: (.*)$/gm)].map(([, url = ""]) => url);
  if (first === undefined) throw new Error(`${SOURCE_FILE} of the snapshot has no address`);
  return [first, ...rest];
}

/** Suite and components of the sources that apt's words are about, where it names their addresses. */
export const namedIn = (said: string, sources: readonly AptSource[]): readonly string[] =>
  sources
    .filter(
      ({ url, suite }) =>
        said.includes(`${url.replace(/\/+$/, "")} ${suite}`) || said.includes(`${url} ${suite}`),
    )
    .map(suiteOf);

/**
 * A local directory as apt's `copy:`. With `file:` apt keeps symlinks to the repository's indexes, and
 * a snapshot must not change when the repository does.
 */
function localAsCopy(url: string): string {
  const path = /^(?:file|copy):(?:\/\/(?=\/))?(\/.*)$/.exec(url)?.[1];
  if (path !== undefined) return `copy:${path}`;
  return url.startsWith("/") ? `copy:${url}` : url;
}
