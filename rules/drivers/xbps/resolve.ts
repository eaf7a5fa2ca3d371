// Resolves lists with xbps's own dry run, in a private root that says what the tree beneath holds. Nothing of
// the host's configuration is seen, and nothing is fetched.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DriverContext, Package, SnapshotAt } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import type { Request } from "../driver.js";
import type { Ran } from "../run.js";
import { byName } from "../words.js";
import { fileName } from "./package.js";
import { escape, plist } from "./plist.js";
import { keptRepodata, nameIn, type Listed, type Repodata } from "./repodata.js";
import type { Repository } from "./repository.js";
import { run, xbpsSays } from "./run.js";
import { repodataOf } from "./snapshot.js";

/** One place of a snapshot: its number, its directory, and what is in it. */
interface Place {
  readonly number: number;
  readonly dir: string;
  readonly data: Repodata;
}

/** A package as xbps takes it: by name, with its version, or by a pattern that compares versions. */
export const NAME = /^[A-Za-z0-9_][\w.+:~-]*(?:(?:>=|<=|>|<)[\w.+:~-]+)*$/;

/** xbps installs what it is asked for and never more; more than a few places are nobody's. */
const MOST_PLACES = 64;

/** The packages that the wanted ones need beyond what the tree holds. */
export async function resolve(
  request: Request<Repository>,
  context: DriverContext,
): Promise<Result<readonly Package[]>> {
  const { snapshot, on } = request;
  const held = new Set(on.map((pkg) => pkg.name));
  const want = request.want.filter((name) => !held.has(name));
  if (want.length === 0) return ok([]);
  const places = await placesOf(snapshot, context);
  if (!places.ok) return places;
  const missing = want.filter((name) => !isKnown(name, places.value, on));
  if (missing.length > 0) {
    const words = missing.length === 1 ? "has no package" : "has no packages";
    return fail(Exit.environment, `the repository ${words} ${missing.join(", ")} for ${snapshot.arch}`);
  }
  const root = await privateRoot(on, places.value, context);
  // The first one named is asked first.
  const repositories = places.value.map((place) => `--repository=${place.dir}`);
  const ran = await run(
    [
      ...(["xbps-install", "--dry-run", "--ignore-conf-repos"] as const),
      ...["--rootdir", root, "--config", join(root, "etc/xbps.d"), "--cachedir", join(root, "cache")],
      ...repositories,
      "--",
      ...want,
    ],
    context,
    { cwd: context.scratch, env: { XBPS_ARCH: snapshot.arch } },
  );
  if (!ran.ok) return ran;
  if (ran.value.status !== 0) {
    return fail(
      Exit.environment,
      `the packages cannot be resolved; xbps says ${inPlace(ran.value, context)}`,
    );
  }
  return closure(ran.value, places.value, held);
}

async function placesOf(snapshot: SnapshotAt, context: DriverContext): Promise<Result<readonly Place[]>> {
  const places: Place[] = [];
  for (let number = 0; number < MOST_PLACES; number++) {
    const dir = join(snapshot.dir, String(number));
    const file = join(dir, repodataOf(snapshot.arch));
    if (!existsSync(file)) continue;
    const data = await keptRepodata(file, "the snapshot", context);
    if (!data.ok) return data;
    places.push({ number, dir, data: data.value });
  }
  return ok(places);
}

/** Whether a name can be resolved at all. Patterns (`name>=1`) and other names for a package are xbps's affair. */
function isKnown(name: string, places: readonly Place[], on: readonly Package[]): boolean {
  const bare = nameIn(name);
  if (bare !== name && /[<>=*?[]/.test(name)) return true;
  const names = [name, bare];
  return (
    on.some((pkg) => names.includes(pkg.name)) ||
    places.some(({ data }) =>
      names.some(
        (one) =>
          data.packages.has(one) || [...data.packages.values()].some((pkg) => pkg.provides.includes(one)),
      ),
    )
  );
}

/**
 * A root whose package database says that the tree's packages are installed and on hold. What an index says of
 * that very version counts; of a version that is no longer there, what another version says of itself.
 */
async function privateRoot(
  on: readonly Package[],
  places: readonly Place[],
  context: DriverContext,
): Promise<string> {
  const root = join(context.scratch, "root");
  await mkdir(join(root, "var/db/xbps"), { recursive: true });
  await mkdir(join(root, "etc/xbps.d"), { recursive: true });
  const dicts = new Map<string, string>();
  for (const pkg of on) {
    const listed = places.flatMap(({ data }) => data.packages.get(pkg.name) ?? []);
    const exact = listed.find((one) => one.version === pkg.version && one.sha256 === pkg.sha256);
    dicts.set(pkg.name, installed(pkg, exact ?? listed[0]));
  }
  await writeFile(join(root, "var/db/xbps/pkgdb-0.38.plist"), plist(dicts));
  return root;
}

/** Members that an entry of the index has and the database states itself. */
const OWN = ["pkgver", "pkgname", "architecture", "state", "hold"];

function installed(pkg: Package, listed: Listed | undefined): string {
  const kept = (listed?.entry ?? "").replace(
    new RegExp(`^\\t\\t<key>(?:${OWN.join("|")})</key>\\n.*\\n`, "gm"),
    "",
  );
  const text = (key: string, value: string): string =>
    `\t\t<key>${key}</key>\n\t\t<string>${escape(value)}</string>\n`;
  return [
    kept,
    text("architecture", pkg.arch),
    "\t\t<key>hold</key>\n\t\t<true/>\n",
    text("pkgver", `${pkg.name}-${pkg.version}`),
    text("state", "installed"),
  ].join("");
}

/** What the dry run would install: lines of pkgver, action, architecture, repository, and two sizes. */
function closure(ran: Ran, places: readonly Place[], held: ReadonlySet<string>): Result<readonly Package[]> {
  const packages: Package[] = [];
  for (const line of ran.stdout.split("\n").filter((text) => text !== "")) {
    const match = /^(\S+)-([^-\s]+_\d+) (\S+) (\S+) (.*) \d+ \d+$/.exec(line);
    const [, name = "", version = "", action = "", arch = "", repository = ""] = match ?? [];
    if (match === null)
      return fail(Exit.environment, `xbps answered in words that imagemake does not know: ${line}`);
    if (action === "hold") continue;
    if (action === "remove" && !held.has(name)) {
      return fail(
        Exit.environment,
        `${name}-${version} is replaced by another package that is asked for or needed`,
        "xbps installs only one of the two: ask for that alone",
      );
    }
    if (action !== "install" || held.has(name)) {
      return fail(
        Exit.environment,
        `${name}-${version} would have to ${action === "install" ? "replace" : action} what the tree beneath holds`,
        "`imagemake release refresh` resolves both again",
      );
    }
    const place = places.find((one) => one.dir === repository);
    const listed = place?.data.packages.get(name);
    if (place === undefined || listed?.version !== version || listed.arch !== arch) {
      return fail(Exit.environment, `xbps chose ${name}-${version}, which is not in the snapshot`);
    }
    const { sha256, size } = listed;
    packages.push({ name, version, arch, sha256, size, location: `${place.number}/${fileName(listed)}` });
  }
  return ok(packages.sort(byName));
}

/** xbps's words without this run's directories. */
const inPlace = (ran: Ran, context: DriverContext): string =>
  xbpsSays(ran).replaceAll(`${context.scratch}/`, "");
