// Manifests of trees in the store: a text each, under its SHA-256, which is the digest of the tree. What is in a manifest
// is engine/tree/manifest.ts's.
import { closeSync, mkdirSync, openSync, readFileSync, readSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hashBytes, hashFile, hashFileHere } from "./hash.js";
import type { ArtifactId } from "./index.js";
import { ioProblem, isDirectory, isPlain, isThere, temporaryName } from "./io.js";
import { Exit, fail, ok, type Result } from "./problem.js";
import { digestOf } from "./store.js";
import { writeNew } from "./write.js";

/** Where the manifest of a tree lies, or would. */
export const manifestPath = (manifests: string, tree: ArtifactId): string => join(manifests, digestOf(tree));

/** Whether there is anything in its place. */
export const hasManifest = (manifests: string, tree: ArtifactId): boolean =>
  isThere(manifestPath(manifests, tree));

/** Digests it again. Rejects with the system's error. */
export async function verifyManifest(
  manifests: string,
  tree: ArtifactId,
): Promise<"whole" | "missing" | "damaged"> {
  const file = manifestPath(manifests, tree);
  if (!isThere(file)) return "missing";
  return isPlain(file) && (await hashFile(file)) === digestOf(tree) ? "whole" : "damaged";
}

/** Deletes it, whatever lies there. */
export const removeManifest = (manifests: string, tree: ArtifactId): void =>
  rmSync(manifestPath(manifests, tree), { force: true, recursive: true });

/** The text of the manifest with this digest (one character a byte); a text with another one is refused (exit 3). */
export function readManifestText(manifests: string, digest: string): Result<string> {
  const file = join(manifests, digest);
  try {
    const text = readFileSync(file, "latin1");
    return hashBytes(text) === digest
      ? ok(text)
      : fail(Exit.environment, `the manifest ${file} is damaged`, "`imagemake cache verify`");
  } catch (error) {
    return ioProblem(`read the manifest ${file}`, error);
  }
}

/** The first two lines of it, which are not digested. */
export function readManifestHead(manifests: string, digest: string): Result<string> {
  const file = join(manifests, digest);
  try {
    const fd = openSync(file, "r");
    try {
      const bytes = Buffer.alloc(65_536);
      const text = bytes.toString("latin1", 0, readSync(fd, bytes, 0, bytes.length, 0));
      return ok(text.split("\n", 2).join("\n") + "\n");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return ioProblem(`read the manifest ${file}`, error);
  }
}

/** Stores the text (ASCII) that comes in pieces and has this digest, by rename; answers with the digest. */
export function storeManifest(manifests: string, digest: string, pieces: Iterable<string>): Result<string> {
  const file = join(manifests, digest);
  const temporary = temporaryName(file);
  try {
    if (isPlain(file) && hashFileHere(file) === digest) return ok(digest);
    if (isDirectory(file)) rmSync(file, { recursive: true });
    mkdirSync(manifests, { recursive: true, mode: 0o700 });
    writeNew(temporary, pieces, 0o444);
    renameSync(temporary, file);
    return ok(digest);
  } catch (error) {
    rmSync(temporary, { force: true });
    return ioProblem(`write the manifest ${file}`, error);
  }
}

/** The files that a manifest names: their sizes in bytes, by digest. */
export function filesIn(manifest: string): ReadonlyMap<string, number> {
  const files = new Map<string, number>();
  for (const [, size = "", digest = ""] of manifest.matchAll(FILE)) files.set(digest, Number(size));
  return files;
}

/** A line of a file: path, its group, type and mode, owner, time, size, digest; no word has a space in it. */
const FILE = /^\S+ (?:=\S+ )?f[0-7]{4} \d+:\d+ -?[\d.]+ (\d+) ([0-9a-f]{64})(?= |$)/gm;
