// Makes a directory of .deb files a repository, for `deb [trusted=yes] copy:/dir ./`. The index depends on
// the files alone: no clock, no order of the directory.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hashBytes } from "../../../cache/hash.js";
import type { DriverContext, Package } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { damaged } from "../words.js";
import { privateConfig } from "./config.js";
import { fileName } from "./deb.js";
import { aptSays, run } from "./run.js";

/** A constant: apt wants a date, and nobody reads it. */
const DATE = "Wed, 01 Jan 2020 00:00:00 UTC";
/** Only the checksum that apt verifies; the others cost three times as much. */
const CHECKSUMS = ["MD5", "SHA1", "SHA512"].flatMap((name) => [
  "-o",
  `APT::FTPArchive::Packages::${name}=false`,
]);

/** Writes Packages (by apt-ftparchive) and Release. */
export async function writeIndex(
  packages: readonly Package[],
  dir: string,
  arch: string,
  context: DriverContext,
): Promise<Result<void>> {
  const config = join(context.scratch, "index.conf");
  await writeFile(config, privateConfig(arch));
  const ran = await run(["apt-ftparchive", ...CHECKSUMS, "packages", "."], context, {
    cwd: dir,
    env: { APT_CONFIG: config },
  });
  if (!ran.ok) return ran;
  if (ran.value.status !== 0)
    return fail(Exit.environment, `the packages cannot be indexed: ${aptSays(ran.value)}`);
  const stanzas = ran.value.stdout.split(/\n\n+/).filter((stanza) => stanza.trim() !== "");
  const sums = new Map(stanzas.map((stanza) => [field(stanza, "Filename"), field(stanza, "SHA256")]));
  for (const pkg of packages) {
    const sum = sums.get(`./${fileName(pkg)}`);
    if (sum === undefined) {
      return fail(
        Exit.environment,
        `${fileName(pkg)} is not a package that apt can read: ${aptSays(ran.value)}`,
      );
    }
    if (sum !== pkg.sha256) return damaged(fileName(pkg));
  }
  const text = stanzas
    .map((stanza) => `${stanza.trim()}\n\n`)
    .sort()
    .join("");
  await writeFile(join(dir, "Packages"), text);
  await writeFile(join(dir, "Release"), release(text, arch));
  return ok(undefined);
}

const field = (stanza: string, name: string): string =>
  new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";

function release(packages: string, arch: string): string {
  const bytes = Buffer.from(packages);
  return `Origin: imagemake
Label: imagemake
Suite: imagemake
Codename: imagemake
Date: ${DATE}
Architectures: ${arch} all
SHA256:
 ${hashBytes(bytes)} ${bytes.length} Packages
`;
}
