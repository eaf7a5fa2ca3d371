// The SQLite index: what was built from what, and where it lies. It promises nothing that the store does not hold;
// losing it costs time only.
import type Database from "better-sqlite3";
import { lookDatabase, openDatabase, refuse } from "./database.js";
import { lackAt } from "./limits.js";
import type {
  ArtifactId,
  ArtifactRow,
  BuildRow,
  Component,
  LinkRow,
  Origin,
  OutputRow,
  PublishedRow,
  Stamp,
} from "./rows.js";

export type * from "./rows.js";

/** Up to where the published builds of an index are known: the last row then, and its build; null where there was none. */
export type Mark = { readonly row: number; readonly build: string } | null;

/** Of so many releases it is kept what was published under an action. */
const RELEASES_KEPT = 8;

/** Tables whose rows are dropped one by one, with the columns that name a row. */
const KEYS = {
  builds: "id",
  artifacts: "id",
  links: "path",
  stamps: "path",
  closures: "digest",
  tools: "path",
} as const;

/** One of these tables. */
export type Table = keyof typeof KEYS;

const TABLES = ["builds", "artifacts", "links", "stamps", "closures", "tools"] as const satisfies Table[];

/** Keys of rows, by table. */
export type Rows = { readonly [table in Table]?: readonly string[] };

const PUBLISHED = "SELECT b.*, p.action, p.release AS under FROM published p JOIN builds b ON b.id = p.build";

/** The index, opened. All calls are synchronous and quick. */
export class Index {
  readonly #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  private constructor(db: Database.Database) {
    this.#db = db;
  }

  /**
   * Opens or makes the database at `file`. One that is damaged or from a newer version is set aside under
   * another name; `notice` is told. Throws a ProblemError (exit 3) for one that is locked or cannot be reached.
   */
  static open(file: string, notice: (message: string) => void): Index {
    return new Index(openDatabase(file, notice));
  }

  /** Opens the database for looking only; an empty one in memory where there is none that can be used. */
  static look(file: string): Index {
    return new Index(lookDatabase(file));
  }

  close(): void {
    this.#db.close();
  }

  /**
   * For who is about to free room (`noRoom`: the file system is full, and not even opening it for writing would work), or
   * `onlyLooks` what that would be: what is there, to plan with, and the index opened for writing, once it is asked for.
   */
  static toFree(
    file: string,
    notice: (message: string) => void,
    onlyLooks = false,
  ): {
    readonly noRoom: boolean;
    readonly index: Index;
    readonly open: () => Index;
    readonly close: () => void;
  } {
    const noRoom = lackAt(file) !== null;
    const index = noRoom || onlyLooks ? Index.look(file) : Index.open(file, notice);
    let opened = noRoom || onlyLooks ? null : index;
    return {
      noRoom,
      index,
      open: () => (opened ??= Index.open(file, notice)),
      close: () => {
        index.close();
        opened?.close();
      },
    };
  }

  /** A number that is another once somebody else has written. */
  version(): number {
    return Number(this.#db.pragma("data_version", { simple: true }));
  }

  /** Runs `work` in one transaction: all of it or nothing. */
  transaction<T>(work: () => T): T {
    return attempt(this.#db.name, () => this.#db.transaction(work)());
  }

  addBuild(
    build: BuildRow,
    components: readonly Component[],
    outputs: Readonly<Record<string, ArtifactId>>,
  ): void {
    this.#run(
      "INSERT INTO builds VALUES (@id, @line, @action, @key, @status, @started, @duration, @release, @log, @epoch, @failure, @replaces)",
      build,
    );
    for (const { name, value } of components) {
      this.#run("INSERT OR REPLACE INTO components VALUES (?, ?, ?)", build.id, name, value);
    }
    for (const [name, artifact] of Object.entries(outputs)) {
      this.#run("INSERT INTO outputs VALUES (?, ?, ?)", build.id, name, artifact);
    }
    if (build.status === "built")
      this.#run("INSERT OR REPLACE INTO results VALUES (?, ?)", build.key, build.id);
  }

  /** The build a key stands for, or undefined. */
  resultOf(key: string): BuildRow | undefined {
    return this.#get<BuildRow>(
      "SELECT b.* FROM results r JOIN builds b ON b.id = r.build WHERE r.key = ?",
      key,
    );
  }

  /** The last build of an action, whatever came of it. By order of arrival: clocks jump. */
  lastBuild(line: string, action: string): BuildRow | undefined {
    return this.#get<BuildRow>(
      "SELECT * FROM builds WHERE line = ? AND action = ? ORDER BY rowid DESC LIMIT 1",
      line,
      action,
    );
  }

  /** One build; undefined where its row was dropped. */
  build(id: string): BuildRow | undefined {
    return this.#get<BuildRow>("SELECT * FROM builds WHERE id = ?", id);
  }

  /** The build of the same action that came before this one. */
  buildBefore({ id, line, action }: BuildRow): BuildRow | undefined {
    return this.#get<BuildRow>(
      `SELECT * FROM builds WHERE line = ? AND action = ? AND rowid < (SELECT rowid FROM builds WHERE id = ?)
       ORDER BY rowid DESC LIMIT 1`,
      line,
      action,
      id,
    );
  }

  /** What is published under each action of a line; of several releases the one that came last at the end. */
  published(line: string): PublishedRow[] {
    return this.#all<PublishedRow>(`${PUBLISHED} WHERE p.line = ? ORDER BY p.rowid`, line);
  }

  /** The same of one action. */
  publishedUnder(line: string, action: string): PublishedRow[] {
    const where = "WHERE p.line = ? AND p.action = ?";
    return this.#all<PublishedRow>(`${PUBLISHED} ${where} ORDER BY p.rowid`, line, action);
  }

  /** Where what is published ends now. */
  mark(): Mark {
    return (
      this.#get<{ row: number; build: string }>(
        "SELECT rowid AS row, build FROM published ORDER BY rowid DESC LIMIT 1",
      ) ?? null
    );
  }

  /** The actions of a line under which something was published after a mark; null where rows went since, or the index is another. */
  publishedSince(line: string, mark: Mark): string[] | null {
    const build =
      mark && this.#get<{ build: string }>("SELECT build FROM published WHERE rowid = ?", mark.row)?.build;
    if (mark === null || build !== mark.build) return null;
    return this.#all<{ action: string }>(
      "SELECT action FROM published WHERE rowid > ? AND line = ?",
      mark.row,
      line,
    ).map(({ action }) => action);
  }

  /** This build is published under the action now. */
  setPublished(line: string, action: string, release: string, build: string): void {
    this.#run("INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?)", line, action, release, build);
    this.#run(
      `DELETE FROM published WHERE line = ? AND action = ? AND rowid NOT IN
       (SELECT rowid FROM published WHERE line = ? AND action = ? ORDER BY rowid DESC LIMIT ?)`,
      ...[line, action],
      ...[line, action],
      RELEASES_KEPT,
    );
  }

  /** The last `limit` builds of an action, newest first. */
  buildsOf(line: string, action: string, limit: number): BuildRow[] {
    return this.#all<BuildRow>(
      "SELECT * FROM builds WHERE line = ? AND action = ? ORDER BY rowid DESC LIMIT ?",
      line,
      action,
      limit,
    );
  }

  /** How long the last successful run of each action took, in milliseconds. */
  durations(line: string): Map<string, number> {
    const rows = this.#all<{ action: string; duration: number }>(
      "SELECT action, duration, MAX(rowid) FROM builds WHERE line = ? AND status = 'built' GROUP BY action",
      line,
    );
    return new Map(rows.map((row) => [row.action, row.duration]));
  }

  /** That of one action. */
  duration(line: string, action: string): number | undefined {
    return this.#get<{ duration: number }>(
      `SELECT duration FROM builds WHERE line = ? AND action = ? AND status = 'built'
       ORDER BY rowid DESC LIMIT 1`,
      line,
      action,
    )?.duration;
  }

  componentsOf(build: string): Component[] {
    return this.#all<Component>("SELECT name, value FROM components WHERE build = ?", build);
  }

  outputsOf(build: string): Record<string, ArtifactId> {
    const rows = this.#all<{ name: string; artifact: string }>(
      "SELECT name, artifact FROM outputs WHERE build = ?",
      build,
    );
    return Object.fromEntries(rows.map((row) => [row.name, row.artifact]));
  }

  setOrigin(build: string, { machine, source }: Origin): void {
    this.#run("INSERT OR REPLACE INTO origins VALUES (?, ?, ?)", build, machine, source);
  }

  originOf(build: string): Origin | undefined {
    return this.#get<Origin>("SELECT machine, source FROM origins WHERE build = ?", build);
  }

  /** Records an artifact. Where a tree lies is where it lies now. */
  addArtifact(row: ArtifactRow): void {
    this.#run(
      `INSERT INTO artifacts VALUES (@id, @kind, @size, @layer, @parent, @form)
       ON CONFLICT (id) DO UPDATE SET layer = excluded.layer, parent = excluded.parent, form = excluded.form`,
      row,
    );
  }

  artifact(id: ArtifactId): ArtifactRow | undefined {
    return this.#get<ArtifactRow>("SELECT * FROM artifacts WHERE id = ?", id);
  }

  artifacts(): ArtifactRow[] {
    return this.#all<ArtifactRow>("SELECT * FROM artifacts ORDER BY id");
  }

  /** The action whose build made an artifact last. */
  makerOf(id: ArtifactId): string | undefined {
    return this.makingOf(id)?.action;
  }

  /** The last build that made an artifact; the last `before` another build, where there is one. */
  makingOf(id: ArtifactId, before?: string): BuildRow | undefined {
    const making = "SELECT b.* FROM outputs o JOIN builds b ON b.id = o.build WHERE o.artifact = ?";
    const last = "ORDER BY b.rowid DESC LIMIT 1";
    const earlier = "AND b.rowid < (SELECT rowid FROM builds WHERE id = ?)";
    const found =
      before === undefined ? undefined : this.#get<BuildRow>(`${making} ${earlier} ${last}`, id, before);
    return found ?? this.#get<BuildRow>(`${making} ${last}`, id);
  }

  /** Forgets an artifact and every build that promised it. */
  forgetArtifact(id: ArtifactId): void {
    this.#run("DELETE FROM builds WHERE id IN (SELECT build FROM outputs WHERE artifact = ?)", id);
    this.#run("DELETE FROM artifacts WHERE id = ?", id);
  }

  stamp(path: string): (Stamp & { readonly digest: string }) | undefined {
    return this.#get("SELECT size, mtime, ctime, ino, mode, digest FROM stamps WHERE path = ?", path);
  }

  setStamp(path: string, stamp: Stamp, digest: string): void {
    this.#run("INSERT OR REPLACE INTO stamps VALUES (@path, @size, @mtime, @ctime, @ino, @mode, @digest)", {
      path,
      ...stamp,
      digest,
    });
  }

  link(path: string): LinkRow | undefined {
    return this.#get<LinkRow>("SELECT * FROM links WHERE path = ?", path);
  }

  setLink(row: LinkRow): void {
    this.#run(
      "INSERT OR REPLACE INTO links VALUES (@path, @line, @release, @target, @artifact, @size, @mtime, @ctime, @ino)",
      row,
    );
  }

  links(): LinkRow[] {
    return this.#all<LinkRow>("SELECT * FROM links ORDER BY path");
  }

  closure(digest: string): string | undefined {
    return this.#get<{ packages: string }>("SELECT packages FROM closures WHERE digest = ?", digest)
      ?.packages;
  }

  addClosure(digest: string, packages: string): void {
    this.#run("INSERT OR IGNORE INTO closures VALUES (?, ?)", digest, packages);
  }

  tool(path: string): { stamp: string; version: string } | undefined {
    return this.#get("SELECT stamp, version FROM tools WHERE path = ?", path);
  }

  setTool(path: string, stamp: string, version: string): void {
    this.#run("INSERT OR REPLACE INTO tools VALUES (?, ?, ?)", path, stamp, version);
  }

  /** Every build, oldest first. */
  builds(): BuildRow[] {
    return this.#all<BuildRow>("SELECT * FROM builds ORDER BY rowid");
  }

  /** Which build made what. */
  outputs(): OutputRow[] {
    return this.#all<OutputRow>("SELECT build, name, artifact FROM outputs ORDER BY build, name");
  }

  /** The keys of all rows of a table. */
  keys(table: Table): string[] {
    const key = KEYS[table];
    return this.#all<{ key: string }>(`SELECT ${key} AS key FROM ${table} ORDER BY ${key}`).map(
      (row) => row.key,
    );
  }

  /** Drops rows by their keys, all of them or none; a build's components, outputs and result go with it. */
  drop(rows: Rows): void {
    this.transaction(() => {
      for (const table of TABLES)
        for (const key of rows[table] ?? []) this.#run(`DELETE FROM ${table} WHERE ${KEYS[table]} = ?`, key);
    });
  }

  /** Gives the room of dropped rows back to the file system, where no other process is at work and the disk allows. */
  compact(): void {
    try {
      this.#db.exec("VACUUM");
      this.#db.pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // The room is used again by the next rows.
    }
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...parameters: unknown[]): number {
    return attempt(this.#db.name, () => this.#statement(sql).run(...parameters).changes);
  }

  // The columns are ours: the row types above say what the schema says.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  #get<T>(sql: string, ...parameters: unknown[]): T | undefined {
    return attempt(this.#db.name, () => this.#statement(sql).get(...parameters)) as T | undefined;
  }

  #all<T>(sql: string, ...parameters: unknown[]): T[] {
    return attempt(this.#db.name, () => this.#statement(sql).all(...parameters)) as T[];
  }
}

/** What the machine refuses (a full disk, another program's lock) is a problem like any other. */
function attempt<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    return refuse(file, error);
  }
}
