// Resolves lists with pacman's own resolver, in a private root whose database says what the tree beneath holds.
// Nothing of the host's is seen, and nothing is fetched.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DriverContext, Package, SnapshotAt } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import type { Request } from "../driver.js";
import type { Ran } from "../run.js";
import { byName, olderTree, treeHint, unknownNames } from "../words.js";
import { databaseOf, type Database, type Listed } from "./database.js";
import type { Repositories } from "./repository.js";
import { pacmanIn, pacmanSays, type Pacman } from "./run.js";

/** A package, a group, or what one provides: with its repository, with a version. */
export const NAME = /^[A-Za-z0-9@_][A-Za-z0-9@._+:/-]*(?:[<>=]{1,2}[A-Za-z0-9._+:~-]+)?$/;

/** The databases of a snapshot, in the configuration's order. */
type Databases = ReadonlyMap<string, Database>;

/** The exact packages that `want` adds to `on`. */
export async function resolve(
  request: Request<Repositories>,
  context: DriverContext,
): Promise<Result<readonly Package[]>> {
  const { snapshot, on, repo, where } = request;
  const held = new Map(on.map((pkg) => [pkg.name, pkg.version]));
  const want = request.want.filter((name) => !held.has(name));
  if (want.length === 0) return ok([]);
  const databases = await databasesOf(repo, snapshot, context);
  if (!databases.ok) return databases;

  const pacman = await pacmanIn("resolve", snapshot.arch, sections(repo, on), context);
  const made = await fill(pacman, databases.value, snapshot, on);
  const words = { made, databases: databases.value };
  const printed = await pacman.run(["-S", "--needed", "--print-format", "%r %n %v", "--", ...want]);
  if (!printed.ok) return printed;
  if (printed.value.status !== 0) return refused(printed.value, request, words);
  const packages: Package[] = [];
  const chosen: string[] = [];
  for (const line of printed.value.stdout.split("\n")) {
    const [, repository, name, version] = /^(\S+) (\S+) (\S+)$/.exec(line) ?? [];
    if (repository === undefined || name === undefined || version === undefined) continue;
    const before = held.get(name);
    if (before !== undefined) {
      return fail(
        Exit.usage,
        `pacman would replace ${name} ${before} of the tree beneath by ${version}`,
        olderTree(made),
      );
    }
    const listed = databases.value.get(repository)?.get(name);
    if (listed?.version !== version)
      return fail(Exit.environment, `pacman chose ${name} ${version}, which is not in the snapshot`);
    const because = ignoredBy(repo, listed);
    if (because !== null) {
      const said = `the packages need ${name} ${version}, and the configuration of ${where} ignores it (${because})`;
      return fail(Exit.usage, said, "what IgnorePkg and IgnoreGroup name is not installed");
    }
    const { arch, sha256, size, file } = listed;
    packages.push({ name, version, arch, sha256, size, location: `${repository}/${file}` });
    chosen.push(`${repository}/${name}`);
  }
  if (packages.length === 0) return ok([]);
  const checked = await pacman.run(["-S", "--", ...chosen]);
  if (!checked.ok) return checked;
  // Printing looks for no conflicts. This does, and then asks a question that nobody answers.
  if (!/Proceed with installation/.test(`${checked.value.stdout}${checked.value.stderr}`)) {
    return refused(checked.value, request, words);
  }
  return ok(packages.sort(byName));
}

async function databasesOf(
  { repositories }: Repositories,
  snapshot: SnapshotAt,
  context: DriverContext,
): Promise<Result<Databases>> {
  const databases = new Map<string, Database>();
  for (const { name } of repositories) {
    const database = await databaseOf(join(snapshot.dir, `${name}.db`), context);
    if (!database.ok) return database;
    databases.set(name, database.value);
  }
  return ok(databases);
}

/** What of a configuration keeps a package out: asked, pacman would answer for us that it may come. */
function ignoredBy({ ignore }: Repositories, { name, fields }: Listed): string | null {
  const group = (fields.get("GROUPS") ?? []).find((one) => ignore.groups.some((glob) => matches(glob, one)));
  const one = ignore.packages.find((glob) => matches(glob, name));
  if (one !== undefined) return `IgnorePkg = ${one}`;
  return group === undefined ? null : `IgnoreGroup, by the group ${group}`;
}

/** Whether a name is one of those that a pattern of the shell stands for. */
function matches(glob: string, name: string): boolean {
  const text = glob
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\[(?![^\]]+\])/g, "\\[")
    .replace(/\[!/g, "[^")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${text}$`).test(name);
}

/** What was verified when the snapshot was taken is not verified again. What the tree holds stays as it is. */
function sections({ repositories }: Repositories, on: readonly Package[]): string {
  const text = repositories.map(({ name, usage }) =>
    [`[${name}]`, ...(usage === "" ? [] : [`Usage = ${usage}`]), "Server = file:///nonexistent"].join("\n"),
  );
  const held = on.map((pkg) => `IgnorePkg = ${pkg.name}\n`).join("");
  return `SigLevel = Never\n${held}${text.join("\n")}\n`;
}

/** Of what a tree holds counts what it stands for and what it cannot stand beside; not what it depends on. */
const KEPT = ["PROVIDES", "CONFLICTS", "GROUPS"];
/** What a package most likely shares with another version of itself. */
const BORROWED = ["PROVIDES", "GROUPS"];

/** Fills the databases. Returns the packages of the tree whose version the snapshot has no more. */
async function fill(
  { db }: Pacman,
  databases: Databases,
  snapshot: SnapshotAt,
  on: readonly Package[],
): Promise<readonly Package[]> {
  await mkdir(join(db, "sync"), { recursive: true });
  for (const name of databases.keys()) {
    await copyFile(join(snapshot.dir, `${name}.db`), join(db, "sync", `${name}.db`));
  }
  await mkdir(join(db, "local"), { recursive: true });
  await writeFile(join(db, "local/ALPM_DB_VERSION"), "9\n");
  const made: Package[] = [];
  for (const pkg of on) {
    const listed = [...databases.values()].flatMap((database) => database.get(pkg.name) ?? []);
    const exact = listed.find((one) => one.version === pkg.version && one.sha256 === pkg.sha256);
    if (exact === undefined) made.push(pkg);
    const dir = join(db, "local", `${pkg.name}-${pkg.version}`);
    await mkdir(dir);
    await writeFile(
      join(dir, "desc"),
      installed(pkg, exact ?? listed[0], exact === undefined ? BORROWED : KEPT),
    );
    await writeFile(join(dir, "files"), "%FILES%\n");
  }
  return made;
}

function installed(pkg: Package, listed: Listed | undefined, kept: readonly string[]): string {
  const fields: (readonly [string, readonly string[]])[] = [
    ["NAME", [pkg.name]],
    ["VERSION", [pkg.version]],
    ["ARCH", [pkg.arch]],
    ...kept.map((name) => [name, listed?.fields.get(name) ?? []] as const),
  ];
  return fields
    .filter(([, lines]) => lines.length > 0)
    .map(([name, lines]) => `%${name}%\n${lines.join("\n")}\n\n`)
    .join("");
}

/** What messages are made of. */
interface Words {
  readonly made: readonly Package[];
  readonly databases: Databases;
}

async function refused(
  ran: Ran,
  request: Request<Repositories>,
  { made, databases }: Words,
): Promise<Result<never>> {
  const { where } = request;
  const [missing, ...more] = [...ran.stderr.matchAll(/^error: target not found: (\S+)$/gm)].flatMap(
    ([, name]) => name ?? [],
  );
  if (missing !== undefined) {
    const known = [...databases.values()].flatMap((database) => [
      ...database.keys(),
      ...[...database.values()].flatMap((pkg) => pkg.fields.get("GROUPS") ?? []),
    ]);
    const problem = await unknownNames([missing, ...more], known, where, missing.replace(/^.*\//, ""));
    return { ok: false, problem };
  }
  const message = `the packages cannot be resolved in ${where}; pacman says ${pacmanSays(ran)}`;
  return fail(Exit.usage, message, treeHint(made, request));
}
