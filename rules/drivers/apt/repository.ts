// A Debian repository as package requests name it, checked, and written as an apt source.
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

const schema = z.object({
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
});

/** What a package request says of its repository. */
export type Repository = z.output<typeof schema>;

/** Reads a request's `repo`. Left out: components are `main`, keys the host's. */
export const readRepository = readBy(
  schema,
  "a repository of apt needs url, suite and components without blanks (write %20 for one in a path), and keys that are files",
);

/** Suite and components. */
export const nameOf = (repository: Repository): string =>
  ["apt", repository.suite, ...(isFlat(repository) ? [] : repository.components)].join(" ");

/** What counts beside its keys' contents: whether there are any, or the host's. */
export const policyOf = ({ suite, components, keys }: Repository): Json => ({
  suite,
  components,
  keys: keys.length > 0,
});

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

/** The address of a repository, whole: a directory is relative to `base`, and has to be there. */
export function addressOf({ url }: Repository, base: string): Result<string> {
  const isRelative = !/^[a-z]+:/.test(url);
  // A blank in the path of the project is none in its URI.
  const whole = isRelative ? `copy:${pathToFileURL(base).pathname.replace(/\/+$/, "")}/${url}` : url;
  const directory = directoryOf(whole);
  if (directory === null || existsSync(directory)) return ok(whole);
  return fail(
    Exit.environment,
    `the repository ${directory} does not exist`,
    isRelative ? "a directory is relative to the Imagefile; an address begins with https://" : undefined,
  );
}

const isFlat = (repository: Repository): boolean => repository.suite.endsWith("/");

/** Whether apt must take it without a signature: only a local directory that has none, where no keys are named for it. */
function isUnsignedDirectory(repository: Repository): boolean {
  if (repository.keys.length > 0) return false;
  const root = directoryOf(repository.url);
  if (root === null) return false;
  const dir = isFlat(repository) ? join(root, repository.suite) : join(root, "dists", repository.suite);
  return !existsSync(join(dir, "InRelease")) && !existsSync(join(dir, "Release.gpg"));
}

/** That nobody signed it, of a directory that is taken nevertheless. */
export function cautionOf(repository: Repository, base: string): string | null {
  const at = addressOf(repository, base);
  if (!at.ok || !isUnsignedDirectory({ ...repository, url: at.value })) return null;
  return (
    `the repository ${directoryOf(at.value) ?? at.value} (${nameOf(repository)}) is not signed, and its packages are taken as they are: ` +
    "sign it (Release.gpg), and name its keys in keys: files(…), which refuses what is not signed"
  );
}

/** The one source of a snapshot. Keys are given to apt beside it, so that it holds no path of this machine's. */
export function sourceText(repository: Repository): string {
  const fields = [`Types: deb`, `URIs: ${repository.url}`, `Suites: ${repository.suite}`];
  if (!isFlat(repository)) fields.push(`Components: ${repository.components.join(" ")}`);
  if (isUnsignedDirectory(repository)) fields.push("Trusted: yes");
  return `${fields.join("\n")}\n`;
}

/** The address that a snapshot was taken from, out of its directory of sources. */
export async function sourceUrl(sources: string): Promise<string> {
  const text = await readFile(join(sources, SOURCE_FILE), "utf8");
  const url = /^URIs: (.*)$/m.exec(text)?.[1];
  if (url === undefined) throw new Error(`${SOURCE_FILE} of the snapshot has no address`);
  return url;
}

/**
 * A local directory as apt's `copy:`. With `file:` apt keeps symlinks to the repository's indexes, and
 * a snapshot must not change when the repository does.
 */
function localAsCopy(url: string): string {
  const path = /^(?:file|copy):(?:\/\/(?=\/))?(\/.*)$/.exec(url)?.[1];
  if (path !== undefined) return `copy:${path}`;
  return url.startsWith("/") ? `copy:${url}` : url;
}
