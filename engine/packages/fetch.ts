// Brings the package files of closures into the store, in one phase and one call a repository.
import { addTo } from "../../cache/grouped.js";
import { reached } from "../../cache/steps.js";
import { hasPackage, makePackages } from "../../cache/packages.js";
import { canonical, toJson } from "../key.js";
import type { Action, PackageRequest, TargetId } from "../model.js";
import type { Obstacle, Obstacles } from "../obstacles.js";
import { ok, type Problem, type Result } from "../problem.js";
import type { Package, PackageDriver, SnapshotContext } from "./driver.js";
import type { PinnedClosure } from "../release/record.js";
import { mentions } from "./requests.js";

/** What fetching needs of the pins. */
export interface Fetching {
  /** Directory of package files, named by their SHA-256. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly closure: (action: Action) => Promise<Result<PinnedClosure | null | undefined>>;
  readonly driver: (name: string) => Promise<PackageDriver>;
  readonly withScratch: <T>(work: (context: SnapshotContext) => Promise<T>) => Promise<T>;
  /** Those of an action's packages that were not verified as its repository asks for now. */
  readonly unchecked: (action: Action, packages: readonly Package[]) => Promise<readonly Package[]>;
  /** They were. */
  readonly verified: (request: PackageRequest, packages: readonly Package[]) => Promise<void>;
  /** Removes the files of those that are damaged. */
  readonly removeDamaged: (packages: readonly Package[]) => Promise<void>;
  /** A line about what is fetched now. */
  readonly say: (line: string) => void;
}

/**
 * Fetches what the store lacks of `actions`. Returns what could not be fetched; `each`: then tries the actions of that
 * repository one by one, so that all but those that want what is gone can go on.
 */
export async function fetchPackages(
  given: Fetching,
  actions: readonly Action[],
  each: boolean,
): Promise<Result<Obstacles>> {
  const byRepository = new Map<string, Action[]>();
  for (const action of actions) {
    const missing = await wantedFiles(given, action);
    if (!missing.ok) return missing;
    const asked = action.packages;
    if (asked === null || missing.value.length === 0) continue;
    const repository = canonical(toJson([asked.driver, asked.repo, asked.arch]));
    addTo(byRepository, repository, action);
  }
  const refused = new Map<TargetId, Obstacle>();
  for (const readers of byRepository.values()) {
    let problem = await fetchFor(given, readers);
    if (problem !== null && each && readers.length > 1)
      problem = await fetchEach(given, readers, problem, refused);
    if (problem === null) continue;
    const lacking: { readonly id: TargetId; readonly named: boolean }[] = [];
    for (const action of readers) {
      const missing = await wantedFiles(given, action);
      if (!missing.ok) return missing;
      const { length } = missing.value;
      if (length > 0 && !refused.has(action.id))
        lacking.push({ id: action.id, named: isAbout(problem, missing.value) });
    }
    // A problem that names none of their packages is the repository's, and everybody's.
    const blamed = lacking.some(({ named }) => named) ? lacking.filter(({ named }) => named) : lacking;
    for (const { id } of blamed) refused.set(id, problem);
  }
  return ok(refused);
}

/** Returns the first problem that is the repository's own: there is no point in asking it again. */
async function fetchEach(
  given: Fetching,
  readers: readonly Action[],
  first: Problem,
  refused: Map<TargetId, Obstacle>,
): Promise<Problem | null> {
  for (const action of readers) {
    if (given.signal.aborted) return first;
    const missing = await wantedFiles(given, action);
    if (!missing.ok) return missing.problem;
    const problem = await fetchFor(given, [action]);
    if (problem === null) continue;
    if (!isAbout(problem, missing.value)) return problem;
    refused.set(action.id, problem);
  }
  return null;
}

const isAbout = (problem: Problem, packages: readonly Package[]): boolean =>
  packages.some(({ name }) => mentions(problem, name));

/** Fetches what `readers`, all of one repository, lack. */
async function fetchFor(given: Fetching, readers: readonly Action[]): Promise<Problem | null> {
  const packages = new Map<string, Package>();
  for (const action of readers) {
    const missing = await wantedFiles(given, action);
    if (!missing.ok) return missing.problem;
    for (const pkg of missing.value) packages.set(pkg.sha256, pkg);
  }
  const asked = readers[0]?.packages ?? null;
  if (asked === null || packages.size === 0) return null;
  const here = [...packages.values()].filter((pkg) => hasPackage(given.dir, pkg.sha256, pkg.size));
  const list = [...packages.values()].filter((pkg) => !here.includes(pkg));
  const driver = await given.driver(asked.driver);
  const repository = `${driver.repositoryName(asked.repo)} ${asked.arch}`;
  if (here.length > 0) {
    given.say(`${counted(here)} to be verified (${repository})`);
    const good = await given.withScratch((context) =>
      driver.check(asked.repo, asked.arch, here, given.dir, context),
    );
    if (!good.ok) return good.problem;
    await given.verified(asked, here);
  }
  if (list.length === 0) return null;
  const bytes = list.reduce((sum, pkg) => sum + pkg.size, 0);
  given.say(`${counted(list)}, ${Math.ceil(bytes / 1e6)} MB (${repository})`);
  makePackages(given.dir);
  const fetched = await given.withScratch((context) =>
    driver.fetch(asked.repo, asked.arch, list, given.dir, context),
  );
  if (!fetched.ok) return fetched.problem;
  reached("packages fetched", repository);
  await given.verified(asked, list);
  reached("packages verified", repository);
  return null;
}

const counted = ({ length }: readonly Package[]): string =>
  length === 1 ? "1 package" : `${length} packages`;

/** Packages of an action whose files the store lacks, and those that have to be verified. */
async function wantedFiles(given: Fetching, action: Action): Promise<Result<readonly Package[]>> {
  const found = await given.closure(action);
  if (!found.ok) return found;
  const packages = found.value?.packages ?? [];
  await given.removeDamaged(packages.filter((pkg) => hasPackage(given.dir, pkg.sha256, pkg.size)));
  const unchecked = new Set(await given.unchecked(action, packages));
  return ok(packages.filter((pkg) => unchecked.has(pkg) || !hasPackage(given.dir, pkg.sha256, pkg.size)));
}
