// Two unpacked trees compared: names, kinds, modes, owners, contents, link targets, hard links and extended
// attributes; of text files line by line.
import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

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
