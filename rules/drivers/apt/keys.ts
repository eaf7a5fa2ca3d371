// The keys that may sign a repository: keyrings the Imagefile names, what the host's source says, or those the
// host trusts anyway. apt is given copies; it does not verify anything itself.
import { existsSync, readdirSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { asError, Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { keyFiles } from "../keyring.js";

const ARCHIVE_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TRUSTED = ["/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d"];

/** A key to trust: a keyring file, or the text of an armoured key. */
export type Key = { readonly file: string } | { readonly text: string };

/** The keyrings that patterns below `base` (absolute ones: anywhere) mean. */
export async function keyrings(base: string, patterns: readonly string[]): Promise<Result<readonly Key[]>> {
  const files = await keyFiles(patterns, { base });
  return files.ok ? ok(files.value.map((file) => ({ file }))) : files;
}

/** The keys that a source names; those the host trusts anyway where it names none, or only fingerprints. */
export function keysFor(signed: string | null): readonly Key[] {
  if (signed?.includes("-----BEGIN") === true) {
    const lines = signed.split("\n").map((line) => line.trim());
    return [
      {
        text: `${lines
          .map((line) => (line === "." ? "" : line))
          .join("\n")
          .trim()}\n`,
      },
    ];
  }
  const files = (signed ?? "").split(/[\s,]+/).filter((word) => word.startsWith("/"));
  if (files.length > 0) return files.map((file) => ({ file }));
  const trusted = TRUSTED.flatMap((path) =>
    path.endsWith(".d")
      ? existsSync(path)
        ? readdirSync(path).map((name) => join(path, name))
        : []
      : [path],
  );
  return [...trusted, ARCHIVE_KEYRING]
    .filter((file) => existsSync(file) && /\.(?:gpg|asc)$/.test(file))
    .map((file) => ({ file }));
}

/** Writes keyrings to `dir` as apt wants them: names that end in gpg or asc, and begin with `prefix`. Returns the names. */
export async function writeKeys(
  keys: readonly Key[],
  dir: string,
  prefix: string,
): Promise<Result<readonly string[]>> {
  const names: string[] = [];
  for (const [number, key] of keys.entries()) {
    const name = `${prefix}${number}${"text" in key || extname(key.file) === ".asc" ? ".asc" : ".gpg"}`;
    names.push(name);
    if ("text" in key) {
      await writeFile(join(dir, name), key.text);
      continue;
    }
    try {
      await copyFile(key.file, join(dir, name));
    } catch (thrown) {
      return fail(Exit.environment, `the keyring ${key.file} cannot be read: ${asError(thrown).message}`);
    }
  }
  return ok(names);
}
