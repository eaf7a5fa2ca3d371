// Fetches package files with librepo, which goes on where an earlier try ended, and verifies signatures with rpm where
// the configuration asks for that.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Package, SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import type { Carrier } from "../fetch.js";
import { importKeys, keyFiles } from "../keyring.js";
import { REFRESH, someNamed } from "../words.js";
import { METADATA } from "./mirrored.js";
import { addressOf, foundSection, placeOf, type Repositories, type Section } from "./repository.js";
import { ask, run } from "./run.js";

const answer = z.object({ failed: z.array(z.object({ sha256: z.string(), said: z.string() })) });

/** A repository has a file of that name, and it is another. */
const CHANGED = /checksum doesn't match|expected size is/i;
const REPLACED = `where the repository has it signed or built again under the same name, ${REFRESH}`;

/** A repository answered, and has no such file. */
const ABSENT = /Status code: (?:404|410)\b|Couldn't open file/;

/** A package to fetch, and from where. */
interface Asked {
  readonly pkg: Package;
  readonly file: string;
  readonly section: Section;
}

/** Fetches from where the repositories are now. */
export function carrier(
  repositories: Repositories,
  arch: string,
  dir: string,
  context: SnapshotContext,
): Promise<Result<Carrier>> {
  const asked = (pkg: Package): readonly Asked[] => {
    const [id, file] = pkg.location.split(/\/\/(.*)/);
    if (id === undefined || file === undefined) return [];
    const section = sectionOf(repositories, id, arch, context.base);
    return section === undefined ? [] : [{ pkg, file, section }];
  };
  return Promise.resolve(
    ok({
      hasPlace: (pkg) => asked(pkg).length > 0,
      changed: (what) =>
        fail(Exit.environment, `${what} is not what the snapshot promised`, "a broken transfer; try again"),
      transfer: async (packages) => {
        const all = packages.flatMap(asked);
        const sections = new Map(all.map(({ section }) => [section.id, section]));
        const question = {
          dir,
          places: [...sections.values()].map((one) => ({ ...placeOf(one, arch, context.base) })),
          packages: all.map(({ pkg: { name, sha256, size }, file, section }) => ({
            ...{ name, sha256, size, file },
            section: section.id,
          })),
        };
        const got = await ask("dnf-fetch.py", question, answer, context);
        if (!got.ok) return got;
        const failed = got.value.failed.map(({ sha256, said }) => {
          const isAbsent = ABSENT.test(said);
          const hint = CHANGED.test(said) ? REPLACED : undefined;
          return [sha256, { isAbsent, said: isAbsent ? "" : said, hint }] as const;
        });
        return ok({ failed: new Map(failed) });
      },
      verify: (packages, fileOf) => {
        const signed = packages.flatMap(asked).filter(mustBeSigned);
        return signed.length === 0
          ? Promise.resolve(ok(undefined))
          : verify(
              signed.map(({ pkg }) => pkg),
              fileOf,
              repositories.keys ?? [],
              context,
            );
      },
    }),
  );
}

const mustBeSigned = ({ pkg, section }: Asked): boolean => section.gpgcheck && pkg.arch !== METADATA;

const sectionOf = (
  { sections, tree }: Repositories,
  id: string,
  arch: string,
  base: string,
): Section | undefined =>
  tree === null ? sections.find((one) => one.id === id) : foundSection(id, addressOf(tree, arch, base));

/** Verifies signatures with a database of keys that holds the Imagefile's alone. */
async function verify(
  signed: readonly Package[],
  fileOf: (pkg: Package) => string,
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
  const imported = await importKeys(files.value, rpmkeys);
  if (!imported.ok) return imported;
  const ran = await rpmkeys("--checksig", ...signed.map(fileOf));
  if (!ran.ok) return ran;
  if (ran.value.status === 0) return ok(undefined);
  const said = ran.value.stdout.split("\n");
  const isGood = (file: string): boolean =>
    said.some((line) => line.startsWith(`${file}: `) && /(?<!NOT) OK$/.test(line));
  const bad = signed.filter((one) => !isGood(fileOf(one)));
  return fail(
    Exit.environment,
    `not signed by any of the keys in ${keys.join(", ")}: ${someNamed(bad)}`,
    "gpgcheck=0 for their repository trusts its checksums alone",
  );
}
