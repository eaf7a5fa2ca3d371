// Lays sources into the stage: files are copied, and the copy is what is digested; links are laid as they are.
import { chmodSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { copyAndHash } from "../../cache/copy.js";
import { hashBytes } from "../../cache/hash.js";
import { asAlong, contentOf } from "../key-facts.js";
import type { KeyInput } from "../key.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { ResolvedSource, SourceFile } from "../sources/resolved.js";
import type { StagedSource } from "./executor.js";

/** What lies in a stage so far, by its path there. */
export class Laid {
  /** Directories that are known to be there. */
  readonly directories = new Set<string>();
  /** Files and links: what each was made from, and what the key has of it. */
  readonly contents = new Map<string, { readonly from: string; readonly content: string }>();
  /** Directories that are there for themselves. */
  readonly empty = new Set<string>();

  /** `kept` are copies that another action has left (kept-copies.ts): their contents by path. */
  constructor(readonly kept: ReadonlyMap<string, string>) {}

  /** All of it. */
  sources(): StagedSource[] {
    return [
      ...[...this.contents].map(([path, { content }]) => ({ path, content })),
      ...[...this.empty].map((path) => ({ path, content: "d:" })),
    ];
  }
}

/** A stage that is being made: the directory in it that the action works in, and what lies there. */
export interface Stage {
  readonly work: string;
  readonly laid: Laid;
}

/** Copies a source's files; what is digested is the copy. */
export async function stageSource(
  { work, laid }: Stage,
  name: string,
  resolved: ResolvedSource,
): Promise<Result<{ variable: string; keys: KeyInput[] }>> {
  if (resolved.kind === "value")
    return ok({ variable: resolved.value ?? "", keys: contentOf(name, resolved) });
  if (resolved.files.length === 0) return ok({ variable: "", keys: contentOf(name, resolved) });
  const keys: KeyInput[] = [];
  for (const [files, inKey] of [
    [resolved.files, (content: string) => content],
    [resolved.along, asAlong],
  ] as const) {
    for (const file of files) {
      const placed = await stageFile(work, file, laid);
      if (!placed.ok) return placed;
      keys.push({ input: name, path: file.stage, content: inKey(placed.value) });
    }
  }
  return ok({ variable: resolved.files.map((file) => file.stage).join("\n"), keys });
}

/**
 * Lays one file, link or empty directory into the stage, and says what the key has of it. Two inputs may name the same:
 * it is staged once, and is for both what was staged.
 */
async function stageFile(work: string, file: SourceFile, laid: Laid): Promise<Result<string>> {
  const { stage } = file;
  if (OURS.test(stage)) return clash(stage, "a file of the project", "imagemake's own");
  const made = makeDirectories(work, file.kind === "directory" ? stage : dirname(stage), laid.directories);
  if (!made.ok) return made;
  if (file.kind === "directory") {
    laid.empty.add(stage);
    return ok("d:");
  }
  const from = file.kind === "text" ? OUR_TEXT : file.path;
  const before = laid.contents.get(stage);
  if (before !== undefined && before.from !== from) return clash(stage, before.from, from);
  const content = before === undefined ? await stageAnew(work, file, laid.kept) : ok(before.content);
  if (content.ok) laid.contents.set(stage, { from, content: content.value });
  return content;
}

/** What lies there already was kept, or is no source. */
async function stageAnew(
  work: string,
  file: Exclude<SourceFile, { kind: "directory" }>,
  kept: ReadonlyMap<string, string>,
): Promise<Result<string>> {
  const to = join(work, file.stage);
  const there = lstatSync(to, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) return twoThings(file.stage);
  switch (file.kind) {
    case "text":
      if (there !== undefined) return clash(file.stage, "a file of the project", OUR_TEXT);
      stageText(to, file.text);
      return ok(`f:${hashBytes(file.text)}`);
    case "link":
      if (there !== undefined) return twoThings(file.stage);
      symlinkSync(file.to, to);
      return ok(`l:${file.to}`);
    case "file": {
      const content = `${file.executable ? "x" : "f"}:${file.digest}`;
      if (there !== undefined)
        return kept.get(file.stage) === content ? ok(content) : clash(file.stage, "another input", file.path);
      const copy = await copyAndHash(file.path, to, { noFollow: true });
      return copy.ok ? ok(`${copy.value.executable ? "x" : "f"}:${copy.value.digest}`) : copy;
    }
  }
}

/** As messages call it. */
const OUR_TEXT = "what imagemake writes";

/** Where the engine lays its own things, and outputs appear. */
const OURS = /^\.(?:out|recipe|inputs)(?:\/|$)/;

/**
 * Makes the directories that lead to where an artifact or a repository will lie, and that itself where it is one. It lies over
 * no source.
 */
export function makeRoom({ work, laid }: Stage, path: string, isDirectory: boolean): Result<void> {
  return lstatSync(join(work, path), { throwIfNoEntry: false }) === undefined
    ? makeDirectories(work, isDirectory ? path : dirname(path), laid.directories)
    : clash(path, "a file of the project", "another input");
}

/** Lays a text of ours among the sources. */
export function layText({ work, laid }: Stage, path: string, text: string): void {
  stageDirectory(dirname(join(work, path)));
  stageText(join(work, path), text);
  laid.contents.set(path, { from: OUR_TEXT, content: `f:${hashBytes(text)}` });
}

const clash = (stage: string, one: string, other: string): Result<never> =>
  fail(
    Exit.usage,
    `two inputs have the same place in the stage, ${stage}: ${one}, and ${other}`,
    "what lies outside the project is staged below host/, artifacts, lists and texts below in/NAME/, packages in repo/: " +
      "give the project's own file another place, or the input another name",
  );

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
    Exit.usage,
    `${path} is a symbolic link for one input and something else for another`,
    "name what the link leads to in both",
  );
