// Resolves a package list with apt's own resolver against a snapshot, without network and without
// installing. What the tree beneath holds is on hold: it is neither upgraded nor removed.
import { mkdir, mkdtemp, readdir, symlink, writeFile } from "node:fs/promises";
import { basename, join, resolve as absolute } from "node:path";
import type { Json } from "../../../engine/model.js";
import type { DriverContext, Package } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Problem, type Result } from "../../../engine/problem.js";
import type { Request } from "../driver.js";
import type { Ran } from "../run.js";
import { byName, treeHint, unknownNames } from "../words.js";
import { LISTS, PREFERENCES, privateConfig, SOURCE_CACHE, SOURCES } from "./config.js";
import { parseFileName } from "./deb.js";
import { addLocal, LOCAL } from "./local.js";
import { locationIn, sourcesOf, sourceUrls, type Repository } from "./repository.js";
import { aptSays, run } from "./run.js";
import { listsWith, stanzasOf, statusFile } from "./stanzas.js";

/**
 * What mmdebstrap installs by itself in each variant (`run_download` and `run_install` there): apt's
 * patterns, added to the list.
 */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  busybox: [],
  essential: ["?essential"],
  apt: ["?essential", "apt"],
  minbase: ["?essential", "apt", "?priority(required)"],
  buildd: ["?essential", "apt", "?priority(required)", "build-essential"],
  important: ["?essential", "?or(?priority(required),?priority(important))"],
  standard: ["?essential", "?or(?priority(required),?priority(important),?priority(standard))"],
};

/** A package name as apt takes it: with an architecture, a version or suite, or excluded (`name-`); or a task (`name^`). */
export const NAME = /^[a-z0-9][a-z0-9+.-]*(?:\^|(?::[a-z0-9-]+)?(?:[=/][^\s/]+)?)$/i;

/** Quieter, apt would not tell that it took a name for a pattern. */
const INSTALL = ["--print-uris", "-y", "-o", "quiet=0", "--no-upgrade", "--no-remove"];

/** Of the two that see to a merged /usr, apt takes the first, a program that merges one; mmdebstrap makes it merged. */
const MERGES = "usrmerge";
const MERGED = "usr-is-merged";

/** The exact packages that `want` and the variant add to `on`. */
export async function resolve(
  request: Request<Repository>,
  context: DriverContext,
): Promise<Result<readonly Package[]>> {
  const found = await resolveList(request, context);
  const isFirst = request.on.length === 0 && hasVariant(request.options);
  if (!found.ok || !isFirst || request.want.includes(MERGES)) return found;
  if (!found.value.some(({ name }) => name === MERGES)) return found;
  const merged = await resolveList({ ...request, want: [...request.want, MERGED] }, context);
  // Older suites do not have it.
  return merged.ok ? merged : found;
}

async function resolveList(
  request: Request<Repository>,
  context: DriverContext,
): Promise<Result<readonly Package[]>> {
  const options = readOptions(request.options);
  if (!options.ok) return options;
  const wanted = [...patternsFor(options.value.patterns, request), ...request.want];
  if (wanted.length === 0) return ok([]);

  const { snapshot, on } = request;
  const view = await openView(request, options.value.recommends, context);
  if (!view.ok) return view;
  const { dir, known } = view.value;
  const tree = await statusFile(on, known);
  await writeFile(join(dir, "status"), tree.text);
  const env = { APT_CONFIG: join(dir, "apt.conf") };
  const ran = await run(["apt-get", "install", ...INSTALL, "--", ...wanted], context, { cwd: dir, env });
  if (!ran.ok) return ran;
  if (ran.value.status !== 0) {
    return { ok: false, problem: await explain(ran.value, request, tree.made, known) };
  }
  // A name that no package has is a regular expression to apt, if it can be one.
  const guessed = /^Note, selecting '.*' for (?:regex|glob) '(.*)'$/m.exec(ran.value.stdout)?.[1];
  if (guessed !== undefined) {
    const name = request.want.find((one) => one.startsWith(guessed)) ?? guessed;
    return { ok: false, problem: await unknown([name], request, known) };
  }

  const found: Package[] = [];
  for (const line of ran.value.stdout.split("\n").filter((one) => one.startsWith("'"))) {
    const parsed = parseUri(line);
    if (parsed === null) return fail(Exit.environment, `apt gave no SHA-256 for a package: ${line}`);
    found.push(parsed);
  }
  const urls = await sourceUrls(join(snapshot.dir, SOURCES));
  const lists = urls.length > 1 ? await listsOf(dir, context) : ok(new Map<string, number>());
  if (!lists.ok) return lists;
  const packages = await placedIn(found, urls, lists.value, request);
  const held = new Map(on.map((pkg) => [`${pkg.name}:${pkg.arch}`, pkg.version]));
  for (const { name, arch, version } of packages) {
    const before = held.get(`${name}:${arch}`);
    if (before === undefined) continue;
    return fail(Exit.usage, `apt would replace ${name} ${before} of the tree beneath by ${version}`);
  }
  return ok(packages.sort(byName));
}

/** Whether there is more than busybox, whose /usr is not merged. */
const hasVariant = (options: Json): boolean => {
  const read = readOptions(options);
  return read.ok && read.value.patterns.length > 0;
};

function readOptions(options: Json): Result<{ patterns: readonly string[]; recommends: boolean }> {
  const given = recordOf(options);
  const variant = given["variant"] ?? "busybox";
  const patterns = typeof variant === "string" ? VARIANTS[variant] : undefined;
  if (patterns === undefined) {
    return fail(
      Exit.usage,
      `apt has no variant ${JSON.stringify(variant)}`,
      `one of ${Object.keys(VARIANTS).join(", ")}`,
    );
  }
  return ok({ patterns, recommends: given["recommends"] === true });
}

/** What is of a priority is up to the first of several sources, as it is up to the suite that mmdebstrap is given. */
function patternsFor(
  patterns: readonly string[],
  { repo, snapshot }: Request<Repository>,
): readonly string[] {
  const { suite, more } = repo;
  if (more.length === 0 || suite.endsWith("/")) return patterns;
  const name = `^${suite.replace(/[.+]/g, "\\$&")}$`;
  const own = `?or(?archive(${name}),?codename(${name})),?architecture(${snapshot.arch})`;
  return patterns.map((one) => (one.startsWith("?") ? `?narrow(${own},${one})` : one));
}

/**
 * A directory that shows apt the snapshot under the names it had, beside a status file of our own. apt
 * finds its cache valid and only adds the status; should it write one, it replaces the link, here. Package files of the
 * user's own are one more list, which that cache does not have. `known` has all lists.
 */
async function openView(
  { snapshot, beside }: Request<Repository>,
  recommends: boolean,
  context: DriverContext,
): Promise<Result<{ readonly dir: string; readonly known: string }>> {
  const dir = await mkdtemp(join(context.scratch, "resolve-"));
  const own = (beside?.files ?? []).filter(({ name }) => name.endsWith(".deb"));
  const preferences = [pinsIn(beside?.options)];
  for (const name of [LISTS, SOURCES]) {
    const from = join(absolute(snapshot.dir), name);
    if (own.length === 0) await symlink(from, join(dir, name));
    else {
      await mkdir(join(dir, name));
      for (const file of await readdir(from)) await symlink(join(from, file), join(dir, name, file));
    }
  }
  if (own.length > 0) {
    const added = await addLocal(dir, own, context);
    if (!added.ok) return added;
    preferences.push(added.value);
  } else await symlink(join(absolute(snapshot.dir), SOURCE_CACHE), join(dir, SOURCE_CACHE));
  await writeFile(join(dir, PREFERENCES), preferences.filter((text) => text !== "").join("\n"));
  await writeFile(
    join(dir, "apt.conf"),
    `${privateConfig(snapshot.arch)}
Dir::State::status "./status";
APT::Install-Recommends "${recommends}";
`,
  );
  return ok({ dir, known: own.length > 0 ? dir : snapshot.dir });
}

/** The preferences of a request, as apt has them. */
function pinsIn(options: Json | undefined): string {
  const { pins } = recordOf(options);
  return typeof pins === "string" ? pins : "";
}

const recordOf = (options: Json | undefined): Partial<Record<string, Json>> =>
  typeof options === "object" && options !== null && !Array.isArray(options)
    ? (options as Partial<Record<string, Json>>)
    : {};

/** The files of lists by name, and the number of the source that each is of. */
async function listsOf(dir: string, context: DriverContext): Promise<Result<ReadonlyMap<string, number>>> {
  const format = "$(FILENAME)\t$(SOURCESENTRY)";
  const ran = await run(
    ["apt-get", "indextargets", "--no-release-info", "--format", format, "Created-By: Packages"],
    context,
    { cwd: dir, env: { APT_CONFIG: join(dir, "apt.conf") } },
  );
  if (!ran.ok) return ran;
  if (ran.value.status !== 0)
    return fail(Exit.environment, `apt cannot use the lists: ${aptSays(ran.value)}`);
  const rows = ran.value.stdout.split("\n").map((line) => line.split("\t"));
  return ok(
    new Map(
      rows.flatMap(([file = "", entry = ""]) => {
        const number = /\.sources:(\d+)$/.exec(entry)?.[1];
        return number === undefined ? [] : [[basename(file), Number(number) - 1]];
      }),
    ),
  );
}

/** Packages, each with where it is: below which source's address, of the first that has it; or which file it is. */
async function placedIn(
  found: readonly Package[],
  urls: readonly [string, ...string[]],
  lists: ReadonlyMap<string, number>,
  { repo, snapshot, beside }: Request<Repository>,
): Promise<Package[]> {
  const local = new Map(beside?.files.map(({ sha256, name }) => [sha256, name]));
  const sources = sourcesOf(repo, snapshot.arch);
  const holding =
    lists.size > 0 ? await listsWith(found, snapshot.dir) : new Map<string, readonly string[]>();
  return found.map((pkg) => {
    const own = local.get(pkg.sha256);
    if (own !== undefined) return { ...pkg, location: own, origin: LOCAL };
    const numbers = (holding.get(pkg.sha256) ?? []).flatMap((file) => lists.get(file) ?? []);
    const at = numbers.sort((a, b) => a - b).find((one) => pkg.location.startsWith(urls[one] ?? " "));
    const origin = at === undefined ? undefined : sources[at]?.name;
    const location = locationIn(urls[at ?? 0] ?? urls[0], pkg.location);
    return { ...pkg, location, ...(origin === undefined ? {} : { origin }) };
  });
}

/** One line of `apt-get --print-uris`: 'URI' file size SHA256:digest. */
function parseUri(line: string): Package | null {
  const match = /^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$/.exec(line);
  const [, uri, file, size, sha256] = match ?? [];
  const parsed = file === undefined ? null : parseFileName(file);
  if (parsed === null || uri === undefined || sha256 === undefined) return null;
  return { ...parsed, sha256, size: Number(size), location: uri };
}

/** Names the packages that stand in the way, and passes on apt's words. */
async function explain(
  ran: Ran,
  request: Request<Repository>,
  made: readonly Package[],
  known: string,
): Promise<Problem> {
  const { where } = request;
  const [missing, ...more] = [...ran.stderr.matchAll(/^E: Unable to locate package (\S+)$/gm)].flatMap(
    ([, name]) => name ?? [],
  );
  if (missing !== undefined) return unknown([missing, ...more], request, known);
  const unmet = /^The following packages have unmet dependencies:\n((?: .*\n)+)/m.exec(ran.stdout)?.[1];
  if (unmet === undefined) {
    // "Package 'x' has no installation candidate", "Version '1' for 'x' was not found", …
    const exit = /^E: (?:Package|Version|Release) '/m.test(ran.stderr) ? Exit.usage : Exit.environment;
    return { exit, message: `apt cannot resolve the list in ${where}: ${aptSays(ran)}` };
  }
  const reasons = unmetReasons(unmet);
  const message = `${[...reasons.keys()].join(", ")} cannot be installed from ${where}: ${[...reasons]
    .map(([name, why]) => `${name}: ${why.join(", ")}`)
    .join("; ")}`;
  const hint = treeHint(made, request);
  return hint === undefined ? { exit: Exit.usage, message } : { exit: Exit.usage, message, hint };
}

/** So many reasons are told of each package that cannot be installed. */
const REASONS = 5;

/** apt's list of unmet dependencies by package; causes before what only follows from them. */
function unmetReasons(text: string): Map<string, readonly string[]> {
  const reasons = new Map<string, string[]>();
  let of: string[] = [];
  for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
    const [, name, why] = /^ (\S+) : (.*)$/.exec(line) ?? [];
    if (name !== undefined) reasons.set(name, (of = reasons.get(name) ?? []));
    of.push((why ?? line).trim().replace(/\s+/g, " "));
  }
  const follows = (why: string): number => (why.endsWith("but it is not going to be installed") ? 1 : 0);
  const told = (all: readonly string[]): readonly string[] => {
    const sorted = [...all].sort((a, b) => follows(a) - follows(b));
    const more = sorted.length - REASONS;
    return more > 0 ? [...sorted.slice(0, REASONS), `and ${more} more`] : sorted;
  };
  return new Map([...reasons].map(([name, all]) => [name, told(all)]));
}

const unknown = async (
  names: readonly [string, ...string[]],
  { where }: Request<Repository>,
  known: string,
): Promise<Problem> => unknownNames(names, (await stanzasOf(known)).keys(), where);
