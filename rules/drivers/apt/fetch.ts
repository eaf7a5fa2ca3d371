// Fetches package files with apt's own downloader, which goes on where an earlier, broken run ended.
import { writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import type { DriverContext, Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { partOf, pieces, type Carrier, type Failure } from "../fetch.js";
import { APT_HELPER } from "../tools.js";
import { changed } from "../words.js";
import { privateConfig } from "./config.js";
import { networkSettings, placed } from "./host.js";
import { LOCAL } from "./local.js";
import { copyOf, sourcesOf, uriIn, type Repository } from "./repository.js";
import { run } from "./run.js";

/** Files to one call. */
const BATCH = 1000;

/** Fetches from where the sources are now, not from where they were when packages were resolved. */
export async function carrier(
  repository: Repository,
  arch: string,
  dir: string,
  context: SnapshotContext,
): Promise<Result<Carrier>> {
  const places = new Map<string, string>();
  for (const source of sourcesOf(repository, arch)) {
    const at = await placed(source, context);
    if (!at.ok) return at;
    places.set(source.name, at.value.url);
  }
  const network = await networkSettings(context);
  if (!network.ok) return network;
  const config = join(context.scratch, "fetch.conf");
  await writeFile(config, `${privateConfig(arch)}${network.value}`);
  const placeOf = ({ origin = repository.suite }: Package): string | undefined => places.get(origin);
  const uriOf = (pkg: Package): string =>
    pkg.origin === LOCAL
      ? copyOf(resolve(context.base, pkg.location))
      : uriIn(placeOf(pkg) ?? "", pkg.location);
  return ok({
    hasPlace: (pkg) => pkg.origin === LOCAL || placeOf(pkg) !== undefined,
    // A mirror that gives the wrong bytes is asked once more, without what came before.
    attempts: 2,
    changed,
    transfer: async (packages) => {
      const failed = new Map<string, Failure>();
      for (const piece of pieces(packages, BATCH)) {
        const said = await download(piece, dir, config, uriOf, context);
        if (!said.ok) return said;
        for (const pkg of piece) {
          const words = said.value.get(uriOf(pkg));
          if (words === undefined) continue;
          failed.set(pkg.sha256, { isAbsent: isGone(words), said: `apt says ${uriOf(pkg)}: ${words}` });
        }
      }
      return ok({ failed });
    },
  });
}

/** Runs apt's downloader once; returns what it says of addresses that it could not fetch. */
async function download(
  packages: readonly Package[],
  dir: string,
  config: string,
  uriOf: (pkg: Package) => string,
  context: DriverContext,
): Promise<Result<ReadonlyMap<string, string>>> {
  const byUri = new Map(packages.map((pkg) => [uriOf(pkg), pkg]));
  let started = 0;
  const onLine = (line: string): void => {
    const uri = /^Get:\d+ (\S+)/.exec(line)?.[1];
    const pkg = uri === undefined ? undefined : byUri.get(uri);
    if (pkg === undefined) return;
    started++;
    context.progress(`${started} of ${packages.length}: ${pkg.name} ${pkg.version}`);
  };
  const triples = packages.flatMap((pkg) => [
    uriOf(pkg),
    `./${relative(dir, partOf(dir, pkg))}`,
    `SHA256:${pkg.sha256}`,
  ]);
  const ran = await run([APT_HELPER, "download-file", "-q", ...triples], context, {
    cwd: dir,
    env: { APT_CONFIG: config },
    onLine,
  });
  if (!ran.ok) return ran;
  const said = new Map<string, string>();
  for (const [, uri = "", words = ""] of ran.value.stderr.matchAll(FAILED)) {
    said.set(uri, words.replace(/\s+/g, " ").trim());
  }
  if (ran.value.status !== 0 && ![...said.keys()].some((uri) => byUri.has(uri))) {
    return fail(
      Exit.environment,
      `apt cannot fetch packages: ${ran.value.stderr.trim().replace(/\s*\n\s*/g, "; ")}`,
    );
  }
  return ok(said);
}

/** An address that was not fetched, and why. */
const FAILED = /^E: Failed to fetch (\S+) +(.*(?:\n {3}.*)*)/gm;

/** The mirror answered, and has no such file: http's 404 and 410, and a local file that is not there. */
const isGone = (said: string): boolean => /^(?:404|410)\b|File not found|No such file/.test(said);
