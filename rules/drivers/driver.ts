// What all drivers have in common: a request's repository is read and checked before anything is asked of it, and what the
// file system refuses is a problem like any other. A driver says only what differs.
import { join } from "node:path";
import type { Json, Tool } from "../../engine/model.js";
import type {
  DriverContext,
  Package,
  PackageDriver,
  ResolveRequest,
  SnapshotContext,
} from "../../engine/packages/driver.js";
import { asError, Exit, fail, ok, type Result } from "../../engine/problem.js";
import { checkIn, fetchInto, type Carrier } from "./fetch.js";
import { keysIn } from "./keyring.js";

/** A request with its repository read. */
export interface Request<R> extends ResolveRequest {
  readonly repo: R;
  /** Repository and architecture, for messages. */
  readonly where: string;
}

/** What one package manager does in its own way; `R` is what a request says of its repositories. */
export interface Parts<R> {
  readonly name: string;
  readonly tools: readonly Tool[];
  readonly read: (repo: Json) => Result<R>;
  /** What tells repositories of one release apart, wherever they are fetched from. */
  readonly nameOf: (repo: R) => string;
  readonly policy: (repo: R) => Json;
  /** Files of keys, as patterns; without it those in its `keys`. */
  readonly keyFiles?: (repo: R) => readonly string[];
  /** Whether package files are verified one by one; never without it. */
  readonly verifies?: (repo: R) => boolean;
  readonly caution?: (repo: R, base: string) => string | null;
  /** What an entry of a package list can be. */
  readonly entry: RegExp;
  readonly snapshot: (repo: R, arch: string, dir: string, context: SnapshotContext) => Promise<Result<void>>;
  readonly resolve: (request: Request<R>, context: DriverContext) => Promise<Result<readonly Package[]>>;
  /** Gets ready to fetch into `dir`. */
  readonly carrier: (
    repo: R,
    arch: string,
    dir: string,
    context: SnapshotContext,
  ) => Promise<Result<Carrier>>;
  /** Package files can be verified only by fetching them once more: their signatures are not kept. */
  readonly checksAnew?: true;
  readonly index: PackageDriver["index"];
  readonly fileName: (pkg: Package) => string;
  readonly buildDate: (file: string) => Promise<number>;
}

/** The driver. */
export function makeDriver<R>(parts: Parts<R>): PackageDriver {
  const { name, tools, entry, read, caution, fileName, buildDate } = parts;
  /** With the repository, unless it cannot be read. */
  const reading = <T>(repo: Json, work: (repo: R) => Promise<Result<T>>): Promise<Result<T>> =>
    attempt(name, async () => {
      const found = read(repo);
      return found.ok ? work(found.value) : found;
    });
  const of = <T>(repo: Json, otherwise: T, say: (repo: R) => T): T => {
    const found = read(repo);
    return found.ok ? say(found.value) : otherwise;
  };
  return {
    name,
    tools,
    fileName,
    buildDate,
    keyFiles: parts.keyFiles === undefined ? keysIn : (repo) => of(repo, [], parts.keyFiles ?? (() => [])),
    repositoryName: (repo) => of(repo, name, parts.nameOf),
    policy: (repo) => of<Json>(repo, null, parts.policy),
    verifies: (repo) => of(repo, false, parts.verifies ?? (() => false)),
    ...(caution === undefined
      ? {}
      : { caution: (repo, base) => of<string | null>(repo, null, (found) => caution(found, base)) }),
    isEntry: (word) => entry.test(word),
    snapshot: (repo, arch, dir, context) =>
      reading(repo, (found) => parts.snapshot(found, arch, dir, context)),
    resolve: (request, context) =>
      reading(request.snapshot.repo, async (repo) => {
        const odd = request.want.find((word) => !entry.test(word));
        if (odd !== undefined) {
          return fail(Exit.usage, `${JSON.stringify(odd)} is not the name of a package`);
        }
        const called = parts.nameOf(repo).replace(new RegExp(`^${name} `), "");
        const where = `${called} (${request.snapshot.arch})`;
        return parts.resolve({ ...request, repo, where }, context);
      }),
    fetch: (repo, arch, packages, dir, context) =>
      reading(repo, (found) => fetchInto(dir, packages, () => parts.carrier(found, arch, dir, context))),
    check: (repo, arch, packages, dir, context) =>
      reading(repo, (found) => {
        const at = (into: string) => () => parts.carrier(found, arch, into, context);
        if (parts.verifies === undefined) return Promise.resolve(ok(undefined));
        const again = join(context.scratch, "again");
        return parts.checksAnew === true
          ? fetchInto(again, packages, at(again))
          : checkIn(dir, packages, at(dir));
      }),
    index: (...given) => attempt(name, () => parts.index(...given)),
  };
}

/** A full disk or a lack of permission is a problem of the environment like any other. */
async function attempt<T>(driver: string, work: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work();
  } catch (thrown) {
    return fail(Exit.environment, `the ${driver} driver cannot work: ${asError(thrown).message}`);
  }
}
