// Turns what the operating system says about a file into a Problem, and names temporary files.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { threadId } from "node:worker_threads";
import { PACKAGE } from "./installed.js";
import { adviceFor, codeSaid, isFullCode, lackAt, limitOf } from "./limits.js";
import { Exit, fail, ProblemError, type Problem, type Result } from "./problem.js";

let counter = 0;

/** A user and group; what users should own is given to them. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * A name beside `path` (or for any directory) that nothing else uses, no thread of ours either: each counts by itself.
 * Ends in `.tmp`, so that leftovers are known.
 */
export const temporaryName = (path: string): string =>
  `${path}.${process.pid}-${threadId === 0 ? "" : `${threadId}-`}${counter++}.tmp`;

/** A text field of a thrown thing. Not by `instanceof`: errors of another realm (a test's) are errors too. */
function textIn(thrown: unknown, field: "code" | "message" | "syscall" | "path"): string {
  const value =
    typeof thrown === "object" && thrown !== null && field in thrown
      ? (thrown as Record<typeof field, unknown>)[field]
      : undefined;
  return typeof value === "string" ? value : "";
}

/** The `code` of a system error (`ENOENT`), or an empty string for any other thrown thing. */
export const codeOf = (thrown: unknown): string => textIn(thrown, "code");

const SENTENCES: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on the device",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "the operation is not permitted",
  EIO: "the device reports an input or output error",
  ENOENT: "it does not exist",
  EISDIR: "a directory is in its place",
  ENOTEMPTY: "a directory with files is in its place",
  ENOTDIR: "a part of its path is not a directory",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open on this machine",
  EMLINK: "the file has as many links as its file system allows",
  EAGAIN: "no more processes can be started",
  ERR_WORKER_INIT_FAILED: "no more threads can be started",
  EFBIG: "it is larger than a file may be",
};

/**
 * A problem of the environment (exit 3) for a thrown system error. `doing` says what was tried: `store out.img`.
 * A full disk also says what frees space.
 */
export function ioProblem(doing: string, thrown: unknown): Result<never> {
  const code = codeBehind(thrown);
  // Many calls on an open file do not name it.
  const path = textIn(thrown, "path") || (/ (\/[^ ]+)/.exec(doing)?.[1] ?? null);
  const full = isFullCode(code) && path !== null ? lackAt(path) : null;
  const why = full?.why ?? SENTENCES[code] ?? saidOf(thrown);
  return fail(Exit.environment, `cannot ${doing}: ${why}`, hintFor(code, path));
}

function hintFor(code: string, path: string | null): string | undefined {
  const advice = adviceFor(code, path);
  if (advice !== undefined) return advice;
  const denied = (code === "EACCES" || code === "EPERM") && process.getuid?.() !== 0;
  return denied
    ? "what root built only root can go on with: use sudo here too, or another directory"
    : undefined;
}

/**
 * The code of what really went wrong. Node says that a directory is not there when it could not make it, with those above it,
 * for most other reasons (MKDirp in its src/node_file.cc): then one is made for a trial.
 */
function codeBehind(thrown: unknown): string {
  const code = codeOf(thrown);
  // A library's native part is opened by the loader of programs, which has words alone.
  if (code === "ERR_DLOPEN_FAILED") return codeSaid(textIn(thrown, "message")) ?? code;
  if (isUnloaded(thrown)) return "EMFILE";
  const path = textIn(thrown, "path");
  if (code !== "ENOENT" || textIn(thrown, "syscall") !== "mkdir" || !isAbsolute(path)) return code;
  let above = dirname(path);
  while (!existsSync(above)) above = dirname(above);
  const trial = temporaryName(join(above, "trial"));
  try {
    mkdirSync(trial);
    rmdirSync(trial);
    return code;
  } catch (error) {
    return codeOf(error);
  }
}

/** What the system said, in our words where we have some. */
export const saidOf = (thrown: unknown): string =>
  SENTENCES[codeOf(thrown)] ?? (textIn(thrown, "message") || String(thrown));

/** In one sentence: a library's native part that is not there, or was built for another node. Null for all else. */
export function nativeProblem(thrown: unknown): Problem | null {
  const said = textIn(thrown, "message");
  const [, library = "better-sqlite3"] = /node_modules\/([^/\n]+)\//.exec(said) ?? [];
  if (!/NODE_MODULE_VERSION|Could not locate the bindings file/.test(said)) return null;
  const root = fileURLToPath(PACKAGE);
  return {
    exit: Exit.environment,
    message: `the library ${library} was not built for this node, which is ${process.versions.node}`,
    hint: `npm rebuild ${library}, in ${root}; or start imagemake with the node that it was installed with`,
  };
}

/** The problem in a thrown thing: one that was thrown as such, or a refusal of the system. Null for faults of ours. */
export function problemIn(thrown: unknown): Problem | null {
  if (thrown instanceof ProblemError) return thrown.problem;
  const native = nativeProblem(thrown);
  if (native !== null) return native;
  if (isUnloaded(thrown))
    return {
      exit: Exit.environment,
      message: `cannot load a part of imagemake: ${SENTENCES["EMFILE"] ?? ""}`,
      hint: adviceFor("EMFILE", null) ?? "",
    };
  const call = textIn(thrown, "syscall");
  if (call === "") return null;
  const refused = ioProblem(`${call} ${textIn(thrown, "path")}`.trimEnd(), thrown);
  return refused.ok ? null : refused.problem;
}

/** With fewer files than this node may fail to load modules: it opens all that one imports at once. */
const FEW_FILES = 256;

/** Whether a module is missing only because no file could be opened to look for it. */
function isUnloaded(thrown: unknown): boolean {
  if (!/^(?:ERR_)?MODULE_NOT_FOUND$/.test(codeOf(thrown))) return false;
  const limit = limitOf("open files");
  // To ask for the limit takes a file, too.
  return limit !== "unlimited" && !(Number(limit) >= FEW_FILES);
}

/** Writes what only saves time: where the system refuses, it is done without. */
export function writeIfPossible(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (problemIn(error) === null) throw error;
  }
}

/** What `temporaryName` gives. */
const TEMPORARY = /^(.*)\.\d+-(?:\d+-)?\d+\.tmp$/s;

/** Whether it is a regular file, not a link to one: opening a fifo or a device waits, or does what nobody wanted. */
export const isPlain = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** Whether it is a directory, not a link to one. */
export const isDirectory = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Whether anything is there, be it a link that leads nowhere. */
export const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/**
 * The content of a regular file, no more than `most` bytes of it; null for anything else in its place: where others may
 * write, a link leads to what is not theirs to show.
 */
export const readPlain = (file: string, most?: number): Buffer | null => readOwned(file, most)?.bytes ?? null;

/** The same, with the user whose file it is. */
export function readOwned(
  file: string,
  most?: number,
): { readonly bytes: Buffer; readonly owner: number } | null {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (["ELOOP", "ENXIO"].includes(codeOf(error))) return null;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return null;
    if (most === undefined) return { bytes: readFileSync(fd), owner: stats.uid };
    const bytes = Buffer.alloc(Math.min(most, stats.size));
    return { bytes: bytes.subarray(0, readSync(fd, bytes)), owner: stats.uid };
  } finally {
    closeSync(fd);
  }
}

/**
 * Deletes temporary files that a crash left in a directory: what `temporaryName` called them whose files are called as
 * `names` has it. Only while the lock is held, or where losing another process's costs time only.
 */
export function clearTemporaries(dir: string, names = /^/): void {
  // Where people put a file in the place of `out` that is said where something is to lie in it.
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  for (const name of readdirSync(dir)) {
    const of = TEMPORARY.exec(name)?.[1];
    const path = join(dir, name);
    if (of !== undefined && names.test(of) && isPlain(path)) rmSync(path, { force: true });
  }
}
