// What the rows of the index say. It is types alone.

/** One named part of a key. Long values are kept as `sha256:…`. */
export interface Component {
  readonly name: string;
  readonly value: string;
}

/** How a file looked when it was digested: bytes, times in milliseconds, inode number, mode bits. */
export interface Stamp {
  readonly size: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly ino: number;
  readonly mode: number;
}

/** `f:<sha256>` a file, `x:<sha256>` an executable file, `t:<sha256>` a tree, `v:pass` a verdict. */
export type ArtifactId = string;

/** A row the store answers for. Sizes in bytes; the last three are for trees. */
export interface ArtifactRow {
  readonly id: ArtifactId;
  readonly kind: "file" | "tree" | "verdict";
  readonly size: number;
  readonly layer: string | null;
  readonly parent: ArtifactId | null;
  readonly form: "root" | "user" | null;
}

/** A run of an action. Times in milliseconds; `epoch`, the SOURCE_DATE_EPOCH that it saw, in seconds. */
export interface BuildRow {
  readonly id: string;
  readonly line: string;
  readonly action: string;
  readonly key: string;
  readonly status: "built" | "failed";
  readonly started: number;
  readonly duration: number;
  readonly release: string;
  readonly log: string | null;
  readonly epoch: number;
  /** Of a failed one: how it failed, as JSON of the engine's. */
  readonly failure: string | null;
  /** Of one that was built: the build that was published in its place before. */
  readonly replaces: string | null;
}

/** A build, and the release under which it is published. */
export interface PublishedRow extends BuildRow {
  readonly under: string;
}

/** What was linked into the output directory. */
export interface LinkRow extends Omit<Stamp, "mode"> {
  readonly path: string;
  readonly line: string;
  readonly release: string;
  readonly target: string;
  readonly artifact: ArtifactId;
}

/** One output of a build. */
export interface OutputRow {
  readonly build: string;
  readonly name: string;
  readonly artifact: ArtifactId;
}

/** Where a build ran that did not run here, and what brought it. */
export interface Origin {
  readonly machine: string;
  readonly source: string;
}
