// Fetches package files, and verifies their signatures where they come from a signed repository over the network.
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { partOf, type Came, type Carrier, type Failure } from "../fetch.js";
import { changed } from "../words.js";
import { download } from "./download.js";
import { isSigned, readKeys, type Keys } from "./keys.js";
import { at, isRemote, type Repository } from "./repository.js";

/** Transfers at once. */
const AT_ONCE = 4;

/** Where a package lies in its repository. */
interface Place {
  readonly place: string;
  readonly file: string;
}

/** Fetches from where the repository is now, not from where it was when packages were resolved. */
export async function carrier(
  { places, keys: patterns }: Repository,
  _arch: string,
  dir: string,
  context: SnapshotContext,
): Promise<Result<Carrier>> {
  const keys = await readKeys(context.base, patterns);
  if (!keys.ok) return keys;
  let [started, count] = [0, 0];
  return ok({
    hasPlace: (pkg) => placeOf(pkg, places) !== null,
    atOnce: AT_ONCE,
    changed,
    batches: (packages) => {
      count = packages.length;
      return packages.map((pkg) => [pkg]);
    },
    transfer: async (packages) => {
      const failed = new Map<string, Failure>();
      const came = new Map<string, Came>();
      for (const pkg of packages) {
        const { place, file } = knownPlaceOf(pkg, places);
        context.progress(`${++started} of ${count}: ${pkg.name} ${pkg.version}`);
        const [from, part] = [at(place, context.base, file), partOf(dir, pkg)];
        await rm(part, { force: true });
        const done = await download(from, part, context);
        if (!done.ok) return done;
        if (done.value.kind === "here") came.set(pkg.sha256, { file: part, from });
        else if (done.value.kind === "absent") failed.set(pkg.sha256, { isAbsent: true, said: "" });
        else failed.set(pkg.sha256, { isAbsent: false, said: `${from}: ${done.value.said}` });
      }
      return ok({ failed, came });
    },
    verify: async (packages, fileOf) => {
      for (const [i, pkg] of packages.entries()) {
        if (packages.length > 1)
          context.progress(`${i + 1} of ${packages.length}: the signature of ${pkg.name} ${pkg.version}`);
        const place = knownPlaceOf(pkg, places);
        const signed = await hasSignature(pkg, place, fileOf(pkg), keys.value, context);
        if (!signed.ok) return signed;
      }
      return ok(undefined);
    },
  });
}

/** A location is the number of the place and the file's name. */
function placeOf({ location }: Package, places: readonly string[]): Place | null {
  const [, number, file] = /^(\d+)\/(.+)$/.exec(location) ?? [];
  const place = places[Number(number)];
  return place === undefined || file === undefined ? null : { place, file };
}

/** Of a package for which there is one, which is asked first. */
function knownPlaceOf(pkg: Package, places: readonly string[]): Place {
  const place = placeOf(pkg, places);
  if (place === null) throw new Error(`no place for ${pkg.name}`);
  return place;
}

/** As xbps: what lies in a directory of this machine needs none. */
async function hasSignature(
  { name, version, sha256 }: Package,
  { place, file }: Place,
  stored: string,
  keys: Keys | null,
  context: SnapshotContext,
): Promise<Result<void>> {
  if (keys === null || !isRemote(place)) return ok(undefined);
  const from = at(place, context.base, `${file}.sig2`);
  const to = join(context.scratch, `${sha256}.sig2`);
  const downloaded = await download(from, to, context);
  if (!downloaded.ok) return downloaded;
  if (downloaded.value.kind !== "here") {
    return fail(Exit.environment, `the signature of ${name} ${version} cannot be fetched: ${from}`);
  }
  const good = await isSigned(stored, await readFile(to), keys);
  await rm(to, { force: true });
  return good
    ? ok(undefined)
    : fail(Exit.environment, `${from} is not a signature of ${name} ${version} by one of the keys given`);
}
