// Resolves a package list with apt's own resolver against a snapshot, without network and without
// installing. What the tree beneath holds is on hold: it is neither upgraded nor removed.
import { mkdtemp, symlink, writeFile } from "node:fs/promises";
import { join, resolve as absolute } from "node:path";
import type { Json } from "../../../engine/model.js";
import type { DriverContext, Package, SnapshotAt } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Problem, type Result } from "../../../engine/problem.js";
import type { Request } from "../driver.js";
import type { Ran } from "../run.js";
import { byName, treeHint, unknownNames } from "../words.js";
import { LISTS, privateConfig, SOURCE_CACHE, SOURCES } from "./config.js";
import { parseFileName } from "./deb.js";
import { locationIn, sourceUrl, type Repository } from "./repository.js";
import { aptSays, run } from "./run.js";
import { stanzasOf, statusFile } from "./stanzas.js";

/**
 * What mmdebstrap installs by itself in each variant (`run_download` and `run_install` there): apt's
 * patterns, added to the list.
 */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  busybox: [],
  essential: ["?essential"],
  apt: ["?essential", "apt"],
  minbase: ["?essential", "apt", "?priority(required)"],
};

/** A package name as apt takes it: with an architecture, a version or suite, or excluded (`name-`). */
export const NAME = /^[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?(?:[=/][^\s/]+)?$/i;

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
  const wanted = [...options.value.patterns, ...request.want];
  if (wanted.length === 0) return ok([]);

  const { snapshot, on } = request;
  const tree = await statusFile(on, snapshot.dir);
  const view = await openView(snapshot, tree.text, options.value.recommends, context);
  const ran = await run(["apt-get", "install", ...INSTALL, "--", ...wanted], context, {
    cwd: view,
    env: { APT_CONFIG: join(view, "apt.conf") },
  });
  if (!ran.ok) return ran;
  if (ran.value.status !== 0) {
    return { ok: false, problem: await explain(ran.value, request, tree.made) };
  }
  // A name that no package has is a regular expression to apt, if it can be one.
  const guessed = /^Note, selecting '.*' for (?:regex|glob) '(.*)'$/m.exec(ran.value.stdout)?.[1];
  if (guessed !== undefined) {
    const name = request.want.find((one) => one.startsWith(guessed)) ?? guessed;
    return { ok: false, problem: await unknown([name], request) };
  }

  const url = await sourceUrl(join(snapshot.dir, SOURCES));
  const packages: Package[] = [];
  for (const line of ran.value.stdout.split("\n").filter((one) => one.startsWith("'"))) {
    const parsed = parseUri(line, url);
    if (parsed === null) return fail(Exit.environment, `apt gave no SHA-256 for a package: ${line}`);
    packages.push(parsed);
  }
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
  const given: Partial<Record<string, Json>> =
    typeof options === "object" && options !== null && !Array.isArray(options)
      ? (options as Partial<Record<string, Json>>)
      : {};
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

/**
 * A directory that shows apt the snapshot under the names it had, beside a status file of our own. apt
 * finds its cache valid and only adds the status; should it write one, it replaces the link, here.
 */
async function openView(
  snapshot: SnapshotAt,
  status: string,
  recommends: boolean,
  context: DriverContext,
): Promise<string> {
  const view = await mkdtemp(join(context.scratch, "resolve-"));
  for (const name of [LISTS, SOURCES, SOURCE_CACHE]) {
    await symlink(join(absolute(snapshot.dir), name), join(view, name));
  }
  await writeFile(join(view, "status"), status);
  await writeFile(
    join(view, "apt.conf"),
    `${privateConfig(snapshot.arch)}
Dir::State::status "./status";
APT::Install-Recommends "${recommends}";
`,
  );
  return view;
}

/** One line of `apt-get --print-uris`: 'URI' file size SHA256:digest. */
function parseUri(line: string, url: string): Package | null {
  const match = /^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$/.exec(line);
  const [, uri, file, size, sha256] = match ?? [];
  const parsed = file === undefined ? null : parseFileName(file);
  if (parsed === null || uri === undefined || sha256 === undefined) return null;
  return { ...parsed, sha256, size: Number(size), location: locationIn(url, uri) };
}

/** Names the packages that stand in the way, and passes on apt's words. */
async function explain(ran: Ran, request: Request<Repository>, made: readonly Package[]): Promise<Problem> {
  const { where } = request;
  const [missing, ...more] = [...ran.stderr.matchAll(/^E: Unable to locate package (\S+)$/gm)].flatMap(
    ([, name]) => name ?? [],
  );
  if (missing !== undefined) return unknown([missing, ...more], request);
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
  { snapshot, where }: Request<Repository>,
): Promise<Problem> => unknownNames(names, (await stanzasOf(snapshot.dir)).keys(), where);
