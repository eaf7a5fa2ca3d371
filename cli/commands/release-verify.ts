// `imagemake release verify [DIR]`: signature and checksums of a release's directory. It needs no Imagefile.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { verifyDirectory } from "../../engine/release/check.js";
import { requireDate } from "../../engine/release/keys.js";
import { collectedPlace, real } from "../../engine/release/place.js";
import type { Release } from "../../engine/release/record.js";
import { readReleases } from "../../engine/release/release.js";
import { meant, readGiven } from "../life.js";
import { output } from "../output.js";
import type { Call } from "../call.js";
import { projectOfCall } from "../state.js";

export async function command(call: Call<"release verify">): Promise<number> {
  const release = releaseOf(call);
  if (call.names.length === 0 && release?.collected === null)
    stop(
      Exit.usage,
      `release ${release.datecode} is not collected`,
      "imagemake release verify DIR names a directory",
    );
  const dir =
    call.names[0] === undefined && release !== undefined
      ? unwrap(collectedPlace(projectOfCall(call), release, null)).dir
      : resolve(call.names[0] ?? ".");
  if (!existsSync(dir)) stop(Exit.usage, `there is no directory ${dir}`);
  const keyFile = call.options.publicKey;
  const publicKey =
    keyFile === undefined ? release?.signature?.publicKey : unwrap(readGiven(keyFile, "a public key"));
  if (publicKey === undefined)
    return stop(Exit.usage, `no public key is known for ${dir}`, "--public-key FILE gives it");
  if (release !== undefined) unwrap(requireDate(publicKey, "public key", release.datecode));
  const sums = call.options.sums ?? release?.collected?.sums ?? "sha256sum.txt";
  const files = unwrap(await verifyDirectory({ dir, sums, publicKey, keyFile: keyFile ?? null }));
  if (call.options.json === true) output.write(`${JSON.stringify({ dir, sums: join(dir, sums), files })}\n`);
  else if (call.options.quiet !== true)
    process.stderr.write(`${dir}: the signature is good, and so are ${files} files\n`);
  return Exit.done;
}

/** The release that was collected there, also where a link (`current`) leads there; of a directory from elsewhere there is none. */
function releaseOf(call: Call<"release verify">): Release | undefined {
  const project = projectOfCall(call);
  const [given] = call.names;
  if (given === undefined) return unwrap(meant(project, call, ["signed", "promoted"]));
  return unwrap(readReleases(project)).find(
    ({ collected }) =>
      collected !== null && real(resolve(project.dir, collected.dir)) === real(resolve(given)),
  );
}
