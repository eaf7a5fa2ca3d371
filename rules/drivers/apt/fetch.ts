// Fetches package files with apt's own downloader, each verified against the snapshot's checksum before it gets its
// name.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "../../../engine/model.js";
import type { DriverContext, Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { privateConfig } from "./config.js";
import { networkSettings, placed } from "./host.js";
import { REFRESH, someNamed } from "../words.js";
import { readRepository, uriIn } from "./repository.js";
import { run } from "./run.js";

/** Part of apt, outside PATH. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";
/** Files to one call; its arguments stay well below the kernel's limit. */
const BATCH = 1000;
/** A mirror that gives the wrong bytes is asked once more, without what came before. */
const ATTEMPTS = 2;

/** A package and where it is now. */
interface Wanted extends Package {
  readonly uri: string;
}

/**
 * Fetches `packages` to `<dir>/<sha256>`. What an earlier, broken run left in `<sha256>.part` is used. They come
 * from where the repository is now, not from where it was when they were resolved.
 */
export async function fetchPackages(
  repo: Json,
  arch: string,
  packages: readonly Package[],
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const read = readRepository(repo);
  if (!read.ok) return read;
  const lacking: Package[] = [];
  for (const pkg of unique(packages)) {
    if (!(await adopt(pkg, pkg.sha256, dir))) lacking.push(pkg);
  }
  if (lacking.length === 0) return ok(undefined);
  const at = await placed(read.value, context);
  if (!at.ok) return at;
  const missing = lacking.map((pkg) => ({ ...pkg, uri: uriIn(at.value.url, pkg.location) }));
  const network = await networkSettings(context);
  if (!network.ok) return network;
  const config = join(context.scratch, "fetch.conf");
  await writeFile(config, `${privateConfig(arch)}${network.value}`);

  const said = new Map<string, string>();
  let left: readonly Wanted[] = missing;
  for (let attempt = 1; attempt <= ATTEMPTS && left.length > 0; attempt++) {
    for (let start = 0; start < left.length; start += BATCH) {
      const done = await download(left.slice(start, start + BATCH), dir, config, said, context);
      if (!done.ok) return done;
    }
    const still: Wanted[] = [];
    for (const pkg of left) {
      if (await adopt(pkg, part(pkg), dir)) continue;
      still.push(pkg);
    }
    left = still;
    if (left.some((pkg) => isGone(said.get(pkg.uri)))) break;
  }
  return left.length === 0 ? ok(undefined) : blame(left, said);
}

const part = (pkg: Package): string => `${pkg.sha256}.part`;

const unique = (packages: readonly Package[]): readonly Package[] => [
  ...new Map(packages.map((pkg) => [pkg.sha256, pkg])).values(),
];

/** Runs apt's downloader once; puts what it says of each URI into `said`. */
async function download(
  packages: readonly Wanted[],
  dir: string,
  config: string,
  said: Map<string, string>,
  context: DriverContext,
): Promise<Result<void>> {
  const byUri = new Map(packages.map((pkg) => [pkg.uri, pkg]));
  let started = 0;
  const onLine = (line: string): void => {
    const uri = /^Get:\d+ (\S+)/.exec(line)?.[1];
    const pkg = uri === undefined ? undefined : byUri.get(uri);
    if (pkg === undefined) return;
    started++;
    context.progress(`${started} of ${packages.length}: ${pkg.name} ${pkg.version}`);
  };
  const triples = packages.flatMap((pkg) => [pkg.uri, `./${part(pkg)}`, `SHA256:${pkg.sha256}`]);
  const ran = await run([APT_HELPER, "download-file", "-q", ...triples], context, {
    cwd: dir,
    env: { APT_CONFIG: config },
    onLine,
  });
  if (!ran.ok) return ran;
  for (const match of ran.value.stderr.matchAll(/^E: Failed to fetch (\S+) +(.*(?:\n {3}.*)*)/gm)) {
    said.set(match[1] ?? "", (match[2] ?? "").replace(/\s+/g, " ").trim());
  }
  if (ran.value.status !== 0 && !packages.some((pkg) => said.has(pkg.uri))) {
    return fail(
      Exit.environment,
      `apt cannot fetch packages: ${ran.value.stderr.trim().replace(/\s*\n\s*/g, "; ")}`,
    );
  }
  return ok(undefined);
}

/** Whether `name` in `dir` is the package, complete; it then has its final name. A wrong one is removed. */
async function adopt(pkg: Package, name: string, dir: string): Promise<boolean> {
  const file = join(dir, name);
  const size = await stat(file).then(
    (found) => found.size,
    () => null,
  );
  if (size === null) return false;
  // A part that is shorter is what apt goes on from.
  if (size < pkg.size && name !== pkg.sha256) return false;
  if (size === pkg.size && (await digest(file)) === pkg.sha256) {
    if (name !== pkg.sha256) await rename(file, join(dir, pkg.sha256));
    return true;
  }
  await rm(file, { force: true });
  return false;
}

async function digest(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** The mirror answered, and has no such file: http's 404 and 410, and a local file that is not there. */
const isGone = (said: string | undefined): boolean =>
  said !== undefined && /^(?:404|410)\b|File not found|No such file/.test(said);

function blame(left: readonly Wanted[], said: ReadonlyMap<string, string>): Result<never> {
  const gone = left.filter((pkg) => isGone(said.get(pkg.uri)));
  const first = gone[0] ?? left[0];
  if (first === undefined) return fail(Exit.environment, "apt fetched nothing");
  const words = `${first.uri}: ${said.get(first.uri) ?? "not what the snapshot promised"}`;
  if (gone.length > 0) {
    return fail(Exit.environment, `the mirror has dropped ${someNamed(gone)}; apt says ${words}`, REFRESH);
  }
  return fail(Exit.environment, `cannot fetch ${someNamed(left)}; apt says ${words}`);
}
