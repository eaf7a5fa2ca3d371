// What differs between two trees, path by path, for showing. It knows manifests only.
import { decodeBody, pathWord, type Entry } from "../../engine/tree/entry.js";
import type { Line, Manifest } from "../../engine/tree/manifest.js";

/** What can differ at one path that both trees have. */
type Aspect =
  "type" | "content" | "target" | "device" | "mode" | "owner" | "time" | "attributes" | "hard links";

/** One path, printable (other bytes as `\xHH`; the root is a dot), and what happened to it. */
export type TreeChange =
  | { readonly path: string; readonly change: "added" | "removed" }
  | { readonly path: string; readonly change: "changed"; readonly aspects: readonly Aspect[] };

/** The changes from `before` to `after`, in order of path. Equal trees have none. */
export function diffManifests(before: Manifest, after: Manifest): TreeChange[] {
  const changes: TreeChange[] = [];
  for (const path of [...new Set([...before.lines.keys(), ...after.lines.keys()])].sort()) {
    const [old, now] = [before.lines.get(path), after.lines.get(path)];
    if (old === undefined) changes.push({ path: pathWord(path), change: "added" });
    else if (now === undefined) changes.push({ path: pathWord(path), change: "removed" });
    else if (!sameLine(old, now)) {
      const aspects = aspectsOf(decodeBody(path, old.body, old.group), decodeBody(path, now.body, now.group));
      changes.push({ path: pathWord(path), change: "changed", aspects });
    }
  }
  return changes;
}

const sameLine = (a: Line, b: Line): boolean => a.body === b.body && a.group === b.group;

function aspectsOf(old: Entry, now: Entry): Aspect[] {
  const differs: Readonly<Record<Aspect, boolean>> = {
    type: old.type !== now.type,
    content: old.type === "file" && now.type === "file" && old.digest !== now.digest,
    target: old.type === "symlink" && now.type === "symlink" && old.target !== now.target,
    device: deviceOf(old) !== deviceOf(now) && old.type === now.type,
    mode: old.mode !== now.mode,
    owner: old.uid !== now.uid || old.gid !== now.gid,
    time: old.mtime !== now.mtime,
    attributes: attributesOf(old) !== attributesOf(now),
    "hard links": old.group !== now.group,
  };
  return (Object.keys(differs) as Aspect[]).filter((aspect) => differs[aspect]);
}

const deviceOf = (entry: Entry): string => ("major" in entry ? `${entry.major}:${entry.minor}` : "");

const attributesOf = (entry: Entry): string => JSON.stringify([...entry.attributes].sort());
