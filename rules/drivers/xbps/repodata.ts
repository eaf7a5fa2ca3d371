// A repository's metadata file (<arch>-repodata): which packages it lists, and whose key signs them. It does not
// fetch anything.
import type { DriverContext, Package } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { once } from "../package.js";
import { entries, property, strings } from "./plist.js";
import { run } from "./run.js";

/** What an index says of a package. */
export interface Listed extends Omit<Package, "location"> {
  /** Names it depends on, without versions. */
  readonly needs: readonly string[];
  /** Other names it goes by. */
  readonly provides: readonly string[];
  /** The whole entry, as it stands in the index. */
  readonly entry: string;
}

/** One place's metadata. */
export interface Repodata {
  /** By package name. */
  readonly packages: ReadonlyMap<string, Listed>;
  /** The public key (PEM) whose owner signs the packages; null where they are not signed. */
  readonly signer: string | null;
}

/** The name in `name-version_revision` and in a dependency such as `name>=1.0`. */
export const nameIn = (pattern: string): string =>
  pattern.replace(/[<>=*?[].*$/, "").replace(/-[^-]*_\d+$/, "");

/** Reads a file of metadata; `place` is where it came from, for messages. */
export async function readRepodata(
  file: string,
  place: string,
  context: Pick<DriverContext, "scratch" | "signal">,
): Promise<Result<Repodata>> {
  const read = async (member: string): Promise<Result<string>> => {
    const ran = await run(["tar", "--extract", "--to-stdout", "--file", file, member], context, { cwd: "/" });
    if (!ran.ok || ran.value.status === 0) return ran.ok ? ok(ran.value.stdout) : ran;
    const said = ran.value.stderr.trim().split("\n")[0] ?? "";
    return fail(
      Exit.environment,
      `${place}: the metadata cannot be read (${said})`,
      "a broken transfer, or not a repository of xbps",
    );
  };
  const index = await read("index.plist");
  if (!index.ok) return index;
  const meta = await read("index-meta.plist");
  if (!meta.ok) return meta;
  const packages = new Map<string, Listed>();
  for (const [name, entry] of entries(index.value)) {
    const listed = listedIn(name, entry);
    if (listed === null)
      return fail(Exit.environment, `${place}: the metadata of ${name} cannot be understood`);
    packages.set(name, listed);
  }
  const key = property(meta.value, "public-key", 1);
  return ok({ packages, signer: key === null ? null : Buffer.from(key, "base64").toString("latin1") });
}

function listedIn(name: string, entry: string): Listed | null {
  const text = (key: string): string | null => property(entry, key, 2);
  const pkgver = text("pkgver");
  const arch = text("architecture");
  const sha256 = text("filename-sha256");
  const size = Number(text("filename-size"));
  if (pkgver?.startsWith(`${name}-`) !== true || arch === null) return null;
  if (sha256 === null || !/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(size)) return null;
  return {
    name,
    version: pkgver.slice(name.length + 1),
    arch,
    sha256,
    size,
    needs: strings(entry, "run_depends", 2).map(nameIn),
    provides: strings(entry, "provides", 2).map(nameIn),
    entry,
  };
}

/** As `readRepodata`, for a file that never changes: a run resolves many lists in one snapshot. */
export const keptRepodata = once(readRepodata);
