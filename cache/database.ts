// Opens the database file of the index: made where there is none, brought to the present schema where it is older,
// set aside where it is of no use, left alone where only the moment is wrong.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { codeOf, ioProblem, isPlain, nativeProblem } from "./io.js";
import { isFullCode, lackAt, limitOf } from "./limits.js";
import { Exit, stop, unwrap } from "./problem.js";
import { ownerIn } from "./write.js";

/** How long to wait for another process that is writing, in milliseconds. */
const PATIENCE = 10_000;

/** What is wrong with a database that is to be set aside. */
class Unusable extends Error {}

/** Opens `file` for writing; see Index.open. */
export function openDatabase(file: string, notice: (message: string) => void): Database.Database {
  try {
    for (const path of [file, `${file}-wal`, `${file}-shm`])
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined && !isPlain(path))
        throw new Unusable(`${path} is not a regular file`);
    // Made here, so that it has its owner from its first moment; SQLite gives its other files the same.
    const owner = ownerIn(dirname(file));
    const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
    if (owner !== null) fchownSync(fd, owner.uid, owner.gid);
    closeSync(fd);
    return closeAtExit(openChecked(file));
  } catch (error) {
    if (!isUseless(error)) return refuse(file, error);
    const aside = `${file}.set-aside`;
    if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) renameSync(file, aside);
    for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
    const why = messageOf(error);
    notice(`the index database cannot be used (${why}); it was set aside as ${aside} and is made anew`);
    return closeAtExit(openChecked(file));
  }
}

/**
 * A process that is ended by `process.exit` closes nothing, and SQLite's log would stay beside the database: whoever
 * only looks would then have to write there.
 */
function closeAtExit(db: Database.Database): Database.Database {
  if (opened.size === 0) process.once("exit", closeAll);
  for (const one of opened) if (!one.open) opened.delete(one);
  opened.add(db);
  return db;
}
const opened = new Set<Database.Database>();

function closeAll(): void {
  for (const one of opened) if (one.open) one.close();
}

/** Opens `file` for looking; see Index.look. */
export function lookDatabase(file: string): Database.Database {
  const found = isPlain(file) ? lookChecked(file) : null;
  if (found !== null) return found;
  const empty = new Database(":memory:");
  empty.exec(SCHEMA);
  return empty;
}

/** Throws when the file is not a database of this version or an older one. */
function openChecked(file: string): Database.Database {
  const db = new Database(file, { timeout: PATIENCE });
  try {
    keepLog(db);
    db.pragma("synchronous = NORMAL");
    db.pragma("foreign_keys = ON");
    if (versionOf(db) < SCHEMA_VERSION) {
      db.transaction(() => {
        // Another process may have made it since.
        if (versionOf(db) < SCHEMA_VERSION) bringUp(db);
      }).immediate();
    }
    if (!isWhole(db)) throw new Unusable("it is damaged");
    if (!isComplete(db)) throw new Unusable("its tables are not those of an index");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Switches to a write-ahead log. Where several do so at once in a new file, SQLite refuses some without waiting: two
 * readers that both want to write would wait for each other (https://sqlite.org/c3ref/busy_handler.html).
 */
function keepLog(db: Database.Database): void {
  for (const end = Date.now() + PATIENCE; ;) {
    try {
      db.pragma("journal_mode = WAL");
      return;
    } catch (error) {
      if (!codeOf(error).startsWith("SQLITE_BUSY") || Date.now() >= end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

/** Makes the tables of an empty database, or brings those of an older one to this version. */
function bringUp(db: Database.Database): void {
  const version = versionOf(db);
  // What a migration takes out is not to be left in free pages.
  db.pragma("secure_delete = ON");
  for (const statements of version === 0 ? [SCHEMA] : MIGRATIONS.slice(version - 1)) db.exec(statements);
  db.pragma(`user_version = ${SCHEMA_VERSION}`);
}

/** Of a newer one nothing can be said. */
function versionOf(db: Database.Database): number {
  const version = db.pragma("user_version", { simple: true });
  if (typeof version === "number" && version <= SCHEMA_VERSION) return version;
  throw new Unusable(`its version is ${String(version)}, this imagemake knows ${SCHEMA_VERSION}`);
}

/** Null for a database that opening it for writing would set aside, or fill. */
function lookChecked(file: string): Database.Database | null {
  let db: Database.Database | undefined;
  try {
    db = existsSync(`${file}-wal`)
      ? new Database(file, { readonly: true, timeout: PATIENCE })
      : copyOf(readFileSync(file));
    const version = versionOf(db);
    if (version === 0 || !isWhole(db)) {
      db.close();
      return null;
    }
    if (version < SCHEMA_VERSION) {
      const old = db;
      db = copyOf(old.serialize());
      old.close();
      bringUp(db);
    }
    if (!isComplete(db)) {
      db.close();
      return null;
    }
    return db;
  } catch (error) {
    db?.close();
    return isUseless(error) ? null : refuse(file, error);
  }
}

/**
 * A database in memory: opening the file of a database that keeps a log (bytes 18 and 19 of its header are 2,
 * https://sqlite.org/fileformat2.html) makes two more files beside it, and looking changes nothing. Without a log
 * there is nobody who writes.
 */
function copyOf(bytes: Buffer): Database.Database {
  if (bytes.length > 20) bytes.fill(1, 18, 20);
  return new Database(bytes);
}

const isWhole = (db: Database.Database): boolean => db.pragma("quick_check(1)", { simple: true }) === "ok";

/** Every table with its columns, and what goes when a row does. */
const SHAPE = `
  SELECT m.name, c.cid, c.name, c.type, c."notnull", c.pk, f."table", f."to", f.on_delete
  FROM sqlite_master m JOIN pragma_table_info(m.name) c
  LEFT JOIN pragma_foreign_key_list(m.name) f ON f."from" = c.name
  WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid`;

const shapeOf = (db: Database.Database): string => JSON.stringify(db.prepare(SHAPE).raw().all());

/** What it is of a new database; found out once in a process. */
let shape: string | undefined;

/** Whether it has the tables that the schema makes: rows are written by their columns' order. */
function isComplete(db: Database.Database): boolean {
  if (shape === undefined) {
    const fresh = new Database(":memory:");
    fresh.exec(SCHEMA);
    shape = shapeOf(fresh);
    fresh.close();
  }
  return shapeOf(db) === shape;
}

/**
 * Whether it is the file's contents that are no good. What is only locked, out of reach or on a full disk may hold
 * all it should.
 */
const isUseless = (error: unknown): boolean =>
  error instanceof Unusable ||
  (error instanceof Database.SqliteError && /^SQLITE_(?:CORRUPT|NOTADB|ERROR|SCHEMA)/.test(error.code));

/** Codes under which SQLite hides what the system said. */
const HIDING = /^SQLITE_(?:FULL|IOERR|CANTOPEN|READONLY)/;

/** Throws a ProblemError (exit 3) for what SQLite or the system says of `file`, and any other error as it is. */
export function refuse(file: string, error: unknown): never {
  if (nativeProblem(error) !== null || (!(error instanceof Database.SqliteError) && codeOf(error) === ""))
    throw error;
  const code = codeOf(error);
  const what = `use the index database ${file}`;
  if (code.startsWith("SQLITE_BUSY"))
    return stop(Exit.environment, `cannot ${what}: ${messageOf(error)}`, "another program has it open");
  const lack = HIDING.test(code) || isFullCode(code) ? lackAt(file) : null;
  if (lack !== null) return stop(Exit.environment, `cannot ${what}: ${lack.why}`, lack.hint);
  if (!code.startsWith("SQLITE_")) return unwrap(ioProblem(what, error));
  const hidden = HIDING.test(code) ? hiddenCode(file, code) : null;
  return hidden === null
    ? stop(Exit.environment, `cannot ${what}: ${messageOf(error)}`)
    : unwrap(ioProblem(what, { code: hidden, path: file }));
}

/** What the system answers where SQLite only says that it did not work: asked by doing the same once more. */
function hiddenCode(file: string, code: string): string | null {
  if (code === "SQLITE_FULL") return "ENOSPC";
  // SQLite's shared memory is a file of at least 32 KiB, and its log grows by pages.
  const next = 2 * Math.max(sizeOf(file), sizeOf(`${file}-wal`), 32_768);
  if (Number(limitOf("file size")) < next) return "EFBIG";
  try {
    // Not by opening the file: its closing would take SQLite's locks away (close(2), fcntl(2)).
    accessSync(file, constants.W_OK);
    closeSync(openSync("/dev/null", constants.O_RDONLY));
    return code.startsWith("SQLITE_IOERR") ? "EIO" : null;
  } catch (error) {
    return codeOf(error);
  }
}

const sizeOf = (file: string): number => lstatSync(file, { throwIfNoEntry: false })?.size ?? 0;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// The shape of the index database, and how an older one comes to it. A change here is a new version.

/** Written to `PRAGMA user_version`. A database with a higher one is from a newer imagemake. */
const SCHEMA_VERSION = 4;

const PUBLISHED = `
-- What is published under an action's targets now, in each release. A build that came later may have been undone since.
CREATE TABLE published (
  line TEXT NOT NULL, action TEXT NOT NULL, release TEXT NOT NULL,
  build TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE, PRIMARY KEY (line, action, release)
);`;

const ORIGINS = `
-- Builds that ran on another machine: on which, and what brought them.
CREATE TABLE origins (
  build TEXT PRIMARY KEY REFERENCES builds (id) ON DELETE CASCADE, machine TEXT NOT NULL, source TEXT NOT NULL
) WITHOUT ROWID;`;

/** What brings a database from each version to the next, the first one from version 1 to 2. */
const MIGRATIONS: readonly string[] = [
  // An artifact's epoch is that of the build that made it: two builds may make the same bytes.
  // Which builds are published was not kept before: explanations compare with the last ones until they are known.
  `ALTER TABLE artifacts DROP COLUMN epoch;
   ALTER TABLE builds ADD COLUMN failure TEXT;
   ALTER TABLE builds ADD COLUMN replaces TEXT;
   ${PUBLISHED}`,
  // Values of variables may be secrets, and keys have only their digests now: those that were kept go.
  `UPDATE components SET value = 'e:' WHERE name LIKE 'env %';`,
  ORIGINS,
];

const SCHEMA = `
-- One run of an action that came to an end.
CREATE TABLE builds (
  id TEXT PRIMARY KEY, line TEXT NOT NULL, action TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL,
  started INTEGER NOT NULL, duration INTEGER NOT NULL, release TEXT NOT NULL, log TEXT, epoch INTEGER NOT NULL,
  failure TEXT, replaces TEXT
);
CREATE INDEX builds_by_action ON builds (line, action);
${PUBLISHED}
${ORIGINS}
-- What the key was made of, one row a component: explaining is comparing rows.
CREATE TABLE components (
  build TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (build, name)
) WITHOUT ROWID;
CREATE TABLE outputs (
  build TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE, name TEXT NOT NULL, artifact TEXT NOT NULL,
  PRIMARY KEY (build, name)
) WITHOUT ROWID;
-- The build whose outputs a key stands for.
CREATE TABLE results (key TEXT PRIMARY KEY, build TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE) WITHOUT ROWID;
-- Everything the store promises. A tree is a layer over its parent tree.
CREATE TABLE artifacts (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, size INTEGER NOT NULL, layer TEXT, parent TEXT, form TEXT
) WITHOUT ROWID;
-- Digests of source files, believed while the stamp is the same.
CREATE TABLE stamps (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime REAL NOT NULL, ctime REAL NOT NULL, ino REAL NOT NULL,
  mode INTEGER NOT NULL, digest TEXT NOT NULL
) WITHOUT ROWID;
-- What was linked into the output directory, and how it looked then.
CREATE TABLE links (
  path TEXT PRIMARY KEY, line TEXT NOT NULL, release TEXT NOT NULL, target TEXT NOT NULL, artifact TEXT NOT NULL,
  size INTEGER NOT NULL, mtime REAL NOT NULL, ctime REAL NOT NULL, ino REAL NOT NULL
) WITHOUT ROWID;
-- Package closures by digest, as JSON arrays.
CREATE TABLE closures (digest TEXT PRIMARY KEY, packages TEXT NOT NULL) WITHOUT ROWID;
-- Versions of host tools, believed while the program's stamp is the same.
CREATE TABLE tools (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, version TEXT NOT NULL) WITHOUT ROWID;
`;
