// Lays sources into the stage: files are copied, and the copy is what is digested; links are laid as they are. It knows
// nothing of artifacts, and starts nothing.
import { chmodSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { copyAndHash } from "../../cache/copy.js";
import { hashBytes } from "../../cache/hash.js";
import { contentOf } from "../key-facts.js";
import type { KeyInput } from "../key.js";
import { fail, ok, type Result } from "../problem.js";
import type { ResolvedSource, SourceFile } from "../sources/resolve.js";

/** Copies a source's files; what is digested is the copy. `directories` are those that the stage is known to have. */
export async function stageSource(
  work: string,
  name: string,
  resolved: ResolvedSource,
  directories: Set<string>,
): Promise<Result<{ variable: string; keys: KeyInput[] }>> {
  if (resolved.kind === "value")
    return ok({ variable: resolved.value ?? "", keys: contentOf(name, resolved) });
  if (resolved.files.length === 0) return ok({ variable: "", keys: contentOf(name, resolved) });
  const keys: KeyInput[] = [];
  for (const file of [...resolved.files, ...resolved.along]) {
    const placed = await stageFile(work, file, directories);
    if (!placed.ok) return placed;
    keys.push({ input: name, path: file.stage, content: placed.value });
  }
  return ok({ variable: resolved.files.map((file) => file.stage).join("\n"), keys });
}

/** Lays one file, link or empty directory into the stage, and says what the key has of it. Two inputs may name the same: it is staged once. */
async function stageFile(work: string, file: SourceFile, directories: Set<string>): Promise<Result<string>> {
  const to = join(work, file.stage);
  const made = makeDirectories(work, dirname(file.stage), directories);
  if (!made.ok) return made;
  if (file.kind === "directory") {
    const own = makeDirectories(work, file.stage, directories);
    return own.ok ? ok("d:") : own;
  }
  const there = lstatSync(to, { throwIfNoEntry: false });
  if (there !== undefined && there.isSymbolicLink() !== (file.kind === "link")) return twoThings(file.stage);
  switch (file.kind) {
    case "text":
      if (there === undefined) stageText(to, file.text);
      return ok(`f:${hashBytes(file.text)}`);
    case "link":
      if (there === undefined) symlinkSync(file.to, to);
      return ok(`l:${file.to}`);
    case "file": {
      const copy = there === undefined ? await copyAndHash(file.path, to) : ok(file);
      return copy.ok ? ok(`${copy.value.executable ? "x" : "f"}:${copy.value.digest}`) : copy;
    }
  }
}

/** A directory of the stage and those that lead to it: an action may copy them, so the caller's umask is not in their modes. */
export function stageDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return;
  for (let at = path; ; at = dirname(at)) {
    chmodSync(at, 0o755);
    if (at === first || at === dirname(at)) return;
  }
}

/** A file of the stage, the same way. */
export function stageText(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}

/** Directories of the stage, real ones: through a link of another input a copy would land where that leads. */
function makeDirectories(work: string, path: string, known: Set<string>): Result<void> {
  if (path === "." || known.has(path)) return ok(undefined);
  const above = makeDirectories(work, dirname(path), known);
  if (!above.ok) return above;
  const at = join(work, path);
  const there = lstatSync(at, { throwIfNoEntry: false });
  if (there !== undefined && !there.isDirectory()) return twoThings(path);
  if (there === undefined) stageDirectory(at);
  known.add(path);
  return ok(undefined);
}

const twoThings = (path: string): Result<never> =>
  fail(
    2,
    `${path} is a symbolic link for one input and something else for another`,
    "name what the link leads to in both",
  );
