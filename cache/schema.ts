// The shape of the index database, and how an older one comes to it. A change here is a new version.

/** Written to `PRAGMA user_version`. A database with a higher one is from a newer imagemake. */
export const SCHEMA_VERSION = 4;

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
export const MIGRATIONS: readonly string[] = [
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

export const SCHEMA = `
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
