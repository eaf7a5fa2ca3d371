// Fetches package files with librepo, which goes on where an earlier try ended, and verifies signatures with rpm where
// the configuration asks for that. Each has the snapshot's checksum before it gets its name.
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import type { Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { keyFiles } from "../keyring.js";
import { isWhole } from "../whole.js";
import { dropped, lastLine, named, placeless, REFRESH, someNamed } from "../words.js";
import { METADATA } from "./mirrored.js";
import {
  addressOf,
  foundSection,
  placeOf,
  readRepositories,
  type Repositories,
  type Section,
} from "./repository.js";
import { ask, run } from "./run.js";

const answer = z.object({ failed: z.array(z.object({ sha256: z.string(), said: z.string() })) });

/** A repository has a file of that name, and it is another. */
const CHANGED = /checksum doesn't match|expected size is/i;
const REPLACED = `where the repository has it signed or built again under the same name, ${REFRESH}`;

/** A repository answered, and has no such file. */
const ABSENT = /Status code: (?:404|410)\b|Couldn't open file/;

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
  const lacking: Asked[] = [];
  for (const pkg of new Map(packages.map((one) => [one.sha256, one])).values()) {
    if (await isWhole(join(dir, pkg.sha256), pkg)) continue;
    const [id = "", file = ""] = pkg.location.split(/\/\/(.*)/);
    const section = sectionOf(read.value, id, arch, context.base);
    if (section === undefined) return placeless(pkg);
    lacking.push({ pkg, file, section });
  }
  if (lacking.length === 0) return ok(undefined);
  const sections = new Map(lacking.map(({ section }) => [section.id, section]));
  const question = {
    dir,
    places: [...sections.values()].map((one) => ({ ...placeOf(one, arch, context.base) })),
    packages: lacking.map(({ pkg, file, section }) => ({
      name: pkg.name,
      sha256: pkg.sha256,
      size: pkg.size,
      file,
      section: section.id,
    })),
  };
  const got = await ask("dnf-fetch.py", question, answer, context);
  if (!got.ok) return got;
  const failed = new Map(got.value.failed.map(({ sha256, said }) => [sha256, said]));
  const fetched = lacking.filter(({ pkg }) => !failed.has(pkg.sha256));
  // What is whole is kept, whatever else went wrong: the next try has less to do.
  const kept = await adopt(fetched, dir, read.value, context);
  return failed.size > 0 ? refused(lacking, failed) : kept;
}

/** Verifies the signatures of packages that are here: they are in the files themselves. */
export async function checkPackages(
  repo: Json,
  arch: string,
  packages: readonly Package[],
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const read = readRepositories(repo);
  if (!read.ok) return read;
  const here: Asked[] = [];
  for (const pkg of packages) {
    const [id = "", file = ""] = pkg.location.split(/\/\/(.*)/);
    const section = sectionOf(read.value, id, arch, context.base);
    if (section === undefined) return placeless(pkg);
    here.push({ pkg, file, section });
  }
  const signed = here.filter(mustBeSigned);
  return signed.length === 0
    ? ok(undefined)
    : verify(signed, ({ pkg }) => join(dir, pkg.sha256), read.value.keys ?? [], context);
}

/** A package to fetch, and from where. */
interface Asked {
  readonly pkg: Package;
  readonly file: string;
  readonly section: Section;
}

const mustBeSigned = ({ pkg, section }: Asked): boolean => section.gpgcheck && pkg.arch !== METADATA;

const sectionOf = (
  { sections, tree }: Repositories,
  id: string,
  arch: string,
  base: string,
): Section | undefined =>
  tree === null ? sections.find((one) => one.id === id) : foundSection(id, addressOf(tree, arch, base));

/** Gives files their names, those that must be signed after their signatures were verified. */
async function adopt(
  fetched: readonly Asked[],
  dir: string,
  { keys }: Repositories,
  context: SnapshotContext,
): Promise<Result<void>> {
  const part = ({ pkg }: Asked): string => join(dir, `${pkg.sha256}.part`);
  for (const one of fetched) {
    if (await isWhole(part(one), one.pkg)) continue;
    return fail(
      Exit.environment,
      `${named(one.pkg)} is not what the snapshot promised`,
      "a broken transfer; try again",
    );
  }
  const signed = fetched.filter(mustBeSigned);
  if (signed.length > 0) {
    const verified = await verify(signed, part, keys ?? [], context);
    if (!verified.ok) return verified;
  }
  for (const one of fetched) await rename(part(one), join(dir, one.pkg.sha256));
  return ok(undefined);
}

/** Verifies signatures with a database of keys that holds the Imagefile's alone. */
async function verify(
  signed: readonly Asked[],
  part: (one: Asked) => string,
  keys: readonly string[],
  context: SnapshotContext,
): Promise<Result<void>> {
  const files = await keyFiles(keys, context);
  if (!files.ok) return files;
  const dbpath = join(context.scratch, "rpmdb");
  await mkdir(dbpath, { recursive: true });
  const rpmkeys = (...args: string[]) =>
    run(["rpmkeys", "--dbpath", dbpath, "--define", "_pkgverify_level all", ...args], context, {
      cwd: dbpath,
    });
  for (const file of files.value) {
    const imported = await rpmkeys("--import", file);
    if (!imported.ok) return imported;
    if (imported.value.status !== 0) {
      return fail(
        Exit.environment,
        `the key ${file} cannot be read: ${lastLine(imported.value.stderr)}`,
        "a public key of GnuPG",
      );
    }
  }
  const ran = await rpmkeys("--checksig", ...signed.map(part));
  if (!ran.ok) return ran;
  if (ran.value.status === 0) return ok(undefined);
  const said = ran.value.stdout.split("\n");
  const isGood = (file: string): boolean =>
    said.some((line) => line.startsWith(`${file}: `) && /(?<!NOT) OK$/.test(line));
  const bad = signed.filter((one) => !isGood(part(one)));
  return fail(
    Exit.environment,
    `not signed by any of the keys in ${keys.join(", ")}: ${someNamed(bad.map(({ pkg }) => pkg))}`,
    "gpgcheck=0 for their repository trusts its checksums alone",
  );
}

/** What could not be fetched: dropped by the repository, or not to be had now. */
function refused(lacking: readonly Asked[], failed: ReadonlyMap<string, string>): Result<never> {
  const all = lacking.filter(({ pkg }) => failed.has(pkg.sha256));
  const other = all.find(({ pkg }) => !ABSENT.test(failed.get(pkg.sha256) ?? ""));
  if (other !== undefined) {
    const said = failed.get(other.pkg.sha256) ?? "";
    return fail(
      Exit.environment,
      `cannot fetch ${named(other.pkg)}: ${said}`,
      CHANGED.test(said) ? REPLACED : undefined,
    );
  }
  return dropped(all.map(({ pkg }) => pkg));
}
