// A collected directory against its checksums and its signature, by the real program. It needs no Imagefile and
// changes nothing.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { isPlain, isThere } from "../../cache/io.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { toolOf, verifyFile } from "./signers.js";
import { compareWithSums, readSums } from "./sums.js";

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

/** Whether a text is as both programs begin theirs, or nothing yet. */
export const isSignature = (text: string): boolean => /^(?:untrusted comment: |$)/.test(text);

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
    if (!isPlain(path)) return fail(Exit.failed, `${path} is no regular file`);
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
