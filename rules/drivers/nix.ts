// The driver for nix's expressions: its snapshot is one revision of them, and its one package is their tarball, fetched
// and kept like any package file. What is built from them, nix itself resolves and fetches when it builds.
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashFile } from "../../cache/hash.js";
import type { DriverContext, Package, PackageDriver, ResolveRequest } from "../../engine/packages/driver.js";
import { asError, Exit, fail, ok, type Result } from "../../engine/problem.js";
import { attempt } from "./attempt.js";
import { download, headOf } from "./nix/download.js";
import { isRevision, nameOf, referenceOf, urlOf, type Reference } from "./nix/reference.js";
import { saidBy, saidIn, type Said } from "./nix/tarball.js";

/** Files of a snapshot. */
const [SOURCE, FACTS] = ["source.tar.gz", "source.json"];

/** What is written down of the tarball beside it. */
type Facts = Pick<Package, "version" | "sha256" | "size" | "location">;

/** Tarballs in snapshots that were resolved from, by digest: they need not be fetched again. */
const known = new Map<string, string>();

async function takeSnapshot(reference: Reference, dir: string, signal: AbortSignal): Promise<Result<void>> {
  const fixed = await fixedUrl(reference, signal);
  if (!fixed.ok) return fixed;
  const file = join(dir, SOURCE);
  const downloaded = await download(fixed.value, file, signal);
  if (!downloaded.ok) return downloaded;
  const said = reading(fixed.value, () => saidIn(file));
  if (!said.ok) return said;
  const sha256 = await hashFile(file);
  const version = said.value.commit ?? sha256.slice(0, 12);
  const facts: Facts = { version, sha256, size: statSync(file).size, location: fixed.value };
  writeFileSync(join(dir, FACTS), JSON.stringify(facts));
  return ok(undefined);
}

/** The address of one revision, which a branch is at now. An archive of the branch itself would have other bytes. */
async function fixedUrl(reference: Reference, signal: AbortSignal): Promise<Result<string>> {
  if (reference.kind === "tarball" || isRevision(reference.ref)) return ok(urlOf(reference));
  const head = await headOf(urlOf(reference), signal);
  if (!head.ok) return head;
  const said = reading(urlOf(reference), () => saidBy(head.value));
  if (!said.ok) return said;
  const { commit } = said.value;
  return commit === null
    ? fail(Exit.environment, `${urlOf(reference)} does not say which revision it is`)
    : ok(urlOf(reference, commit));
}

function reading(url: string, read: () => Said): Result<Said> {
  try {
    return ok(read());
  } catch (thrown) {
    return fail(Exit.environment, `${url} is no tarball of expressions: ${asError(thrown).message}`);
  }
}

function resolve({ snapshot }: ResolveRequest): Result<readonly Package[]> {
  // Written by `takeSnapshot`.
  const facts = JSON.parse(readFileSync(join(snapshot.dir, FACTS), "utf8")) as Facts;
  known.set(facts.sha256, join(snapshot.dir, SOURCE));
  return ok([{ name: "nixpkgs", arch: snapshot.arch, ...facts }]);
}

/** From the snapshot while it is here, else from where that revision is. */
async function fetchPackages(
  packages: readonly Package[],
  dir: string,
  { scratch, signal }: DriverContext,
): Promise<Result<void>> {
  for (const { sha256, location } of packages) {
    const [file, there] = [join(scratch, sha256), known.get(sha256)];
    if (there !== undefined && existsSync(there)) copyFileSync(there, file);
    else {
      const downloaded = await download(location, file, signal);
      if (!downloaded.ok) return downloaded;
    }
    if ((await hashFile(file)) !== sha256) {
      rmSync(file);
      return fail(
        Exit.environment,
        `${location} is not what it was in this release`,
        "imagemake release refresh takes what is there",
      );
    }
    renameSync(file, join(dir, sha256));
  }
  return ok(undefined);
}

/** Speaks to nobody but where the expressions lie. */
export const driver: PackageDriver = {
  name: "nix",
  tools: [],
  // A revision is its own digest, and its name in the release says the rest.
  policy: () => null,
  verifies: () => false,
  keyFiles: () => [],
  isEntry: () => true,
  repositoryName: (repo) => nameOf(referenceOf(repo)),
  snapshot: (repo, _arch, dir, { signal }) => attempt("nix", takeSnapshot(referenceOf(repo), dir, signal)),
  resolve: (request) =>
    attempt(
      "nix",
      Promise.resolve().then(() => resolve(request)),
    ),
  fetch: (_repo, _arch, packages, dir, context) => attempt("nix", fetchPackages(packages, dir, context)),
  check: () => Promise.resolve(ok(undefined)),
  index: () => Promise.resolve(ok(undefined)),
  fileName: () => "nixpkgs.tar.gz",
  buildDate: (file) => Promise.resolve().then(() => saidIn(file).date),
};
