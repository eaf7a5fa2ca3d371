// Takes a repository's metadata: apt fetches and verifies it, into one directory that holds the lists, the
// source they came from and apt's cache of them. Equal metadata from one mirror gives equal bytes.
import { copyFile, mkdir, readdir, realpath, rm, utimes, writeFile } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DEFAULT_EPOCH, type Json } from "../../../engine/model.js";
import type { DriverContext } from "../../../engine/packages/driver.js";
import { asError, fail, ok, type Result } from "../../../engine/problem.js";
import { LISTS, privateConfig, SOURCES } from "./config.js";
import { hostMirror, keysFor, networkSettings, type Key } from "./host.js";
import { nameOf, readRepository, sourceText, type Repository } from "./repository.js";
import { aptSays, run, type Ran } from "./run.js";

/** A mirror that is being updated is asked again: so often, with this pause in milliseconds. */
const ATTEMPTS = 3;
const PAUSE = 2000;

/** Fills `dir` (empty, exists). Anything less than all of the metadata, verified, is a problem. */
export async function takeSnapshot(
  repo: Json,
  arch: string,
  dir: string,
  context: DriverContext,
): Promise<Result<void>> {
  const read = readRepository(repo);
  if (!read.ok) return read;
  const placed = await place(read.value, context);
  if (!placed.ok) return placed;
  const { repository, keys } = placed.value;
  const network = await networkSettings(context);
  if (!network.ok) return network;

  await mkdir(join(dir, LISTS, "partial"), { recursive: true });
  await mkdir(join(dir, SOURCES));
  await writeFile(join(dir, SOURCES, "snapshot.sources"), sourceText(repository));
  const trusted = await writeKeys(keys, context);
  if (!trusted.ok) return trusted;
  const config = join(context.scratch, "update.conf");
  await writeFile(
    config,
    `${privateConfig(arch)}${network.value}
Dir::Etc::trustedparts "./${relative(await realpath(dir), await realpath(trusted.value))}/";
APT::Update::Error-Mode "any";
`,
  );
  const updated = await update(`${nameOf(repo)} for ${arch} from ${repository.url}`, dir, config, context);
  return updated.ok ? settle(dir, arch, context) : updated;
}

/** The repository at its real address, with the keys that may sign it. */
async function place(
  repository: Repository,
  context: DriverContext,
): Promise<Result<{ repository: Repository; keys: readonly Key[] }>> {
  const given = repository.keys.map((file) => ({ file }));
  if (repository.url !== "host") {
    return ok({ repository, keys: given.length > 0 ? given : keysFor(null) });
  }
  const mirror = await hostMirror(repository.suite, context);
  if (!mirror.ok) return mirror;
  const keys = given.length > 0 ? given : keysFor(mirror.value.signedBy);
  return ok({ repository: { ...repository, url: mirror.value.url }, keys });
}

/** A directory of keyrings as apt's `trustedparts` wants it: names that end in gpg or asc, and nothing else. */
async function writeKeys(keys: readonly Key[], context: DriverContext): Promise<Result<string>> {
  const dir = join(context.scratch, "keys");
  await mkdir(dir, { recursive: true });
  for (const [number, key] of keys.entries()) {
    if ("text" in key) {
      await writeFile(join(dir, `${number}.asc`), key.text);
      continue;
    }
    const suffix = extname(key.file) === ".asc" ? ".asc" : ".gpg";
    try {
      await copyFile(key.file, join(dir, `${number}${suffix}`));
    } catch (thrown) {
      return fail(3, `the keyring ${key.file} cannot be read: ${asError(thrown).message}`);
    }
  }
  return ok(dir);
}

async function update(
  what: string,
  dir: string,
  config: string,
  context: DriverContext,
): Promise<Result<void>> {
  for (let attempt = 1; ; attempt++) {
    const onLine = (line: string): void => {
      if (/^(?:Get|Err):/.test(line)) context.progress(line);
    };
    const ran = await run(["apt-get", "update", "-q"], context, { cwd: dir, config, onLine });
    if (!ran.ok) return ran;
    const said = shortcoming(ran.value);
    if (said === null) return ok(undefined);
    // Debian's mirrors are written file by file: for a moment the index is not the one that Release names.
    const between = /mirror sync in progress|hash sum mismatch|unexpected size/i.test(said);
    if (!between || attempt === ATTEMPTS) return fail(3, `cannot read ${what}: ${said}`);
    await delay(PAUSE, undefined, { signal: context.signal }).catch(() => undefined);
  }
}

/** Why the metadata is not complete, in apt's words; null when it is. */
function shortcoming(ran: Ran): string | null {
  if (ran.status !== 0) return aptSays(ran);
  // A component or architecture that the repository lacks is no error to apt.
  const skipped = /^[WN]: (Skipping acquire of configured file .*)$/m.exec(ran.stderr)?.[1];
  return skipped ?? null;
}

/** Leaves what is part of the snapshot, under constant times, and has apt make its cache once and for all. */
async function settle(dir: string, arch: string, context: DriverContext): Promise<Result<void>> {
  const lists = join(dir, LISTS);
  for (const name of ["lock", "partial", "auxfiles"])
    await rm(join(lists, name), { recursive: true, force: true });
  // The cache records the lists' times and names.
  const sources = join(dir, SOURCES);
  const files = (await readdir(lists)).map((name) => join(lists, name));
  for (const file of [...files, join(sources, "snapshot.sources"), lists, sources]) {
    await utimes(file, DEFAULT_EPOCH, DEFAULT_EPOCH);
  }
  const config = join(context.scratch, "cache.conf");
  await writeFile(config, privateConfig(arch));
  const ran = await run(["apt-cache", "gencaches", "-q"], context, { cwd: dir, config });
  if (!ran.ok) return ran;
  return ran.value.status === 0 ? ok(undefined) : fail(3, `apt cannot use the lists: ${aptSays(ran.value)}`);
}
