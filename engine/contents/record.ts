// What an image's manifest says: which packages, trees and files of the project went into it, and with which tools it was
// made. It is a function of what was built alone: no moment, no machine and no path of this machine is in it.
import { each, fields, is, jsonOf, list, orNull, sha256, size, text } from "../../cache/shape.js";
import type { ArtifactId } from "../../cache/index.js";
import type { TargetId } from "../model.js";

/** The form of manifests; a reader refuses others. */
export const MANIFEST_FORM = 1;

/** A package of an image. Digests and sizes (bytes) are of the package's file. */
export interface ImagePackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly sha256: string;
  readonly size: number;
  /** The package manager: `apt`, `dnf`, … */
  readonly manager: string;
  /** As a release calls the repository; null where the Imagefile no longer says. */
  readonly repository: string | null;
  /** The action that installed it. */
  readonly by: TargetId;
}

/** What a tree's own files say of it. */
export interface TreeFacts {
  readonly entries: number;
  readonly bytes: number;
  /** `ID`, `VERSION_ID` and `PRETTY_NAME` of os-release, as far as they are there. */
  readonly os: Readonly<Record<string, string>>;
  /** Versions of the kernels whose modules it has. */
  readonly kernels: readonly string[];
  /** What starts by itself: `multi-user.target.wants/ssh.service`, `default/sshd`. */
  readonly services: readonly string[];
  /** `name:uid:gid:home:shell` and `name:gid:members`. */
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** A tree that is the image, or that went into it. */
export interface ImageTree extends TreeFacts {
  /** The action that made it. */
  readonly by: TargetId;
  readonly digest: string;
  /** The lowest tree that it was made on: others share that. Itself where it was made on none. */
  readonly base: string;
}

/** A file of the project that went into an image or into what it was made of: `f:`, `x:` and its digest, `l:` and where a link leads. */
export interface OwnFile {
  readonly path: string;
  readonly content: string;
  readonly by: TargetId;
}

/** What is in an image. */
export interface ImageManifest {
  readonly imagemakeManifest: typeof MANIFEST_FORM;
  readonly target: TargetId;
  readonly rule: string;
  readonly artifact: ArtifactId;
  /** Bytes. */
  readonly size: number;
  readonly key: string;
  /** SOURCE_DATE_EPOCH as the action saw it. */
  readonly epoch: number;
  readonly arch: string | null;
  readonly packages: readonly ImagePackage[];
  readonly trees: readonly ImageTree[];
  readonly files: readonly OwnFile[];
  /** Versions of the host's programs that made it, or what it was made of. */
  readonly tools: Readonly<Record<string, string>>;
  /** Artifacts that it was made of of which nothing more is known: a person brought them, or their records went. */
  readonly unknown: readonly ArtifactId[];
}

const texts = list(text);
const id = is((value) => typeof value === "string" && /^[fxtv]:/.test(value));

/** What is wrong with a manifest that somebody else may have written; null where nothing is. */
const isManifest = fields({
  imagemakeManifest: is((value) => value === MANIFEST_FORM),
  ...{ target: text, rule: text, artifact: id, size, key: text, epoch: size, arch: orNull(text) },
  packages: list(
    fields({
      ...{ name: text, version: text, arch: text, sha256: text, size, manager: text },
      ...{ repository: orNull(text), by: text },
    }),
  ),
  trees: list(
    fields({
      ...{ by: text, digest: sha256, base: sha256, entries: size, bytes: size, os: each(text) },
      ...{ kernels: texts, services: texts, users: texts, groups: texts },
    }),
  ),
  files: list(fields({ path: text, content: text, by: text })),
  tools: each(text),
  unknown: list(id),
});

/** The manifest that a text is of; null for any other text. */
export const manifestIn = (json: string): ImageManifest | null =>
  jsonOf(json, isManifest) as ImageManifest | null;

/** Its text. */
export const manifestText = (manifest: ImageManifest): string => `${JSON.stringify(manifest, null, 1)}\n`;
