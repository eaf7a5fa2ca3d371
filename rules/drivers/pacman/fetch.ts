// Fetches package files with pacman, which verifies their signatures as the configuration demands.
import { join } from "node:path";
import type { Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, ok, type Problem, type Result } from "../../../engine/problem.js";
import type { Came, Carrier, Failure, Transferred } from "../fetch.js";
import { makeKeyring } from "../keyring.js";
import type { Ran } from "../run.js";
import { changed } from "../words.js";
import { serversOf, urlOf, type Repositories, type Repository } from "./repository.js";
import { pacmanIn, pacmanSays, run, type Pacman } from "./run.js";

/** Files to one call. */
const BATCH = 500;

/** Fetches from where the repositories are now, one after the other. */
export function carrier(
  { repositories, sigLevel, keys }: Repositories,
  arch: string,
  _dir: string,
  context: SnapshotContext,
): Promise<Result<Carrier>> {
  const repositoryOf = (pkg: Package): Repository | undefined =>
    repositories.find(({ name }) => name === partsOf(pkg).repository);
  let number = 0;
  return Promise.resolve(
    ok({
      hasPlace: (pkg) => repositoryOf(pkg) !== undefined,
      changed,
      batches: (packages) =>
        repositories.flatMap((one) => batches(packages.filter((pkg) => repositoryOf(pkg) === one))),
      transfer: async (packages) => {
        const repository = packages[0] === undefined ? undefined : repositoryOf(packages[0]);
        if (repository === undefined) return ok({ failed: new Map() });
        const level = `${sigLevel} ${repository.sigLevel}`.trim();
        // What pacman is told of files from an address, and whether it brings the signatures at all.
        const lines = `SigLevel = ${level}\nRemoteFileSigLevel = ${level}\n`;
        const pacman = await pacmanIn(`fetch-${number++}`, arch, lines, context);
        const ring = await makeKeyring(run, pacman.gnupg, keys, context);
        if (!ring.ok) return ring;
        return fetchBatch(packages, serversOf(repository, arch, context.base), pacman, context);
      },
    }),
  );
}

/** A location is the repository's name and the file's. */
function partsOf({ name, location }: Package): { readonly repository: string; readonly file: string } {
  const [, repository, file] = /^([^/]+)\/([^/]+)$/.exec(location) ?? [];
  if (repository === undefined || file === undefined) throw new Error(`${name} has no place: ${location}`);
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

/** Fetches from the servers of one repository: what one does not give, the next is asked for. */
async function fetchBatch(
  packages: readonly Package[],
  servers: readonly string[],
  pacman: Pacman,
  context: SnapshotContext,
): Promise<Result<Transferred>> {
  const failed = new Map<string, Failure>();
  const came = new Map<string, Came>();
  let refused: Problem | null = null;
  let left = packages;
  for (const server of servers) {
    failed.clear();
    // Pacman verifies nothing while it lacks something: what is not there is left out, and the rest asked for again.
    for (let asked = left; asked.length > 0; asked = asked.filter(({ sha256 }) => !failed.has(sha256))) {
      const ran = await fetchFrom(server, asked, pacman, context);
      if (!ran.ok) return ran;
      const failures = failuresIn(ran.value.stderr);
      const before = failed.size;
      for (const pkg of asked) {
        const { file } = partsOf(pkg);
        const [why, unsigned] = [failures.get(file), failures.get(`${file}.sig`)];
        const isAbsent = why !== undefined && ABSENT.test(why);
        // Whoever has dropped a package has said so with that.
        if (why !== undefined) failed.set(pkg.sha256, { isAbsent, said: isAbsent ? "" : why });
        else if (unsigned !== undefined)
          failed.set(pkg.sha256, { isAbsent: false, said: `its signature: ${unsigned}` });
      }
      if (failed.size > before) continue;
      for (const pkg of asked) {
        const from = urlOf(server, partsOf(pkg).file);
        came.set(pkg.sha256, { from, file: join(pacman.cache, from.slice(server.length + 1)) });
      }
      if (ran.value.status !== 0) {
        const said = pacmanSays(ran.value).replaceAll(`${pacman.cache}/`, "");
        const message = `packages from ${server} were not accepted; pacman says ${said}`;
        refused ??= { exit: Exit.environment, message };
      }
      break;
    }
    left = left.filter(({ sha256 }) => failed.has(sha256));
    if (left.length === 0) break;
  }
  return ok({ failed, came, refused });
}

function fetchFrom(
  server: string,
  packages: readonly Package[],
  pacman: Pacman,
  context: SnapshotContext,
): Promise<Result<Ran>> {
  let started = 0;
  const onLine = (line: string): void => {
    if (line.endsWith(" downloading..."))
      context.progress(`${++started} of ${packages.length}:${line.slice(0, -15)}`);
  };
  const urls = packages.map((pkg) => urlOf(server, partsOf(pkg).file));
  return pacman.run(["-Uwdd", "--noconfirm", "--noprogressbar", "--", ...urls], { onLine });
}

/** A server answered, and has no such file. */
const ABSENT = /The requested URL returned error: (?:404|410)\b|Couldn't open file|file does not exist/i;

/** Files that pacman could not retrieve, and why. */
const failuresIn = (stderr: string): ReadonlyMap<string, string> =>
  new Map(
    [...stderr.matchAll(/^error: failed retrieving file '([^']+)' from (.*)$/gm)].map(
      ([, file = "", why = ""]) => [decodeURIComponent(file), why],
    ),
  );
