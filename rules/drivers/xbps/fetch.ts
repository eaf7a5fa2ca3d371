// Fetches package files, each verified against the snapshot's checksum, and by its signature where it comes from a
// signed repository over the network, before it gets its name.
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "../../../engine/model.js";
import type { Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Problem, type Result } from "../../../engine/problem.js";
import { download } from "./download.js";
import { isSigned, readKeys, type Keys } from "./keys.js";
import { isWhole } from "../whole.js";
import { REFRESH, someNamed } from "../words.js";
import { at, isRemote, readRepository } from "./repository.js";

/** Transfers at once. */
const AT_ONCE = 4;

/** What all transfers of one call share. */
interface Work {
  readonly places: readonly string[];
  /** Null where packages are not signed. */
  readonly keys: Keys | null;
  readonly dir: string;
  readonly context: SnapshotContext;
}

/**
 * Fetches `packages` to `<dir>/<sha256>`, from where the repository is now, not from where it was when they were
 * resolved.
 */
export async function fetchPackages(
  repo: Json,
  _arch: string,
  packages: readonly Package[],
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const read = readRepository(repo);
  if (!read.ok) return read;
  const keys = await readKeys(context.base, read.value.keys);
  if (!keys.ok) return keys;
  const work: Work = {
    places: read.value.places,
    keys: read.value.keys === null ? null : keys.value,
    dir,
    context,
  };
  const queue = [...new Map(packages.map((pkg) => [pkg.sha256, pkg])).values()];
  const count = queue.length;
  const gone: Package[] = [];
  const problems: Problem[] = [];
  const worker = async (): Promise<void> => {
    for (let pkg = queue.shift(); pkg !== undefined && problems.length === 0; pkg = queue.shift()) {
      context.progress(`${count - queue.length} of ${count}: ${pkg.name} ${pkg.version}`);
      const one = await fetchOne(pkg, work);
      if (!one.ok) problems.push(one.problem);
      else if (one.value === "gone") gone.push(pkg);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const [problem] = problems;
  if (problem !== undefined) return { ok: false, problem };
  if (gone.length === 0) return ok(undefined);
  return fail(Exit.environment, `the repository has dropped ${someNamed(gone)}`, REFRESH);
}

/** Verifies the signatures of packages that are here, in files beside them where their repository is. */
export async function checkPackages(
  repo: Json,
  _arch: string,
  packages: readonly Package[],
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const read = readRepository(repo);
  if (!read.ok) return read;
  const keys = await readKeys(context.base, read.value.keys);
  if (!keys.ok) return keys;
  const work: Work = { places: read.value.places, keys: keys.value, dir, context };
  for (const [at, pkg] of packages.entries()) {
    context.progress(`${at + 1} of ${packages.length}: the signature of ${pkg.name} ${pkg.version}`);
    const found = placeOf(pkg, work);
    if (!found.ok) return found;
    const copy = join(context.scratch, pkg.sha256);
    const { place, file } = found.value;
    const signed = await hasSignature(pkg, place, file, join(dir, pkg.sha256), work, copy);
    if (!signed.ok) return signed;
  }
  return ok(undefined);
}

/** Where a package lies in its repository. */
function placeOf(pkg: Package, work: Work): Result<{ readonly place: string; readonly file: string }> {
  const [number = "", file = ""] = /^(\d+)\/(.*)$/.exec(pkg.location)?.slice(1) ?? [];
  const place = work.places[Number(number)];
  if (place !== undefined && file !== "") return ok({ place, file });
  return fail(
    Exit.environment,
    `the Imagefile's repository has no place for ${pkg.name} ${pkg.version}`,
    "`imagemake release refresh`",
  );
}

async function fetchOne(pkg: Package, work: Work): Promise<Result<"here" | "gone">> {
  const { dir, context } = work;
  const final = join(dir, pkg.sha256);
  if (await isWhole(final, pkg)) return ok("here");
  const found = placeOf(pkg, work);
  if (!found.ok) return found;
  const { place, file } = found.value;
  const from = at(place, context.base, file);
  const part = `${final}.part`;
  await rm(part, { force: true });
  const downloaded = await download(from, part, context);
  if (!downloaded.ok) return downloaded;
  if (downloaded.value.kind === "absent") return ok("gone");
  if (downloaded.value.kind === "failed") {
    return fail(
      Exit.environment,
      `cannot fetch ${pkg.name} ${pkg.version}: ${from}: ${downloaded.value.said}`,
    );
  }
  if (!(await isWhole(part, pkg))) {
    await rm(part, { force: true });
    return fail(
      Exit.environment,
      `${from} is not what the snapshot promised`,
      "a broken transfer, or the repository has another file under that name: `imagemake release refresh`",
    );
  }
  const signed = await hasSignature(pkg, place, file, part, work);
  if (!signed.ok) {
    await rm(part, { force: true });
    return signed;
  }
  await rename(part, final);
  return ok("here");
}

/** As xbps: what lies in a directory of this machine needs none. */
async function hasSignature(
  pkg: Package,
  place: string,
  file: string,
  part: string,
  work: Work,
  beside = part,
): Promise<Result<void>> {
  if (work.keys === null || !isRemote(place)) return ok(undefined);
  const from = at(place, work.context.base, `${file}.sig2`);
  const to = `${beside}.sig2`;
  const downloaded = await download(from, to, work.context);
  if (!downloaded.ok) return downloaded;
  if (downloaded.value.kind !== "here") {
    return fail(Exit.environment, `the signature of ${pkg.name} ${pkg.version} cannot be fetched: ${from}`);
  }
  const good = await isSigned(part, await readFile(to), work.keys);
  await rm(to, { force: true });
  return good
    ? ok(undefined)
    : fail(
        Exit.environment,
        `${from} is not a signature of ${pkg.name} ${pkg.version} by one of the keys given`,
      );
}
