// What differs between two images, by their manifests: packages, what starts, users, kernels, tools, sources; and between two
// trees, entry by entry. It reads no file and knows no words.
import { packageChanges } from "../packages/closure.js";
import { decodeBody, type Entry } from "../tree/entry.js";
import type { Line, Manifest } from "../tree/manifest.js";
import type { ImageManifest, ImagePackage, ImageTree } from "./record.js";
import { shown } from "./tree-facts.js";

/** One version of a package; its file's size in bytes. */
interface PackageVersion {
  readonly version: string;
  readonly size: number;
}

/** A package that came, went, or became another. */
export interface ChangedPackage {
  readonly name: string;
  readonly before: PackageVersion | null;
  readonly after: PackageVersion | null;
}

/** What a list lost and got. */
export interface ChangedList {
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** A value that is another. */
export interface ChangedValue {
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** What of an image's manifest differs. */
export interface ManifestChanges {
  readonly packages: readonly ChangedPackage[];
  readonly os: readonly ChangedValue[];
  readonly kernels: ChangedList;
  readonly services: ChangedList;
  readonly users: ChangedList;
  readonly groups: ChangedList;
  /** Files of the project: digests. */
  readonly sources: readonly ChangedValue[];
  readonly tools: readonly ChangedValue[];
}

/** What of an entry of a tree differs. */
type FileAspect =
  "kind" | "content" | "link" | "device" | "mode" | "owner" | "capability" | "attributes" | "hard links";

/** An entry as people see it: `mode` in octal, `owner` in numbers, `size` in bytes. */
export interface FileState {
  readonly kind: Entry["type"];
  readonly mode: string;
  readonly owner: string;
  readonly size: number | null;
  readonly digest: string | null;
  readonly link: string | null;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A path of a tree that came, went, or became another. */
export interface ChangedFile {
  readonly path: string;
  readonly what: readonly FileAspect[];
  readonly before: FileState | null;
  readonly after: FileState | null;
}

/** What differs between two trees. */
export interface TreeChanges {
  readonly files: readonly ChangedFile[];
  /** Entries whose time alone differs. */
  readonly times: number;
}

/** Compares what two manifests say. */
export function manifestChanges(before: ImageManifest, after: ImageManifest): ManifestChanges {
  const list = (of: (tree: ImageTree) => readonly string[]): ChangedList =>
    listChanges(before.trees.flatMap(of), after.trees.flatMap(of));
  const os = ({ trees }: ImageManifest): Record<string, string> =>
    Object.assign({}, ...trees.map((tree) => tree.os)) as Record<string, string>;
  const sources = ({ files }: ImageManifest): Record<string, string> =>
    Object.fromEntries(files.map(({ path, content }) => [path, content]));
  return {
    packages: changedPackages(before.packages, after.packages),
    os: valueChanges(os(before), os(after)),
    kernels: list((tree) => tree.kernels),
    services: list((tree) => tree.services),
    users: list((tree) => tree.users),
    groups: list((tree) => tree.groups),
    sources: valueChanges(sources(before), sources(after)),
    tools: valueChanges(before.tools, after.tools),
  };
}

function changedPackages(before: readonly ImagePackage[], after: readonly ImagePackage[]): ChangedPackage[] {
  const [old, now] = [sizesOf(before), sizesOf(after)];
  const located = (all: readonly ImagePackage[]) => all.map((pkg) => ({ ...pkg, location: "" }));
  return packageChanges(located(before), located(after)).map(({ name, before: was, after: is }) => ({
    name,
    before: was === null ? null : { version: was, size: old.get(`${name} ${was}`) ?? 0 },
    after: is === null ? null : { version: is, size: now.get(`${name} ${is}`) ?? 0 },
  }));
}

/** By name and version; where there are several architectures a change is called by both. */
const sizesOf = (packages: readonly ImagePackage[]): ReadonlyMap<string, number> =>
  new Map(
    packages.flatMap(({ name, arch, version, size }) => [
      [`${name} ${version}`, size],
      [`${name}.${arch} ${version}`, size],
    ]),
  );

function listChanges(before: readonly string[], after: readonly string[]): ChangedList {
  const [old, now] = [new Set(before), new Set(after)];
  return {
    removed: [...old].filter((one) => !now.has(one)),
    added: [...now].filter((one) => !old.has(one)),
  };
}

function valueChanges(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): ChangedValue[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .filter((name) => old.get(name) !== now.get(name))
    .map((name) => ({ name, before: old.get(name) ?? null, after: now.get(name) ?? null }));
}

/** Compares two trees, in order of path. */
export function treeChanges(before: Manifest, after: Manifest): TreeChanges {
  const files: ChangedFile[] = [];
  let times = 0;
  for (const [path, line] of before.lines) {
    const now = after.lines.get(path);
    if (now?.body === line.body && now.group === line.group) continue;
    const [old, other] = [entryOf(path, line), now === undefined ? null : entryOf(path, now)];
    const what = other === null ? [] : aspectsOf(old, other);
    if (other !== null && what.length === 0) times += 1;
    else
      files.push({
        path: shown(path),
        what,
        before: stateOf(old),
        after: other === null ? null : stateOf(other),
      });
  }
  for (const [path, line] of after.lines)
    if (!before.lines.has(path))
      files.push({ path: shown(path), what: [], before: null, after: stateOf(entryOf(path, line)) });
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), times };
}

const entryOf = (path: string, { body, group }: Line): Entry => decodeBody(path, body, group);

const CAPABILITY = "security.capability";

function aspectsOf(before: Entry, after: Entry): FileAspect[] {
  if (before.type !== after.type) return ["kind"];
  const differs: readonly (readonly [FileAspect, (entry: Entry) => unknown])[] = [
    ["content", (entry) => (entry.type === "file" ? entry.digest : null)],
    ["link", (entry) => (entry.type === "symlink" ? entry.target : null)],
    ["device", (entry) => ("major" in entry ? `${entry.major}:${entry.minor}` : null)],
    ["mode", ({ mode }) => mode],
    ["owner", ({ uid, gid }) => `${uid}:${gid}`],
    ["capability", ({ attributes }) => attributes.get(CAPABILITY)],
    ["attributes", ({ attributes }) => others(attributes)],
    ["hard links", ({ group }) => group],
  ];
  return differs.flatMap(([aspect, of]) => (of(before) === of(after) ? [] : [aspect]));
}

const others = (attributes: Entry["attributes"]): string =>
  JSON.stringify([...attributes].filter(([name]) => name !== CAPABILITY));

function stateOf(entry: Entry): FileState {
  return {
    kind: entry.type,
    mode: entry.mode.toString(8).padStart(4, "0"),
    owner: `${entry.uid}:${entry.gid}`,
    size: entry.type === "file" ? entry.size : null,
    digest: entry.type === "file" ? entry.digest : null,
    link: entry.type === "symlink" ? shown(entry.target) : null,
    attributes: Object.fromEntries(entry.attributes),
  };
}
