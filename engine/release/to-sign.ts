// What is to be signed of a collected release, and whether it may be: its files are what was collected, and its gate was
// passed. It signs nothing.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TargetId } from "../model.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { signatureName } from "./check.js";
import type { Collected, Release } from "./record.js";
import { unpassed } from "./roster.js";
import { compareWithSums, sumsText } from "./sums.js";

const AGAIN = "imagemake release reopen, and collect again";

/** What is signed: the files of the release by name, with their digests. */
export const digestsIn = ({ artifacts }: Release): ReadonlyMap<string, string> =>
  new Map(Object.values(artifacts).map(({ name, digest }) => [name, digest]));

/** The checksum file as it has to be, after every file was digested again. */
export async function present(
  release: Release,
  { dir, sums, form }: Collected,
): Promise<Result<{ readonly file: string; readonly signature: string }>> {
  if (!existsSync(dir)) return fail(Exit.failed, `${dir} is missing`, AGAIN);
  const [file, signature] = [join(dir, sums), join(dir, signatureName(sums))];
  const wanted = digestsIn(release);
  const found = await compareWithSums(dir, wanted, [sums, signatureName(sums)]);
  const text = existsSync(file) ? readFileSync(file, "utf8") : null;
  if (text !== sumsText(wanted, form)) found.push(`${sums} is not what was collected`);
  return found.length > 0 ? fail(Exit.failed, `${dir}: ${found.join("; ")}`, AGAIN) : ok({ file, signature });
}

/** The release with the waiver of a check of its gate; exit 1 while a check has neither a pass nor a waiver. */
export function waived(
  release: Release,
  gate: readonly TargetId[],
  check: TargetId | null,
  because: string | null,
): Result<Release> {
  if (check !== null && !gate.includes(check))
    return fail(Exit.usage, `${check} is no check of release.gate`, gate.join(", "));
  if (check !== null && because === null)
    return fail(Exit.usage, "a waiver is recorded with its reason", "--because TEXT gives it");
  const word = { target: check ?? "", because: because ?? "", at: new Date().toISOString() };
  const all = check === null ? release.waived : [...release.waived, word];
  const open = unpassed(gate, (id) => release.verdicts[id] !== undefined, all);
  const hint = "release reopen, build them and collect again; or --waive CHECK --because TEXT";
  return open.length > 0
    ? fail(Exit.failed, `no pass for what was collected: ${open.join(", ")}`, hint)
    : ok({ ...release, waived: all });
}
