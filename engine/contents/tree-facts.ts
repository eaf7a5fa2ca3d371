// What a tree's files say of it: its kernels, what starts by itself, users, groups, the system's name, and which packages
// are still in it. One walk over its manifest, and four small files of it.
import { join } from "node:path";
import { hashBytes } from "../../cache/hash.js";
import type { ArtifactId, Index } from "../../cache/index.js";
import { readPlain } from "../../cache/io.js";
import { layerPath } from "../../cache/layers.js";
import type { Layout } from "../../cache/layout.js";
import { bytesOf, entryAt, type Manifest } from "../tree/manifest.js";
import type { ImagePackage, TreeFacts } from "./record.js";

/** Reads a file of a tree by its path (bytes); null where it is none, or cannot be read here. */
export type ReadFile = (path: string) => Buffer | null;

/** No file that is read whole is larger, in bytes. */
export const MOST_READ = 64 << 20;

/**
 * Files of a stored tree, wherever in its layers they lie. What is read has the digest that the manifest says, so that it
 * does not matter which names on the way are links.
 */
export function filesOf(index: Index, layout: Layout, tree: ArtifactId, manifest: Manifest): ReadFile {
  const layers: string[] = [];
  for (let at: ArtifactId | null = tree; at !== null;) {
    const row = index.artifact(at);
    if (row?.layer !== null && row?.layer !== undefined) layers.push(layerPath(layout.layers, row.layer));
    at = row?.parent ?? null;
  }
  return (path) => {
    const entry = entryAt(manifest, path);
    if (entry?.type !== "file" || entry.size > MOST_READ) return null;
    for (const layer of layers) {
      const bytes = readHere(join(layer, shown(path)), entry.size);
      if (bytes !== null && hashBytes(bytes) === entry.digest) return bytes;
    }
    return null;
  };
}

/** A regular file of that size; null for anything else. */
function readHere(path: string, size: number): Buffer | null {
  try {
    const bytes = readPlain(path, size + 1);
    return bytes?.length === size ? bytes : null;
  } catch {
    // Another layer has it, or it is another user's.
    return null;
  }
}

/** Where modules lie: a directory for each kernel. */
const KERNEL = /^(?:usr\/)?lib\/modules\/([^/]+)$/;

/** What starts by itself: a link in one of these directories (systemd, runit, OpenRC, System V). */
const SERVICE =
  /^etc\/(?:systemd\/(?:system|user)\/([^/]+\.(?:wants|requires|upholds)\/[^/]+)|runit\/runsvdir\/([^/]+\/[^/]+)|runlevels\/([^/]+\/[^/]+)|(rc[S2-5]\.d\/S[^/]+))$/;

/** Everything that a manifest says of a tree. */
export function factsOf(manifest: Manifest, read: ReadFile): TreeFacts {
  const [kernels, services] = [new Set<string>(), new Set<string>()];
  for (const [path, { body }] of manifest.lines) {
    if (path.startsWith("etc/")) {
      const found = body.startsWith("l") ? SERVICE.exec(path) : null;
      // Of the groups one has matched.
      if (found !== null) services.add(shown(found.slice(1).join("")));
    } else if (body.startsWith("d")) {
      const kernel = KERNEL.exec(path)?.[1];
      if (kernel !== undefined) kernels.add(shown(kernel));
    }
  }
  return {
    entries: manifest.lines.size,
    bytes: bytesOf(manifest),
    os: osIn(read),
    kernels: [...kernels].sort(),
    services: [...services].sort(),
    users: linesOf(read("etc/passwd"), 7, ([name, , uid, gid, , home, shell]) => [
      name,
      uid,
      gid,
      home,
      shell,
    ]),
    groups: linesOf(read("etc/group"), 4, ([name, , gid, members]) => [name, gid, members]),
  };
}

/** Bytes of a name as text. */
export const shown = (bytes: string): string => Buffer.from(bytes, "latin1").toString();

/** The lines of such a file, without passwords and names of people. */
function linesOf(
  bytes: Buffer | null,
  count: number,
  pick: (words: readonly string[]) => readonly (string | undefined)[],
): string[] {
  const lines = bytes?.toString().split("\n") ?? [];
  return lines
    .map((line) => line.split(":"))
    .filter((words) => words.length >= count && !words[0]?.startsWith("#"))
    .map((words) => pick(words).join(":"))
    .sort();
}

const OS_FIELDS: ReadonlySet<string> = new Set(["ID", "VERSION_ID", "PRETTY_NAME"]);

function osIn(read: ReadFile): Readonly<Record<string, string>> {
  const text = (read("usr/lib/os-release") ?? read("etc/os-release"))?.toString() ?? "";
  const found = [...text.matchAll(/^([A-Z_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|(\S*))$/gm)];
  return Object.fromEntries(
    found.flatMap(([, name = "", double, single, bare]) =>
      OS_FIELDS.has(name) ? [[name, double ?? single ?? bare ?? ""]] : [],
    ),
  );
}

/** Where each package manager leaves a file for every package that is installed, and what it is called. */
const RECORDS: Readonly<
  Record<string, { readonly dir: string; readonly names: (pkg: ImagePackage) => readonly string[] }>
> = {
  apt: { dir: "var/lib/dpkg/info/", names: ({ name, arch }) => [`${name}.list`, `${name}:${arch}.list`] },
  pacman: { dir: "var/lib/pacman/local/", names: ({ name, version }) => [`${name}-${version}/desc`] },
  xbps: { dir: "var/db/xbps/", names: ({ name }) => [`.${name}-files.plist`] },
};

/**
 * Those of the packages that are still in the tree, by the records that their manager leaves there: a hook may have removed
 * others. All of them where the records themselves were removed, or are a database (rpm's).
 */
export function stillIn(manifest: Manifest, packages: readonly ImagePackage[]): readonly ImagePackage[] {
  const recorded = new Map<string, boolean>();
  const isIn = (pkg: ImagePackage): boolean => {
    const records = RECORDS[pkg.manager];
    return records === undefined || records.names(pkg).some((name) => manifest.lines.has(records.dir + name));
  };
  for (const pkg of packages) if (isIn(pkg)) recorded.set(pkg.manager, true);
  return packages.filter((pkg) => recorded.get(pkg.manager) !== true || isIn(pkg));
}
