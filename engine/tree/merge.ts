// What overlayfs shows when a layer lies on a tree, computed from the tree's manifest and the layer's entries
// alone. It reads no file. Rules: Documentation/filesystems/overlayfs.rst of Linux, with redirect_dir, metacopy
// and index off.
import { dirOf } from "./entry.js";
import type { Line, Manifest } from "./manifest.js";

/** One path of a layer. */
export interface LayerEntry {
  readonly path: string;
  /** As `encodeBody` writes it; null for a whiteout: what lies beneath is gone. */
  readonly body: string | null;
  /** A directory through which what lies beneath at its path is still seen. */
  readonly transparent: boolean;
  /** Equal for names of the same file; null for what has one name alone. */
  readonly inode: string | null;
}

/** Of the layer, or of what is seen through it: then the inode is the group there. */
type Merged = Pick<LayerEntry, "path" | "inode"> & { readonly body: string };

/**
 * The manifest of the merged tree. Entries of the layer hide those beneath; a group of hard links that the layer
 * breaks is what is left of it, on either side.
 */
export function mergeLayer(parent: Manifest | null, layer: readonly LayerEntry[]): Manifest {
  const merged: Merged[] = layer.filter((entry): entry is LayerEntry & Merged => entry.body !== null);
  if (parent !== null) {
    for (const [path, { body, group }] of visible(parent, layer)) {
      merged.push({ path, body, inode: group && `beneath ${group}` });
    }
  }
  merged.sort((a, b) => (a.path < b.path ? -1 : 1));
  return regroup(merged);
}

/** The entries of the parent that the layer does not hide. */
function* visible(parent: Manifest, layer: readonly LayerEntry[]): Generator<[string, Line]> {
  const over = new Map(layer.map((entry) => [entry.path, entry]));
  const hidden = new Set<string>();
  // Each directory comes before what it holds: bytewise order puts a prefix first.
  for (const [path, line] of parent.lines) {
    const here = over.get(path);
    if (hidden.has(dirOf(path)) && path !== "") {
      hidden.add(path);
      continue;
    }
    if (here === undefined) yield [path, line];
    else if (!here.transparent) hidden.add(path);
  }
}

/** Names each group by its first path; a group of one is none. */
function regroup(merged: readonly Merged[]): Manifest {
  const groups = new Map<string, { readonly first: string; count: number }>();
  for (const { path, inode } of merged) {
    if (inode === null) continue;
    const group = groups.get(inode);
    if (group === undefined) groups.set(inode, { first: path, count: 1 });
    else group.count++;
  }
  const lines = new Map<string, Line>();
  for (const { path, body, inode } of merged) {
    const group = inode === null ? undefined : groups.get(inode);
    lines.set(path, { body, group: group !== undefined && group.count > 1 ? group.first : null });
  }
  return { lines };
}
