// How package files are fetched, whatever brings them: what is here is left alone, the rest is transferred, held against the
// snapshot's checksums, verified as the configuration asks for, and only then gets its name.
import { constants, copyFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasDigest } from "../../cache/hash.js";
import type { Package } from "../../engine/packages/driver.js";
import { Exit, fail, ok, type Problem, type Result } from "../../engine/problem.js";
import { dropped, named, placeless, someNamed } from "./words.js";

/** Why a file did not come. */
export interface Failure {
  /** The server answered, and has no such file. */
  readonly isAbsent: boolean;
  /** In the words of whoever asked for it; of what is absent only what is worth a word. */
  readonly said: string;
  readonly hint?: string | undefined;
}

/** A file that came: where it lies now, and its address if that tells more than its name. */
export interface Came {
  readonly file: string;
  readonly from: string | null;
}

/** What a transfer came to, by the packages' digests. */
export interface Transferred {
  readonly failed: ReadonlyMap<string, Failure>;
  /** Those that came; without it the others, each at its `partOf`. */
  readonly came?: ReadonlyMap<string, Came>;
  /** The program's own no to what came, said where nothing else is wrong with it. */
  readonly refused?: Problem | null;
}

/** A package manager that is ready to fetch from the repositories of one request. */
export interface Carrier {
  /** Whether its repository is one of the request's. */
  readonly hasPlace: (pkg: Package) => boolean;
  /** What is transferred together; all in one without it. */
  readonly batches?: (packages: readonly Package[]) => readonly (readonly Package[])[];
  /** So many batches at once; one without it. */
  readonly atOnce?: number;
  /** So often is asked for what did not come whole; once without it. */
  readonly attempts?: number;
  readonly transfer: (batch: readonly Package[]) => Promise<Result<Transferred>>;
  /** Verifies signatures, where these are not part of a transfer. */
  readonly verify?: (packages: readonly Package[], fileOf: (pkg: Package) => string) => Promise<Result<void>>;
  /** What is said of a file that is another than the snapshot's. */
  readonly changed: (what: string) => Result<never>;
}

type Opening = () => Promise<Result<Carrier>>;

/** Where a transfer leaves a file until it has its name; what is there of it already may be gone on with. */
export const partOf = (dir: string, pkg: Package): string => join(dir, `${pkg.sha256}.part`);

/** Pieces of so many: arguments of one call stay well below the kernel's limit. */
export const pieces = <T>(all: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));

/** Fetches `packages` to `<dir>/<sha256>`. What is whole is kept, whatever else goes wrong. */
export async function fetchInto(
  dir: string,
  packages: readonly Package[],
  open: Opening,
): Promise<Result<void>> {
  const lacking: Package[] = [];
  for (const pkg of new Map(packages.map((one) => [one.sha256, one])).values()) {
    const file = join(dir, pkg.sha256);
    if (await isWhole(file, pkg)) continue;
    await rm(file, { force: true });
    lacking.push(pkg);
  }
  if (lacking.length === 0) return ok(undefined);
  const carrier = await opened(open, lacking);
  if (!carrier.ok) return carrier;
  await mkdir(dir, { recursive: true });
  const queue = [...(carrier.value.batches?.(lacking) ?? [lacking])];
  const failed = new Map<Package, Failure>();
  const problems: Problem[] = [];
  // Who cannot be reached is not asked for everything.
  const goesOn = (): boolean =>
    problems.length === 0 && [...failed.values()].every(({ isAbsent }) => isAbsent);
  const work = async (): Promise<void> => {
    for (let batch = queue.shift(); batch !== undefined && goesOn(); batch = queue.shift()) {
      const done = await fetchBatch(batch, dir, carrier.value, failed);
      if (!done.ok) problems.push(done.problem);
    }
  };
  await Promise.all(Array.from({ length: carrier.value.atOnce ?? 1 }, work));
  const [problem] = problems;
  return problem === undefined ? verdict(failed) : { ok: false, problem };
}

/** Verifies package files that lie at `<dir>/<sha256>`. */
export async function checkIn(
  dir: string,
  packages: readonly Package[],
  open: Opening,
): Promise<Result<void>> {
  const carrier = await opened(open, packages);
  if (!carrier.ok) return carrier;
  return carrier.value.verify?.(packages, (pkg) => join(dir, pkg.sha256)) ?? ok(undefined);
}

/** The carrier, if it knows where all of the packages are. */
async function opened(open: Opening, packages: readonly Package[]): Promise<Result<Carrier>> {
  const carrier = await open();
  if (!carrier.ok) return carrier;
  const strange = packages.find((pkg) => !carrier.value.hasPlace(pkg));
  return strange === undefined ? carrier : placeless(strange);
}

async function fetchBatch(
  batch: readonly Package[],
  dir: string,
  carrier: Carrier,
  failed: Map<Package, Failure>,
): Promise<Result<void>> {
  let left = batch;
  for (let attempt = 1; left.length > 0; attempt++) {
    const done = await carrier.transfer(left);
    if (!done.ok) return done;
    for (const pkg of left) failed.delete(pkg);
    const good: [Package, Came][] = [];
    const wrong: [Package, Came][] = [];
    for (const pkg of left) {
      const failure = done.value.failed.get(pkg.sha256);
      if (failure !== undefined) {
        failed.set(pkg, failure);
        continue;
      }
      const came = done.value.came?.get(pkg.sha256) ?? { file: partOf(dir, pkg), from: null };
      ((await isWhole(came.file, pkg)) ? good : wrong).push([pkg, came]);
    }
    const kept = await keep(good, dir, carrier, done.value.refused ?? null);
    for (const [pkg, { file }] of wrong) await removeWrong(file, pkg);
    const isLast =
      attempt >= (carrier.attempts ?? 1) || [...failed.values()].some(({ isAbsent }) => isAbsent);
    const [first] = wrong;
    if (isLast && first !== undefined) return carrier.changed(first[1].from ?? named(first[0]));
    if (!kept.ok) return kept;
    if (isLast) return ok(undefined);
    left = left.filter((pkg) => failed.has(pkg) || wrong.some(([one]) => one === pkg));
  }
  return ok(undefined);
}

/** Gives files their names after they were verified. */
async function keep(
  good: readonly (readonly [Package, Came])[],
  dir: string,
  carrier: Carrier,
  refused: Problem | null,
): Promise<Result<void>> {
  if (good.length === 0) return ok(undefined);
  if (refused !== null) return { ok: false, problem: refused };
  const files = new Map(good.map(([pkg, { file }]) => [pkg, file]));
  const fileOf = (pkg: Package): string => files.get(pkg) ?? partOf(dir, pkg);
  const verified = (await carrier.verify?.([...files.keys()], fileOf)) ?? ok(undefined);
  for (const [pkg, file] of files) {
    if (!verified.ok) await rm(file, { force: true });
    else await moveTo(join(dir, pkg.sha256), file);
  }
  return verified;
}

/** A scratch directory may lie elsewhere, where a rename does not reach. */
async function moveTo(final: string, file: string): Promise<void> {
  if (dirname(file) === dirname(final)) return rename(file, final);
  await copyFile(file, `${final}.part`, constants.COPYFILE_FICLONE);
  await rename(`${final}.part`, final);
  await rm(file);
}

/** What is shorter than the package is what a transfer goes on from. */
async function removeWrong(file: string, pkg: Package): Promise<void> {
  const size = await sizeOf(file);
  if (size !== null && size >= pkg.size) await rm(file, { force: true });
}

const sizeOf = (file: string): Promise<number | null> =>
  stat(file).then(
    ({ size }) => size,
    () => null,
  );

/** Whether `file` is there with the size and the checksum of `pkg`. */
async function isWhole(file: string, pkg: Package): Promise<boolean> {
  const size = await sizeOf(file);
  return size === pkg.size && (await hasDigest(file, pkg.sha256, size));
}

/** What could not be fetched: out of reach now, or dropped by its repository. */
function verdict(failed: ReadonlyMap<Package, Failure>): Result<void> {
  if (failed.size === 0) return ok(undefined);
  const [absent, others] = [true, false].map((is) => [...failed].filter(([, one]) => one.isAbsent === is));
  const [first] = absent ?? [];
  const [other] = others ?? [];
  if (other === undefined) {
    return dropped(
      (absent ?? []).map(([pkg]) => pkg),
      first?.[1].said,
    );
  }
  const names = someNamed((others ?? []).map(([pkg]) => pkg));
  return fail(Exit.environment, `cannot fetch ${names}: ${other[1].said}`, other[1].hint);
}
