// Takes a repository's metadata: apt fetches and verifies it, into one directory that holds the lists, the
// source they came from and apt's cache of them. Equal metadata from one mirror gives equal bytes.
import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DEFAULT_EPOCH } from "../../../engine/model.js";
import type { DriverContext, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { LISTS, privateConfig, SOURCES } from "./config.js";
import { networkSettings, placed } from "./host.js";
import { keyrings, keysFor, writeKeys, type Key } from "./keys.js";
import {
  nameOf,
  namedIn,
  SOURCE_FILE,
  sourcesOf,
  sourcesText,
  type AptSource,
  type Repository,
} from "./repository.js";
import type { Ran } from "../run.js";
import { aptSays, run } from "./run.js";

/** A mirror that is being updated is asked again: so often, with this pause in milliseconds. */
const ATTEMPTS = 3;
const PAUSE = 2000;

/** Where the keys are while apt verifies. */
const KEYS = "keys";

/** Fills `dir` (empty, exists). Anything less than all of the metadata, verified, is a problem. */
export async function takeSnapshot(
  repo: Repository,
  arch: string,
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  await mkdir(join(dir, LISTS, "partial"), { recursive: true });
  await mkdir(join(dir, SOURCES));
  await mkdir(join(dir, KEYS));
  const sources: AptSource[] = [];
  const trusted: (readonly string[])[] = [];
  for (const source of sourcesOf(repo, arch)) {
    const at = await placed(source, context);
    if (!at.ok) return at;
    const own = { ...source, url: at.value.url };
    const keys = await keysOf(own, at.value.signedBy, context);
    if (!keys.ok) return keys;
    const written = await writeKeys(keys.value, join(dir, KEYS), `${sources.length}-`);
    if (!written.ok) return written;
    // apt wants absolute paths without blanks; it runs in `dir`.
    trusted.push(written.value.map((name) => `/proc/self/cwd/${KEYS}/${name}`));
    sources.push(own);
  }
  const network = await networkSettings(context);
  if (!network.ok) return network;
  const sourceFile = join(dir, SOURCES, SOURCE_FILE);
  await writeFile(sourceFile, sourcesText(sources, trusted));
  const config = join(context.scratch, "update.conf");
  await writeFile(
    config,
    `${privateConfig(arch)}${network.value}
APT::Update::Error-Mode "any";
`,
  );
  const places = [...new Set(sources.map(({ url }) => url))].join(", ");
  const what = `${nameOf(repo)} for ${arch} from ${places}`;
  const updated = await update(what, sources, dir, config, context);
  if (!updated.ok) return updated;
  await writeFile(sourceFile, sourcesText(sources));
  await rm(join(dir, KEYS), { recursive: true });
  await warnOfAge(what, join(dir, LISTS), context);
  return settle(dir, arch, context);
}

/** Says so where metadata is older than it may be: apt refuses that, unless this machine's settings have it not look. */
async function warnOfAge(what: string, lists: string, context: SnapshotContext): Promise<void> {
  for (const name of await readdir(lists)) {
    if (!/_(?:In)?Release$/.test(name)) continue;
    const text = await readFile(join(lists, name), "utf8");
    const until = /^Valid-Until: *(.+)$/m.exec(text)?.[1];
    // What is no date compares as false.
    if (until === undefined || !(Date.parse(until) < Date.now())) continue;
    context.warn(
      `${what}: it was to be used until ${until}, and whoever hands on an old one keeps updates back; ` +
        "Acquire::Check-Valid-Until in this machine's apt settings says not to look at that",
    );
  }
}

/** The keys named for a source, else those the host has for it. */
function keysOf(
  source: AptSource,
  signedBy: string | null,
  context: SnapshotContext,
): Promise<Result<readonly Key[]>> | Result<readonly Key[]> {
  return source.keys.length > 0 ? keyrings(context.base, source.keys) : ok(keysFor(signedBy));
}

async function update(
  what: string,
  sources: readonly AptSource[],
  dir: string,
  config: string,
  context: DriverContext,
): Promise<Result<void>> {
  for (let attempt = 1; ; attempt++) {
    const onLine = (line: string): void => {
      if (/^(?:Get|Err):/.test(line)) context.progress(line);
    };
    const ran = await run(["apt-get", "update", "-q"], context, {
      cwd: dir,
      env: { APT_CONFIG: config },
      onLine,
    });
    if (!ran.ok) return ran;
    const said = shortcoming(ran.value);
    if (said === null) {
      const other = OTHER_SUITE.exec(ran.value.stderr)?.[1];
      if (other !== undefined)
        context.warn(
          `${what}: it says that it is another suite, which the same keys may have signed: ${other}`.replace(
            COPY,
            "",
          ),
        );
      return ok(undefined);
    }
    // Debian's mirrors are written file by file: for a moment the index is not the one that Release names.
    const between = /mirror sync in progress|hash sum mismatch|unexpected size/i.test(said);
    if (!between || attempt === ATTEMPTS) {
      // Of several, those that apt's words are about; all of them say the rest.
      const named = sources.length > 1 ? namedIn(said, sources) : [];
      const about = named.length > 0 ? `${named.join(", ")} of ${what}` : what;
      // A directory is apt's `copy:`; people write its path.
      const plain = `cannot read ${about}: ${said}`.replace(COPY, "");
      const check =
        "try again later if the repository is being written; else check url, suite, components and keys";
      return fail(Exit.environment, plain, check);
    }
    await delay(PAUSE, undefined, { signal: context.signal }).catch(() => undefined);
  }
}

const COPY = /\bcopy:(?=\/)/g;

/** No error to apt: it only warns. */
const OTHER_SUITE = /^W: (Conflicting distribution: .*)$/m;

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
  for (const file of [...files, join(sources, SOURCE_FILE), lists, sources]) {
    await utimes(file, DEFAULT_EPOCH, DEFAULT_EPOCH);
  }
  const config = join(context.scratch, "cache.conf");
  await writeFile(config, privateConfig(arch));
  const ran = await run(["apt-cache", "gencaches", "-q"], context, { cwd: dir, env: { APT_CONFIG: config } });
  if (!ran.ok) return ran;
  return ran.value.status === 0
    ? ok(undefined)
    : fail(Exit.environment, `apt cannot use the lists: ${aptSays(ran.value)}`);
}
