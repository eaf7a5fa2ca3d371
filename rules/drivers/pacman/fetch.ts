// Fetches package files with pacman, which verifies their signatures as the configuration demands. Each has the
// snapshot's checksum before it gets its name.
import { constants, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "../../../engine/model.js";
import type { Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import type { Ran } from "../run.js";
import { makeKeyring } from "../keyring.js";
import { isWhole } from "../whole.js";
import { dropped, named, placeless } from "../words.js";
import { readRepositories, serversOf, urlOf, type Repository } from "./repository.js";
import { pacmanIn, pacmanSays, run, type Pacman } from "./run.js";

/** Files to one call; its arguments stay well below the kernel's limit. */
const BATCH = 500;

/** Fetches `packages` to `<dir>/<sha256>`, from where their repositories are now. */
export async function fetchPackages(
  repo: Json,
  arch: string,
  packages: readonly Package[],
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const read = readRepositories(repo);
  if (!read.ok) return read;
  const { repositories, sigLevel, keys } = read.value;
  const lacking: Package[] = [];
  for (const pkg of new Map(packages.map((one) => [one.sha256, one])).values()) {
    if (!(await isWhole(join(dir, pkg.sha256), pkg))) lacking.push(pkg);
  }
  const gone: Package[] = [];
  for (const [number, repository] of repositories.entries()) {
    const level = `${sigLevel} ${repository.sigLevel}`.trim();
    const mine = lacking.filter((pkg) => partsOf(pkg).repository === repository.name);
    for (const [i, batch] of batches(mine).entries()) {
      // What pacman is told of files from an address, and whether it brings the signatures at all.
      const lines = `SigLevel = ${level}\nRemoteFileSigLevel = ${level}\n`;
      const pacman = await pacmanIn(`fetch-${number}-${i}`, arch, lines, context);
      const ring = await makeKeyring(run, pacman.gnupg, keys, context);
      if (!ring.ok) return ring;
      const fetched = await fetchBatch(batch, repository, arch, dir, pacman, context);
      if (!fetched.ok) return fetched;
      for (const pkg of fetched.value) gone.push(pkg);
    }
  }
  const strange = lacking.find((pkg) => !repositories.some(({ name }) => name === partsOf(pkg).repository));
  if (strange !== undefined) return placeless(strange);
  return gone.length === 0 ? ok(undefined) : dropped(gone);
}

/** Fetches them once more, to look at: pacman verifies only what it fetches, and signatures are not kept. */
export async function checkPackages(
  repo: Json,
  arch: string,
  packages: readonly Package[],
  _dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const again = join(context.scratch, "again");
  await mkdir(again, { recursive: true });
  return fetchPackages(repo, arch, packages, again, context);
}

/** A location is the repository's name and the file's. */
function partsOf({ location }: Package): { readonly repository: string; readonly file: string } {
  const [, repository = "", file = ""] = /^([^/]+)\/([^/]+)$/.exec(location) ?? [];
  return { repository, file };
}

/** So many at once, and of one name only one: pacman would keep the newest of several versions. */
function batches(packages: readonly Package[]): readonly (readonly Package[])[] {
  const all: Package[][] = [];
  for (const pkg of packages) {
    const place = all.find((one) => one.length < BATCH && one.every(({ name }) => name !== pkg.name));
    if (place === undefined) all.push([pkg]);
    else place.push(pkg);
  }
  return all;
}

/** A server answered, and has no such file. */
const ABSENT = /The requested URL returned error: (?:404|410)\b|Couldn't open file|file does not exist/i;

/** Fetches from one repository: what a server does not give, the next is asked for. Returns what none has. */
async function fetchBatch(
  packages: readonly Package[],
  repository: Repository,
  arch: string,
  dir: string,
  pacman: Pacman,
  context: SnapshotContext,
): Promise<Result<readonly Package[]>> {
  const missed = new Map<Package, string>();
  let left = packages;
  for (const server of serversOf(repository, arch, context.base)) {
    missed.clear();
    // Pacman verifies nothing while it lacks something: what is not there is left out, and the rest asked for again.
    for (let asked = left; asked.length > 0; asked = asked.filter((pkg) => !missed.has(pkg))) {
      const urls = asked.map((pkg) => urlOf(server, partsOf(pkg).file));
      let started = 0;
      const onLine = (line: string): void => {
        if (line.endsWith(" downloading..."))
          context.progress(`${++started} of ${asked.length}:${line.slice(0, -15)}`);
      };
      const ran = await pacman.run(["-Uwdd", "--noconfirm", "--noprogressbar", "--", ...urls], { onLine });
      if (!ran.ok) return ran;
      const failures = failuresIn(ran.value.stderr);
      const before = missed.size;
      for (const pkg of asked) {
        const { file } = partsOf(pkg);
        const why = failures.get(file) ?? failures.get(`${file}.sig`);
        if (why !== undefined) missed.set(pkg, failures.has(file) ? why : `its signature: ${why}`);
      }
      if (missed.size > before) continue;
      const adopted = await adopt(asked, server, dir, pacman, ran.value);
      if (!adopted.ok) return adopted;
      break;
    }
    left = [...missed.keys()];
    if (left.length === 0) return ok([]);
  }
  const gone = left.filter(
    (pkg) => ABSENT.test(missed.get(pkg) ?? "") && !/^its signature/.test(missed.get(pkg) ?? ""),
  );
  const first = left.find((pkg) => !gone.includes(pkg));
  return first === undefined
    ? ok(gone)
    : fail(Exit.environment, `cannot fetch ${named(first)}: ${missed.get(first) ?? ""}`);
}

/** Files that pacman could not retrieve, and why. */
const failuresIn = (stderr: string): ReadonlyMap<string, string> =>
  new Map(
    [...stderr.matchAll(/^error: failed retrieving file '([^']+)' from (.*)$/gm)].map((match) => [
      decodeURIComponent(match[1] ?? ""),
      match[2] ?? "",
    ]),
  );

/** Gives the files their names, if each is what the snapshot promised and pacman has verified them all. */
async function adopt(
  packages: readonly Package[],
  server: string,
  dir: string,
  pacman: Pacman,
  ran: Ran,
): Promise<Result<void>> {
  const files = packages.map((pkg) => {
    const url = urlOf(server, partsOf(pkg).file);
    return { pkg, url, file: join(pacman.cache, url.slice(server.length + 1)) };
  });
  for (const { pkg, url, file } of files) {
    if (await isWhole(file, pkg)) continue;
    return fail(
      Exit.environment,
      `${url} is not what the snapshot promised`,
      "a broken transfer, or the repository has another file under that name: `imagemake release refresh`",
    );
  }
  if (ran.status !== 0) {
    return fail(
      Exit.environment,
      `packages from ${server} were not accepted; pacman says ${withoutPaths(ran, pacman)}`,
    );
  }
  for (const { pkg, file } of files) {
    const final = join(dir, pkg.sha256);
    // The scratch directory may lie elsewhere, where a rename does not reach.
    await copyFile(file, `${final}.part`, constants.COPYFILE_FICLONE);
    await rename(`${final}.part`, final);
    await rm(file);
  }
  return ok(undefined);
}

const withoutPaths = (ran: Ran, pacman: Pacman): string => pacmanSays(ran).replaceAll(`${pacman.cache}/`, "");
