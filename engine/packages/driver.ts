// What the engine asks of a package manager. A driver answers with data and files; it knows nothing of the
// graph, of keys or of releases, and the engine knows nothing of apt or xbps beyond these five questions.
import type { Json, Tool } from "../model.js";
import type { Result } from "../problem.js";

/** One exact package. `location` (where to fetch it) is circumstance and never hashed. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /**
   * Of the package file, lower-case hexadecimal: its SHA-256, or the SHA-384 or SHA-512 of a repository that has no other;
   * the length says which.
   */
  readonly sha256: string;
  /** Of the package file, in bytes. */
  readonly size: number;
  /** Path inside the repository where that is enough, else a URI: whatever the driver's `fetch` understands. */
  readonly location: string;
  /** Which of several repositories it comes from, by its name; neither hashed. */
  readonly origin?: string;
}

/** A package file of the user's own. */
export interface LocalFile {
  /** Absolute. */
  readonly path: string;
  /** Relative to the Imagefile's directory. */
  readonly name: string;
  readonly sha256: string;
}

/** A repository's metadata, verified and stored at one moment. */
export interface SnapshotAt {
  readonly repo: Json;
  readonly arch: string;
  /** Directory that `snapshot` filled; read-only afterwards. */
  readonly dir: string;
}

/** What a list resolves to. */
export interface ResolveRequest {
  readonly snapshot: SnapshotAt;
  readonly want: readonly string[];
  readonly options: Json;
  /** What counts beside the snapshot. */
  readonly beside?: { readonly options: Json; readonly files: readonly LocalFile[] };
  /** Packages that the tree beneath already holds. */
  readonly on: readonly Package[];
}

/** Help for drivers: a private scratch directory (removed afterwards) and a way to be stopped. */
export interface DriverContext {
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** A line about long work, for the status line and the log. */
  readonly progress: (line: string) => void;
  /** What a person should know although it stops nothing: what is left out, and why. */
  readonly warn: (message: string) => void;
}

/** Help for what asks the repository itself: taking a snapshot, and fetching. */
export interface SnapshotContext extends DriverContext {
  /** The Imagefile's directory: relative paths in `repo` (keyrings, directories) are relative to it. */
  readonly base: string;
}

/** What speaks to one package manager. */
export interface PackageDriver {
  readonly name: string;
  /** Host programs it needs for resolving and fetching. */
  readonly tools: readonly Tool[];
  /** A name for the repository within a release, free of circumstance such as its location. */
  repositoryName(repo: Json): string;
  /** Whether an entry of a package list can be one at all; what it means, `resolve` says. */
  isEntry(entry: string): boolean;
  /**
   * All of the repository's description that decides which packages there are and what of them is verified: not where it
   * lies. What is in the files of keys is added by the engine.
   */
  policy(repo: Json): Json;
  /** Whether package files are verified one by one, beyond the checksums that the metadata has of them. */
  verifies(repo: Json): boolean;
  /** Files of keys that the repository is verified with, as patterns below the Imagefile's directory. */
  keyFiles(repo: Json): readonly string[];
  /** What a person should know of the repository as it is now, although it is taken; `base` is as in SnapshotContext. */
  caution?(repo: Json, base: string): string | null;
  /** Fetches and verifies the repository's metadata for `arch` into `dir` (empty, exists). Uses the network. */
  snapshot(repo: Json, arch: string, dir: string, context: SnapshotContext): Promise<Result<void>>;
  /** Resolves without network and without installing. Sorted by name; what `on` holds is left out. */
  resolve(request: ResolveRequest, context: DriverContext): Promise<Result<readonly Package[]>>;
  /** Fetches package files to `<dir>/<sha256>`, each verified, from where `repo` is now. Uses the network. */
  fetch(
    repo: Json,
    arch: string,
    packages: readonly Package[],
    dir: string,
    context: SnapshotContext,
  ): Promise<Result<void>>;
  /** Verifies package files that lie at `<dir>/<sha256>` as `fetch` would have. Uses the network for signatures beside them. */
  check(
    repo: Json,
    arch: string,
    packages: readonly Package[],
    dir: string,
    context: SnapshotContext,
  ): Promise<Result<void>>;
  /**
   * Indexes `dir` as a repository by the distribution's own tool. The engine has put each package file at
   * `<dir>/<fileName(package)>` already.
   */
  index(
    packages: readonly Package[],
    dir: string,
    arch: string,
    context: DriverContext,
  ): Promise<Result<void>>;
  /** Name of the package's file in `repo/`. */
  fileName(pkg: Package): string;
  /** When the package in `file` was built, in seconds since 1970. */
  buildDate(file: string): Promise<number>;
}

/** Drivers by name, each loaded when first asked for. */
export type Drivers = Readonly<Record<string, () => Promise<PackageDriver>>>;
