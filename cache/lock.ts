// The lock of a state directory: held by the kernel, so it is free the moment its holder dies, however it
// dies. SQLite's own file locking is the kernel lock we use; the note beside it only says who holds it.
import { readFileSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";

/** A held lock. */
export interface Lock {
  release(): void;
}

/** Takes the lock at `file`, or says who has it. `note` is shown to those who wait. */
export function tryLock(file: string, note: string): Lock | { readonly holder: string } {
  const db = new Database(file, { timeout: 0 });
  try {
    // Exclusive in rollback-journal mode: a POSIX lock on the file for as long as the transaction lasts.
    db.pragma("journal_mode = DELETE");
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY")) {
      return { holder: readHolder(`${file}.holder`) };
    }
    throw error;
  }
  writeFileSync(`${file}.holder`, note);
  return { release: () => db.close() };
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

function readHolder(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "another imagemake";
  }
}
