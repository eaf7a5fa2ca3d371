// The keys that may sign: files that the Imagefile names, as a keyring of GnuPG in which all of them are trusted. It
// verifies nothing; package managers do.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Json } from "../../engine/model.js";
import type { SnapshotContext } from "../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";
import { matchPatterns } from "../../engine/sources/globs.js";
import type { Ran, Run } from "./run.js";
import { lastLine } from "./words.js";

/** The level of trust that makes a key valid without another's signature on it: gpg's "ultimate". */
const TRUSTED = 6;

/** What a repository's description names as its keys. */
export function keysIn(repo: Json): readonly string[] {
  const read = named.safeParse(repo);
  return read.success ? read.data.keys : [];
}
const named = z.object({ keys: z.array(z.string()) });

/** The key files that patterns below the Imagefile's directory mean; none is a problem. */
export async function keyFiles(
  patterns: readonly string[],
  { base }: Pick<SnapshotContext, "base">,
): Promise<Result<readonly string[]>> {
  const matched = await matchPatterns(base, patterns);
  if (!matched.ok) {
    return { ok: false, problem: { ...matched.problem, message: `keys: ${matched.problem.message}` } };
  }
  const { files } = matched.value;
  return files.length === 0
    ? fail(Exit.usage, `keys: no file matches ${patterns.join(", ")}`, `looked in ${base}`)
    : ok(files);
}

/** Imports keys with a program that keeps them; one that it cannot read is a problem. */
export async function importKeys(
  files: readonly string[],
  program: (...args: string[]) => Promise<Result<Ran>>,
): Promise<Result<void>> {
  for (const file of files) {
    const imported = await program("--import", file);
    if (!imported.ok) return imported;
    if (imported.value.status === 0) continue;
    return fail(
      Exit.environment,
      `the key ${file} cannot be read: ${lastLine(imported.value.stderr)}`,
      "a public key of GnuPG",
    );
  }
  return ok(undefined);
}

/** Makes `gnupg` (not there yet) a keyring of the files that patterns below the Imagefile's directory mean. */
export async function makeKeyring(
  run: Run,
  gnupg: string,
  patterns: readonly string[] | null,
  context: SnapshotContext,
): Promise<Result<void>> {
  await mkdir(gnupg, { mode: 0o700 });
  if (patterns === null) return ok(undefined);
  const found = await keyFiles(patterns, context);
  if (!found.ok) return found;
  const files = found.value;
  const gpg = (...args: string[]) =>
    run(["gpg", "--homedir", gnupg, "--batch", "--no-autostart", "--quiet", ...args], context, {
      cwd: context.base,
    });
  const imported = await importKeys(files, gpg);
  if (!imported.ok) return imported;
  const listed = await gpg("--with-colons", "--list-keys");
  if (!listed.ok) return listed;
  const keys = [...listed.value.stdout.matchAll(/^pub:.*\nfpr:(?:[^:]*:){8}([0-9A-F]+):/gm)].flatMap(
    ([, key]) => key ?? [],
  );
  if (keys.length === 0) return fail(Exit.environment, `there is no public key in ${files.join(", ")}`);
  const trust = join(gnupg, "trust");
  await writeFile(trust, keys.map((key) => `${key}:${TRUSTED}:\n`).join(""));
  const trusted = await gpg("--import-ownertrust", trust);
  if (!trusted.ok) return trusted;
  return trusted.value.status === 0
    ? ok(undefined)
    : fail(Exit.environment, `gpg cannot make a keyring: ${lastLine(trusted.value.stderr)}`);
}
