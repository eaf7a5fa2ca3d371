// The driver for nix's expressions: its snapshot is one revision of them, and its one package is their tarball, fetched
// and kept like any package file. What is built from them, nix itself resolves and fetches when it builds.
import { existsSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { hashFile } from "../../cache/hash.js";
import type { DriverContext, Package, ResolveRequest } from "../../engine/packages/driver.js";
import { asError, Exit, fail, ok, type Result } from "../../engine/problem.js";
import { makeDriver } from "./driver.js";
import { partOf, type Came, type Carrier } from "./fetch.js";
import { download, headOf } from "./nix/download.js";
import { isRevision, nameOf, readReference, urlOf, type Reference } from "./nix/reference.js";
import { saidBy, saidIn, type Said } from "./nix/tarball.js";

/** Files of a snapshot. */
const [SOURCE, FACTS] = ["source.tar.gz", "source.json"];

/** What is written down of the tarball beside it. */
const facts = z.object({
  version: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.number().int(),
  location: z.string(),
});
type Facts = z.output<typeof facts>;

/** Tarballs in snapshots that were resolved from, by digest: they need not be fetched again. */
const known = new Map<string, string>();

async function takeSnapshot(
  reference: Reference,
  _arch: string,
  dir: string,
  { signal }: DriverContext,
): Promise<Result<void>> {
  const fixed = await fixedUrl(reference, signal);
  if (!fixed.ok) return fixed;
  const file = join(dir, SOURCE);
  const downloaded = await download(fixed.value, file, signal);
  if (!downloaded.ok) return downloaded;
  const said = reading(fixed.value, () => saidIn(file));
  if (!said.ok) return said;
  const sha256 = await hashFile(file);
  const version = said.value.commit ?? sha256.slice(0, 12);
  const written: Facts = { version, sha256, size: statSync(file).size, location: fixed.value };
  writeFileSync(join(dir, FACTS), JSON.stringify(written));
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
    return fail(Exit.environment, `${url} is not a tarball of Nix expressions: ${asError(thrown).message}`);
  }
}

async function resolve({ snapshot }: ResolveRequest): Promise<Result<readonly Package[]>> {
  const found = facts.parse(JSON.parse(await readFile(join(snapshot.dir, FACTS), "utf8")));
  known.set(found.sha256, join(snapshot.dir, SOURCE));
  return ok([{ name: "nixpkgs", arch: snapshot.arch, ...found }]);
}

/** Fetches from the snapshot while it is here, else from where that revision is. */
const carrierInto = (dir: string, signal: AbortSignal): Carrier => ({
  hasPlace: () => true,
  changed: (what) =>
    fail(
      Exit.environment,
      `${what} is not what it was in this release`,
      "imagemake release refresh takes what is there",
    ),
  transfer: async (packages) => {
    const came = new Map<string, Came>();
    for (const pkg of packages) {
      const [file, there] = [partOf(dir, pkg), known.get(pkg.sha256)];
      const url = there !== undefined && existsSync(there) ? pathToFileURL(there).href : pkg.location;
      const downloaded = await download(url, file, signal);
      if (!downloaded.ok) return downloaded;
      came.set(pkg.sha256, { file, from: pkg.location });
    }
    return ok({ failed: new Map(), came });
  },
});

/** Speaks to nobody but where the expressions lie. */
export const driver = makeDriver<Reference>({
  name: "nix",
  tools: [],
  read: readReference,
  nameOf,
  // A revision is its own digest, and its name in the release says the rest.
  policy: () => null,
  entry: /^/,
  snapshot: takeSnapshot,
  resolve,
  carrier: (_reference, _arch, dir, { signal }) => Promise.resolve(ok(carrierInto(dir, signal))),
  index: () => Promise.resolve(ok(undefined)),
  fileName: () => "nixpkgs.tar.gz",
  buildDate: (file) => Promise.resolve().then(() => saidIn(file).date),
});
