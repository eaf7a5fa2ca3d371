// Takes a repository's metadata: one directory a place, in order, each with the architecture's repodata. Places
// that have none are left out; their numbers stay, so that a package's location outlives a move of the whole.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { download } from "./download.js";
import { fingerprint, publicKey, readKeys, type Keys } from "./keys.js";
import { readRepodata, type Repodata } from "./repodata.js";
import { at, isRemote, type Repository } from "./repository.js";

/** Name of the metadata in a repository. */
export const repodataOf = (arch: string): string => `${arch}-repodata`;

/** Fills `dir` (empty, exists). Anything less than the metadata of all places that have some is a problem. */
export async function takeSnapshot(
  { places, keys: patterns }: Repository,
  arch: string,
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const keys = await readKeys(context.base, patterns);
  if (!keys.ok) return keys;
  let packages = 0;
  for (const [number, place] of places.entries()) {
    const whole = at(place, context.base);
    // Only the first is named by a person; what lies beneath it need not be there.
    if (!isRemote(place) && number === 0 && !existsSync(whole)) {
      return fail(Exit.environment, `the repository ${whole} does not exist`);
    }
    context.progress(whole);
    const file = join(dir, String(number), repodataOf(arch));
    await mkdir(join(dir, String(number)));
    const downloaded = await download(at(place, context.base, repodataOf(arch)), file, context);
    if (!downloaded.ok) return downloaded;
    if (downloaded.value.kind === "failed") {
      return fail(Exit.environment, `the repository ${whole} cannot be reached: ${downloaded.value.said}`);
    }
    if (downloaded.value.kind === "absent") {
      await rm(join(dir, String(number)), { recursive: true, force: true });
      continue;
    }
    const found = await readRepodata(file, whole, context);
    if (!found.ok) return found;
    const trusted = isTrusted(whole, isRemote(place), found.value, keys.value);
    if (!trusted.ok) return trusted;
    packages += found.value.packages.size;
  }
  return packages > 0 ? ok(undefined) : nothingFor(arch, places, context.base);
}

function nothingFor(arch: string, places: readonly string[], base: string): Result<never> {
  const [first = ""] = places;
  const others =
    places.length === 1
      ? ""
      : ` (nor have ${places
          .slice(1)
          .map((one) => at(one, base))
          .join(", ")})`;
  return fail(
    Exit.environment,
    `the repository ${at(first, base)} has no packages for ${arch}${others}`,
    `it would have a file ${repodataOf(arch)}`,
  );
}

/** Whether the packages of a place may be used: signed by one of `keys`, or unsigned where that was said. */
function isTrusted(place: string, remote: boolean, found: Repodata, keys: Keys | null): Result<void> {
  if (found.signer === null) {
    if (keys === null || !remote) return ok(undefined);
    return fail(Exit.environment, `the repository ${place} is not signed, although keys are given for it`);
  }
  const key = publicKey(found.signer);
  if (key === null)
    return fail(Exit.environment, `the repository ${place} is signed with a key that cannot be read`);
  const print = fingerprint(key);
  if (keys?.has(print) === true) return ok(undefined);
  return fail(
    Exit.environment,
    `the repository ${place} is signed with the key ${print}, which is not among the keys given`,
    `xbps(…, { keys: files("keys/*.plist") }) names the keys to trust; this one's file is ${print}.plist`,
  );
}
