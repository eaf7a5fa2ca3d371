// Keeps the copies of a source of very many files from one action to the next, so that after an edit only what changed
// is copied. They are believed as far as their stamps go: what an action, or anybody, changed has another ctime.
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { hashBytes } from "../../cache/hash.js";
import type { Stamp } from "../../cache/index.js";
import { codeOf, ioProblem, readPlain } from "../../cache/io.js";
import { copiesOf } from "../../cache/layout.js";
import type { KeyInput } from "../key.js";
import { fields, is, isObject, jsonOf, list, text } from "../../cache/shape.js";
import type { Source } from "../model.js";
import { ok, type Result } from "../problem.js";
import type { ResolvedSource } from "../sources/resolved.js";
import { fileSystemNow, ownStamp, sameStamp, stampOfStats } from "../sources/stamp.js";
import { removeTree } from "./local/remove.js";

/** From how many files on copies are kept: fewer are copied again in a moment. */
const MANY = 2000;

/** Changes whenever copies of before are no longer what would be made now. */
const FORM = "modes of their own";

/** How long the file system's clock may take to go on, in milliseconds: the coarsest ones count in two seconds. */
const CLOCK_MS = 2500;

/** Files of sources that have very many. */
export interface ManyFiles {
  /** The same for every action that reads these sources. */
  readonly id: string;
  /** What they are now, as the key has it, by their path in the stage. */
  readonly wanted: ReadonlyMap<string, string>;
}

/** Copies as they were before the action began. Paths are relative to the working directory. */
export interface Copies {
  readonly id: string;
  readonly directories: ReadonlyMap<string, Stamp>;
  readonly files: ReadonlyMap<string, { readonly content: string; readonly stamp: Stamp }>;
  /** What else lies among them. */
  readonly others: readonly string[];
}

/** What lies beside kept copies. */
interface Written {
  /** A machine that lost its power may have stamps without the bytes. */
  readonly boot: string;
  readonly directories: readonly (readonly [string, Stamp])[];
  readonly files: readonly (readonly [string, string, Stamp])[];
}

/** The files of those sources that have very many; null where none has. */
export function manyFiles(
  sources: readonly { readonly source: Source; readonly resolved: ResolvedSource }[],
): ManyFiles | null {
  const names: string[] = [];
  const wanted = new Map<string, string>();
  for (const { source, resolved } of sources) {
    if (resolved.kind !== "files" || resolved.files.length < MANY) continue;
    names.push(JSON.stringify(source));
    for (const files of [resolved.files, resolved.along])
      for (const file of files)
        if (file.kind === "file") wanted.set(file.stage, `${file.executable ? "x" : "f"}:${file.digest}`);
  }
  if (names.length === 0) return null;
  return { id: hashBytes(JSON.stringify([FORM, process.getuid?.(), ...names.sort()])), wanted };
}

/**
 * Moves into `work` the copies below `kept` that are still what is wanted; `dir` is the action's own, which takes the rest.
 * Returns what was moved, by its path in the stage.
 */
export function takeCopies(
  kept: string,
  dir: string,
  work: string,
  { id, wanted }: ManyFiles,
): ReadonlyMap<string, string> {
  const here = join(dir, "kept");
  try {
    // One action has them: another that reads the same at the same time copies.
    renameSync(copiesOf(kept, id), here);
  } catch {
    return new Map();
  }
  const written = readWritten(join(here, "copies.json"));
  const files = join(here, "files");
  if (written === null || !written.directories.every(([path, stamp]) => isStill(join(files, path), stamp)))
    return new Map();
  const good = new Map<string, string>();
  for (const [path, content, stamp] of written.files) {
    const at = join(files, path);
    if (wanted.get(path) === content && isStill(at, stamp)) good.set(path, content);
    else if (lstatSync(at, { throwIfNoEntry: false }) !== undefined) unlinkSync(at);
  }
  const needed = directoriesOf(good.keys());
  const directories = written.directories.map(([path]) => path).sort();
  for (const path of directories.reverse()) if (!needed.has(path)) rmdirSync(join(files, path));
  for (const name of readdirSync(files)) renameSync(join(files, name), join(work, name));
  return good;
}

/**
 * The copies in `work`, with everything staged and nothing started; null where a change by the action could not be told
 * from them. `inputs` says what was copied.
 */
export async function recordCopies(
  work: string,
  { id, wanted }: ManyFiles,
  inputs: readonly KeyInput[],
): Promise<Copies | null> {
  const files = new Map<string, { content: string; stamp: Stamp }>();
  let newest = 0;
  const stamped = (path: string): Stamp => {
    const stamp = stampOfStats(lstatSync(join(work, path)));
    newest = Math.max(newest, stamp.ctime);
    return stamp;
  };
  for (const { path, content } of inputs)
    if (wanted.has(path)) files.set(path, { content, stamp: stamped(path) });
  const directories = new Map<string, Stamp>();
  const others: string[] = [];
  for (const path of directoriesOf(files.keys())) directories.set(path, stamped(path));
  for (const directory of directories.keys())
    for (const name of readdirSync(join(work, directory))) {
      const path = join(directory, name);
      if (!files.has(path) && !directories.has(path)) others.push(path);
    }
  const until = performance.now() + CLOCK_MS;
  while (fileSystemNow(dirname(work)) <= newest) {
    if (performance.now() > until) return null;
    await setTimeout(1);
  }
  return { id, directories, files, others };
}

/**
 * Moves the copies from `work`, where the action has ended, to `kept`. They are not kept where it changed a directory
 * of them, and where another action has kept its own meanwhile. A Problem costs the next build time, nothing else.
 */
export async function keepCopies(
  kept: string,
  dir: string,
  work: string,
  copies: Copies,
): Promise<Result<void>> {
  try {
    for (const [path, stamp] of copies.directories)
      if (!isStill(join(work, path), stamp)) return ok(undefined);
    for (const path of copies.others) {
      const removed = await removeTree(join(work, path));
      if (!removed.ok) return removed;
    }
    const here = moveOut(dir, work, copies);
    renameSync(here, copiesOf(kept, copies.id));
    return ok(undefined);
  } catch (error) {
    const other = codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST";
    return other ? ok(undefined) : ioProblem(`keep what was copied for the next build in ${kept}`, error);
  }
}

/** Brings copies and what is known of them together in a directory of its own. */
function moveOut(dir: string, work: string, { directories, files }: Copies): string {
  const here = join(dir, "keep");
  mkdirSync(join(here, "files"), { recursive: true, mode: 0o700 });
  const isTop = (path: string): boolean => !path.includes("/");
  const left = [...files].filter(([path, { stamp }]) => !isTop(path) || isStill(join(work, path), stamp));
  const tops = new Set(left.map(([path]) => path.replace(/\/.*/s, "")));
  for (const name of tops) renameSync(join(work, name), join(here, "files", name));
  // What was moved, and where something was taken out, has a new ctime.
  const now = (path: string): Stamp => stampOfStats(lstatSync(join(here, "files", path)));
  const written: Written = {
    boot: bootId(),
    directories: [...directories.keys()].map((path) => [path, now(path)]),
    files: left.map(([path, { content, stamp }]) => [path, content, isTop(path) ? now(path) : stamp]),
  };
  writeFileSync(join(here, "copies.json"), JSON.stringify(written), { mode: 0o600 });
  return here;
}

function isStill(path: string, stamp: Stamp): boolean {
  const now = ownStamp(path);
  return now !== null && sameStamp(now, stamp);
}

/** The directories that lead to these paths; not the one they are relative to. */
function directoriesOf(paths: Iterable<string>): ReadonlySet<string> {
  const found = new Set<string>();
  for (const path of paths)
    for (let at = dirname(path); at !== "." && !found.has(at); at = dirname(at)) found.add(at);
  return found;
}

/** A path and its stamp; of a file its content between them. */
const row = (length: number) =>
  is((value) => Array.isArray(value) && value.length === length && isObject(value.at(-1)));
const isWritten = fields({ boot: text, directories: list(row(2)), files: list(row(3)) });

function readWritten(file: string): Written | null {
  try {
    const written = jsonOf(readPlain(file)?.toString("utf8"), isWritten) as Written | null;
    return written?.boot === bootId() ? written : null;
  } catch {
    return null;
  }
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
