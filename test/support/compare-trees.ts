// Two unpacked trees compared: names, kinds, modes, owners, contents, link targets, hard links and extended
// attributes, of text files line by line; and two manifests, for showing.
import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { decodeBody, type Entry, pathWord } from "../../engine/tree/entry.js";
import type { Line, Manifest } from "../../engine/tree/manifest.js";

/** Differences, one a line: `<path>: <what>`; `-` is only in the first, `+` only in the second. */
export function compareTrees(first: string, second: string): readonly string[] {
  const [old, now] = [describe(first), describe(second)];
  const found: string[] = [];
  for (const path of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const [a, b] = [old.get(path), now.get(path)];
    if (a === undefined || b === undefined) {
      found.push(`${path}: ${a === undefined ? "+" : "-"} ${a ?? b ?? ""}`);
      continue;
    }
    if (a !== b) found.push(`${path}: ${a} became ${b}`);
    if (!a.startsWith("file")) continue;
    const [left, right] = [join(first, path), join(second, path)];
    if (readFileSync(left).equals(readFileSync(right))) continue;
    const said = spawnSync("diff", [left, right], { encoding: "utf8" }).stdout;
    const lines = said.split("\n").filter((line) => /^[<>] /.test(line));
    found.push(...(lines.length > 0 ? lines : ["binary"]).map((line) => `${path}: ${side(line)}`));
  }
  return found;
}

const side = (line: string): string => line.replace(/^< /, "- ").replace(/^> /, "+ ");

function describe(root: string): Map<string, string> {
  const inodes = new Map<number, string[]>();
  const entries = new Map<string, string>();
  const xattrs = attributes(root);
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  for (const path of ["", ...paths]) {
    const stat = lstatSync(join(root, path));
    const kind = stat.isSymbolicLink()
      ? `link to ${readlinkSync(join(root, path))}`
      : stat.isDirectory()
        ? "directory"
        : "file";
    entries.set(
      path,
      `${kind} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}${xattrs.get(path) ?? ""}`,
    );
    if (kind === "file" && stat.nlink > 1) inodes.set(stat.ino, [...(inodes.get(stat.ino) ?? []), path]);
  }
  for (const group of inodes.values()) {
    for (const path of group) entries.set(path, `${entries.get(path) ?? ""} same as ${group.join(", ")}`);
  }
  return entries;
}

/** By GNU tar, which keeps them: getfattr is on few machines. */
function attributes(root: string): Map<string, string> {
  const listed = spawnSync(
    "sh",
    ["-c", 'tar --xattrs --xattrs-include="*" -cC "$1" . | tar --xattrs -tvvf -', "sh", root],
    {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    },
  ).stdout;
  const found = new Map<string, string>();
  let path = "";
  for (const line of listed.split("\n")) {
    const entry = /^[-dlhcbps][-rwxsStT]{9}\S? .*? \d\d:\d\d \.\/(.*?)(?: -> .*| link to .*)?\/?$/.exec(line);
    if (entry !== null) path = entry[1] ?? "";
    else if (/^\s+x:/.test(line)) found.set(path, `${found.get(path) ?? ""} ${line.trim()}`);
  }
  return found;
}

// What differs between two trees, path by path, for showing. It knows manifests only.

/** What can differ at one path that both trees have. */
type Aspect =
  "type" | "content" | "target" | "device" | "mode" | "owner" | "time" | "attributes" | "hard links";

/** One path, printable (other bytes as `\xHH`; the root is a dot), and what happened to it. */
type TreeChange =
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
