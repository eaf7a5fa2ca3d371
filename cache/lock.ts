// The lock of a state directory: held by the kernel, so it is free the moment its holder dies, however it
// dies. SQLite's own file locking is the kernel lock we use; the note beside it only says who holds it.
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { codeOf, ioProblem, isPlain, readPlain } from "./io.js";
import { isFullCode, lackAt } from "./limits.js";
import { Exit, stop, unwrap } from "./problem.js";
import { ownerIn } from "./write.js";

/** A held lock. */
export interface Lock {
  /** Whoever held it last did not release it: it was killed, and may have left things behind. */
  readonly inherited: boolean;
  release(): void;
}

const noteOf = (file: string): string => `${file}.holder`;

/** Whether somebody holds the lock at `file`, or was killed while holding it. */
export const isNoted = (file: string): boolean => existsSync(noteOf(file));

/** Takes the lock at `file`, or says who has it. `note` is shown to those who wait. */
export function tryLock(file: string, note: string): Lock | { readonly holder: string } {
  const holder = noteOf(file);
  try {
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) writeOwn(file, "", 0o600);
    else if (!isPlain(file))
      return stop(Exit.environment, `the lock ${file} is not a regular file`, "remove it");
    else keepToOwner(file);
    const db = lockWhole(file);
    if (db === null) return { holder: readHolder(holder) };
    const inherited = existsSync(holder);
    noteHolder(holder, note);
    return {
      inherited,
      release: () => {
        rmSync(holder, { force: true });
        db.close();
      },
    };
  } catch (error) {
    // A full disk, a read-only file system, somebody else's directory.
    const code = codeOf(error);
    if (code === "") throw error;
    if (!code.startsWith("SQLITE_")) return unwrap(ioProblem(`take the lock ${file}`, error));
    const lack = lackAt(file);
    const why = lack?.why ?? (error instanceof Error ? error.message : "");
    return stop(Exit.environment, `cannot take the lock ${file}: ${why}`, lack?.hint);
  }
}

/** Whoever can read the file can lock it, and hold up everybody for ever. Earlier versions let all. */
function keepToOwner(file: string): void {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { mode, uid } = fstatSync(fd);
    if ((mode & 0o077) !== 0 && [0, uid].includes(process.geteuid?.() ?? uid)) fchmodSync(fd, 0o600);
  } finally {
    closeSync(fd);
  }
}

/** Where there is no room, it is not said who has it. */
function noteHolder(holder: string, note: string): void {
  try {
    writeOwn(holder, note, 0o644);
  } catch (error) {
    if (!isFullCode(codeOf(error))) throw error;
  }
}

/** Nobody can hold a lock on what is no database: it is emptied, and is one. */
function lockWhole(file: string): Database.Database | null {
  try {
    return lockDatabase(file);
  } catch (error) {
    if (!["SQLITE_NOTADB", "SQLITE_CORRUPT"].includes(codeOf(error))) throw error;
    closeSync(openSync(file, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW));
    return lockDatabase(file);
  }
}

/** Null when it is locked already. */
function lockDatabase(file: string): Database.Database | null {
  const db = new Database(file, { timeout: 0 });
  try {
    // Exclusive in rollback-journal mode: a POSIX lock on the file for as long as the transaction lasts. Nothing is written, and a
    // journal in memory takes no room: who frees some holds the lock meanwhile.
    db.pragma("journal_mode = MEMORY");
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db.close();
    if (codeOf(error).startsWith("SQLITE_BUSY")) return null;
    throw error;
  }
}

/** Never through a link. The file is given to the owner of its directory before anything is in it. */
function writeOwn(file: string, text: string, mode: number): void {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_TRUNC, O_WRONLY } = constants;
  const fd = openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, mode);
  try {
    const owner = ownerIn(dirname(file));
    if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** Waits for the lock, asking again every 100 ms; `waiting` is told once for whom. */
export async function waitForLock(
  file: string,
  note: string,
  signal: AbortSignal,
  waiting: (holder: string) => void,
): Promise<Lock | "aborted"> {
  for (let told = false; ; told = true) {
    const lock = tryLock(file, note);
    if ("release" in lock) return lock;
    if (!told) waiting(lock.holder);
    if (signal.aborted) return "aborted";
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const SOMEBODY = "another imagemake";

function readHolder(file: string): string {
  try {
    return readPlain(file)?.toString("utf8").trim() || SOMEBODY;
  } catch {
    return SOMEBODY;
  }
}
