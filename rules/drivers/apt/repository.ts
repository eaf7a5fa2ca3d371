// A Debian repository as package requests name it, checked, and written as an apt source.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Json } from "../../../engine/model.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";

/** Name of the file in a snapshot that says where it came from. */
export const SOURCE_FILE = "snapshot.sources";

/** What a package request says of its repository. */
export interface Repository {
  /**
   * A URI that apt understands, a directory relative to the Imagefile, or `host`: the mirror that the host's own apt
   * uses for the suite.
   */
  readonly url: string;
  /** A suite or codename; with a slash at its end a directory that holds Packages itself (a flat repository). */
  readonly suite: string;
  readonly components: readonly string[];
  /** Keyring files that may sign it, as patterns below the Imagefile's directory; empty for those of the host. */
  readonly keys: readonly string[];
}

/** Reads a request's `repo`. Left out: components are `main`, keys the host's. */
export function readRepository(repo: Json): Result<Repository> {
  const fields: Partial<Record<string, Json>> =
    typeof repo === "object" && repo !== null && !isArray(repo) ? repo : {};
  const { url, suite, components = ["main"], keys = null } = fields;
  if (typeof url !== "string" || url === "" || typeof suite !== "string" || suite === "") {
    return fail(Exit.usage, "a repository of apt needs url and suite");
  }
  const names = texts(components);
  const files = keys === null ? [] : texts(typeof keys === "string" ? [keys] : keys);
  if (names === null || files === null) {
    return fail(Exit.usage, `repository ${suite}: components must be names, keys must be files`);
  }
  // A line break would end the field of the source and begin another.
  if ([url, suite, ...names].some((word) => /\s/.test(word))) {
    return fail(
      Exit.usage,
      `repository ${suite}: blanks in url, suite or components (write %20 for one in a path)`,
    );
  }
  return ok({ url: localAsCopy(url), suite, components: names, keys: files });
}

/** Suite and components: what tells repositories of one release apart, wherever they are fetched from. */
export function nameOf(repo: Json): string {
  const read = readRepository(repo);
  if (!read.ok) return "apt";
  return ["apt", read.value.suite, ...(isFlat(read.value) ? [] : read.value.components)].join(" ");
}

/** What counts beside its keys' contents: whether there are any, or the host's. */
export function policyOf(repo: Json): Json {
  const read = readRepository(repo);
  if (!read.ok) return null;
  const { suite, components, keys } = read.value;
  return { suite, components, keys: keys.length > 0 };
}

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
export function cautionOf(repo: Json, base: string): string | null {
  const read = readRepository(repo);
  const at = read.ok ? addressOf(read.value, base) : read;
  if (!read.ok || !at.ok || !isUnsignedDirectory({ ...read.value, url: at.value })) return null;
  return (
    `the repository ${directoryOf(at.value) ?? at.value} (${nameOf(repo)}) is not signed, and its packages are taken as they are: ` +
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
  return /^URIs: (.*)$/m.exec(text)?.[1] ?? "";
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

const isArray = (value: Json): value is readonly Json[] => Array.isArray(value);

function texts(value: Json): string[] | null {
  if (typeof value !== "object" || value === null || !isArray(value)) return null;
  const found = value.filter((one) => typeof one === "string" && one !== "");
  return found.length === value.length ? (found as string[]) : null;
}
