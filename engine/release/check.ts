// A collected directory against its checksums and its signature, by the real program; and what of it is to be signed,
// if it may be. It needs no Imagefile and changes nothing.
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { hashFile } from "../../cache/hash.js";
import { isPlain, isThere } from "../../cache/io.js";
import type { TargetId } from "../model.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Collected, Release, SumsForm } from "./record.js";
import { unpassed } from "./roster.js";
import { ARMOR, toolOf, verifyFile } from "./signers.js";

/** `sha256sum.txt` → `sha256sum.sig`. */
export const signatureName = (sums: string): string => `${sums.replace(/\.[^.]+$/, "")}.sig`;

/** Exit 2 where a file of the release has a name that the checksums or their signature take: it would be lost. */
export function requireOtherNames(names: readonly string[], sums: string): Result<void> {
  const taken = names.filter((name) => name === sums || name === signatureName(sums));
  return taken.length === 0
    ? ok(undefined)
    : fail(
        Exit.usage,
        `${taken.join(", ")}: the release's own ${taken.length === 1 ? "file has" : "files have"} that name, beside its artifacts`,
        "give the target another out, or the checksums another name: project({ release: { sums: { file } } })",
      );
}

/** Whether a text is as the programs begin theirs, or nothing yet. */
export const isSignature = (text: string): boolean =>
  /^(?:untrusted comment: |$)/.test(text) || text.startsWith(ARMOR);

/** What to verify: names are relative to the directory; the key is text. */
export interface ToVerify {
  readonly dir: string;
  readonly sums: string;
  readonly publicKey: string;
  /** Where the key came from, if from a file: it may lie in the directory. */
  readonly keyFile: string | null;
}

/** Verifies signature and checksums; the problem (exit 1) names every file that is wrong. */
export async function verifyDirectory({ dir, sums, publicKey, keyFile }: ToVerify): Promise<Result<number>> {
  const [file, signature] = [join(dir, sums), join(dir, signatureName(sums))];
  for (const path of [file, signature]) {
    if (!isThere(path)) return fail(Exit.failed, `${path} is missing`);
    // A pipe would never end.
    if (!isPlain(path)) return fail(Exit.failed, `${path} is not a regular file`);
  }
  const signed = verifySignature(publicKey, file, signature);
  if (!signed.ok) return signed;
  const listed = readSums(readFileSync(file, "utf8"), file);
  if (!listed.ok) return listed;
  const own = keyFile !== null && dirname(resolve(keyFile)) === resolve(dir) ? [relative(dir, keyFile)] : [];
  const found = await compareWithSums(dir, listed.value, [sums, basename(signature), ...own]);
  return found.length === 0 ? ok(listed.value.size) : fail(Exit.failed, `${dir}: ${found.join("; ")}`);
}

/** Verifies one signature; the key is written out for the program and taken away again. */
export function verifySignature(publicKey: string, message: string, signature: string): Result<void> {
  const scratch = mkdtempSync(join(tmpdir(), "imagemake-"));
  try {
    const key = join(scratch, "key.pub");
    writeFileSync(key, publicKey);
    return verifyFile(toolOf(readFileSync(signature, "utf8")), key, message, signature);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

// Checksum files in BSD's and GNU's form, and a collected directory held against one.

/** Name → digest in lower-case hexadecimal. */
type Sums = ReadonlyMap<string, string>;

/** The text of a checksum file, sorted by name. */
export const sumsText = (sums: Sums, form: SumsForm): string =>
  [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, digest]) => (form === "bsd" ? `SHA256 (${name}) = ${digest}\n` : `${digest}  ${name}\n`))
    .join("");

/** Reads either form. A name with a directory in it is refused. */
export function readSums(text: string, file: string): Result<Sums> {
  const sums = new Map<string, string>();
  for (const line of text.split("\n").filter((one) => one !== "")) {
    const bsd = /^SHA256 \((.+)\) = ([0-9a-f]{64})$/.exec(line);
    const gnu = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    const [name, digest] = bsd === null ? [gnu?.[2], gnu?.[1]] : [bsd[1], bsd[2]];
    if (name === undefined || digest === undefined || name.includes("/"))
      return fail(Exit.failed, `${file} has a line that is not a checksum: ${line}`);
    sums.set(name, digest);
  }
  return sums.size === 0 ? fail(Exit.failed, `${file} lists no file`) : ok(sums);
}

/** What differs between a directory and its checksums, one sentence each; `besides` may be there as well. */
async function compareWithSums(dir: string, sums: Sums, besides: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const [name, digest] of sums) {
    const stats = lstatSync(join(dir, name), { throwIfNoEntry: false });
    if (stats === undefined) found.push(`${name} is missing`);
    else if (!stats.isFile()) found.push(`${name} is not a regular file`);
    else if ((await hashFile(join(dir, name), stats.size)) !== digest)
      found.push(`${name} is not what its checksum says`);
  }
  const known = new Set([...sums.keys(), ...besides]);
  for (const name of readdirSync(dir).sort()) if (!known.has(name)) found.push(`${name} is in no checksum`);
  return found;
}

// What is to be signed of a collected release, and whether it may be: its files are what was collected, and its gate was
// passed. It signs nothing.

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
    return fail(Exit.usage, `${check} is not a check of release.gate`, gate.join(", "));
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
