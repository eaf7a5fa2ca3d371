// Takes the repositories' databases: pacman fetches and verifies them, each to `<name>.db` with its signature beside
// it where there is one.
import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { makeKeyring } from "../keyring.js";
import { serversOf, type Repositories } from "./repository.js";
import { pacmanIn, pacmanSays, run } from "./run.js";

/** Fills `dir` (empty, exists). Anything less than all databases, verified, is a problem. */
export async function takeSnapshot(
  repo: Repositories,
  arch: string,
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const { keys } = repo;
  const pacman = await pacmanIn("snapshot", arch, sections(repo, arch, context.base), context);
  const ring = await makeKeyring(run, pacman.gnupg, keys, context);
  if (!ring.ok) return ring;
  const names = repo.repositories.map(({ name }) => name);
  context.progress(names.join(", "));
  const ran = await pacman.run(["-Sy", "--noconfirm", "--noprogressbar"]);
  if (!ran.ok) return ran;
  if (ran.value.status !== 0) {
    const said = pacmanSays(ran.value);
    const signature = /PGP signature|is unknown|required key|GPGME/.test(said);
    const hint =
      keys === null
        ? `pacman(…, { keys: files("keys/*.gpg") }) names the keys to trust, or SigLevel = Never trusts all`
        : `signed by none of the keys in ${keys.join(", ")}`;
    return fail(
      Exit.environment,
      `cannot read the databases of ${names.join(", ")} for ${arch}: ${said}`,
      signature ? hint : undefined,
    );
  }
  const sync = join(pacman.db, "sync");
  for (const name of await readdir(sync)) {
    if (/\.db(?:\.sig)?$/.test(name)) await copyFile(join(sync, name), join(dir, name));
  }
  return ok(undefined);
}

/** The sections of a configuration, as they are fetched. */
function sections({ repositories, sigLevel }: Repositories, arch: string, base: string): string {
  const text = repositories.map((one) =>
    [
      `[${one.name}]`,
      ...(one.sigLevel === "" ? [] : [`SigLevel = ${one.sigLevel}`]),
      ...serversOf(one, arch, base).map((server) => `Server = ${server}`),
    ].join("\n"),
  );
  return [`SigLevel = ${sigLevel}`, ...text, ""].join("\n");
}
