// What is recorded of a release, as its file in releases/ has it, and how what two hands made of it becomes one. It
// reads and writes no file.
import { isObject } from "../../cache/shape.js";
import type { TargetId } from "../model.js";
import type { Package } from "../packages/driver.js";

/** The exact packages of one target, and the question they answer. */
export interface PinnedClosure {
  /**
   * Digest of the request without the snapshot, but with the repository's configuration: while it is the same, the answer
   * stands.
   */
  readonly request: string;
  readonly digest: string;
  readonly packages: readonly Package[];
  /** Each of the packages was verified as the configuration of their repository asks for. */
  readonly checked?: boolean;
}

/** The stored metadata of one repository. */
interface PinnedSnapshot {
  readonly digest: string;
  readonly taken: string;
  /** Digest of the repository's configuration, keys included, under which it was taken; see packages/policy.ts. */
  readonly policy?: string;
}

/** Where a release stands; DESIGN calls the way from one to the next by the command's name. */
export type ReleaseState = "open" | "collected" | "signed" | "promoted" | "withdrawn" | "abandoned";

/** How an artifact came into a release. */
export type Provenance =
  | { readonly kind: "built"; readonly at: string; readonly machine: string }
  /** Built elsewhere; `tools` are versions that differ there, by name: [there, here]. */
  | {
      readonly kind: "imported";
      readonly at: string;
      readonly from: string;
      readonly machine: string;
      readonly tools: Readonly<Record<string, readonly [string, string]>>;
    }
  | { readonly kind: "adopted"; readonly at: string; readonly because: string };

/** What a release holds of one target. `digest` is lower-case SHA-256 of the file, `size` in bytes. */
export interface ReleasedArtifact {
  readonly name: string;
  readonly key: string;
  readonly digest: string;
  readonly executable: boolean;
  readonly size: number;
  readonly provenance: Provenance;
  /** Digest of its manifest, which lies in the directory of the release's manifests from collect on. */
  readonly manifest?: string;
}

/** A person's word on a target, recorded for good. */
interface Word {
  readonly target: TargetId;
  readonly because: string;
  readonly at: string;
}

/** A person's word on an artifact. */
export interface Verdict extends Word {
  readonly digest: string;
}

/** Checksum files as BSD's sha256 writes them (`SHA256 (name) = …`), or as GNU's sha256sum. */
export type SumsForm = "bsd" | "gnu";

/**
 * Where a release was collected, and its checksum file there. Relative to the Imagefile's directory where it lies beneath,
 * else absolute, `of` the project in that directory. What may be done there, place.ts says.
 */
export interface Collected {
  readonly dir: string;
  readonly sums: string;
  readonly form: SumsForm;
  readonly of?: string;
}

/** The file `releases/<datecode>.json`; `imagemake` is its format. Times are ISO 8601 in UTC. */
export interface Release {
  readonly [FOUND]: Found;
  readonly imagemake: 1;
  readonly datecode: string;
  readonly state: ReleaseState;
  readonly explicit: boolean;
  /**
   * Root read it from a file of somebody who may not edit the Imagefile: under sudo release files are the caller's. It is
   * not written down.
   */
  readonly foreign?: true;
  /** Made by naming its date: joined only by naming it again. */
  readonly byName: boolean;
  readonly opened: string;
  readonly lastBuild: string;
  /** Targets that belong to it; null for an implicit one: whatever is built. */
  readonly roster: readonly string[] | null;
  /** What the Imagefile's releases were of when it was started; null for an implicit one. */
  readonly atStart: readonly TargetId[] | null;
  /** Commit of the Imagefile's checkout when it was opened. */
  readonly commit: string | null;
  /** `<repository name> <architecture>` → the stored metadata. */
  readonly snapshots: Readonly<Record<string, PinnedSnapshot>>;
  /** Target id → its packages. */
  readonly closures: Readonly<Record<string, PinnedClosure>>;
  /** Target id → its artifact: of the whole roster from collect on, before that what was imported or adopted. */
  readonly artifacts: Readonly<Record<TargetId, ReleasedArtifact>>;
  /** Targets taken off the roster. */
  readonly dropped: readonly Word[];
  /** Failing verdicts on digests: such an artifact is never linked again, in any release. Newer ones have them too. */
  readonly rejected: readonly Verdict[];
  /** Those that were taken back. */
  readonly accepted: readonly Verdict[];
  /** Check id → the key under which it passed, as the graph had it at collect. */
  readonly verdicts: Readonly<Record<TargetId, { readonly key: string; readonly at: string }>>;
  /** Checks of the gate that a person let through. */
  readonly waived: readonly Word[];
  /** The project's steps that were done: sentence → when. */
  readonly ticked: Readonly<Record<string, string>>;
  /** Each change of state. */
  readonly history: readonly { readonly state: ReleaseState; readonly at: string }[];
  /** Where it was collected; null before. */
  readonly collected: Collected | null;
  /** Name of the signature file, and the public key that verifies it, as text; null before it is signed. */
  readonly signature: { readonly tool: string; readonly file: string; readonly publicKey: string } | null;
  /** What `current` pointed to before it was promoted; null for nothing. */
  readonly previous: string | null;
}

/** The failing verdicts that stand: of all words on a digest, whichever release they were said in, the last counts. */
export function standing(releases: readonly Release[]): readonly Verdict[] {
  const last = new Map<string, { readonly word: Verdict; readonly rejects: boolean }>();
  const words = releases.flatMap(({ accepted, rejected }) => [
    ...rejected.map((word) => ({ word, rejects: true })),
    ...accepted.map((word) => ({ word, rejects: false })),
  ]);
  for (const said of words) {
    const before = last.get(said.word.digest);
    if (before === undefined || before.word.at <= said.word.at) last.set(said.word.digest, said);
  }
  return [...last.values()].flatMap(({ word, rejects }) => (rejects ? [word] : []));
}

// Two hands on one release: what this process makes of it, and what somebody else wrote into its file meanwhile (a pull
// from version control, an editor), which no lock keeps out. Each change goes where the other made none. It reads and
// writes no file.

/** What a release's object knows of its file; those that are made from it share it. */
export interface Found {
  /** Its path; null while it was neither read nor written. */
  file: string | null;
  /** The fields as we had them then. */
  fields: Fields;
  /** The project's directory then, as the file system numbers it; null while nobody asked. */
  home: string | null;
}

/** Where it is kept: beside what is written down. */
export const FOUND = Symbol("found");

/** A release's fields, or part of them. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a release's file has of it. */
export const fieldsOf = (release: object): Fields =>
  Object.fromEntries(Object.entries(release).filter(([name]) => name !== "foreign"));

/** The fields as they are to be, or the path of one that both changed. */
type Joined = { readonly fields: Fields } | { readonly both: string };

/** When it was built in last: the later counts. */
const LAST = "lastBuild";

/** What we made of `before`, and they did. */
export function joined(before: Fields, ours: Fields, theirs: Fields): Joined {
  const fields: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const [was, mine, other] = [before[name], ours[name], theirs[name]];
    if (isSame(was, mine) || isSame(mine, other)) fields[name] = other;
    else if (isSame(was, other)) fields[name] = mine;
    else if (name === LAST) fields[name] = String(mine) > String(other) ? mine : other;
    else if (isObject(mine) && isObject(other)) {
      const inner = joined(isObject(was) ? was : {}, mine, other);
      if ("both" in inner) return { both: `${name}.${inner.both}` };
      fields[name] = inner.fields;
    } else return { both: name };
  }
  return { fields };
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
