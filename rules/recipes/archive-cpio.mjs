// A tree as a cpio archive of the form "newc", which kernels unpack. Inode numbers, devices and link counts are the
// archive's own: the machine's would differ from one to the next.
import { readlinkSync } from "node:fs";
import { bytes, copy, fail, fill, put } from "./archive-out.mjs";
import { deviceOf, modeOf, timeOf } from "./archive-tree.mjs";

/** @typedef {import("./archive-tree.mjs").Entry} Entry */

/** @param {Iterable<Entry>} tree */
export function writeCpio(tree) {
  // A kernel has a root already.
  const entries = [...tree].filter(({ path }) => path !== "");
  // The last name of a file has its bytes, as with GNU cpio.
  /** @type {Map<string, { number: number, count: number, last: Entry }>} */
  const groups = new Map();
  const keyOf = (/** @type {Entry} */ { path, stats }) =>
    stats.isDirectory() ? path : `${stats.dev}:${stats.ino}`;
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  const members = entries.map((entry) => {
    const group = groups.get(keyOf(entry)) ?? { number: groups.size + 1, count: 0, last: entry };
    groups.set(keyOf(entry), Object.assign(group, { count: group.count + 1, last: entry }));
    return { entry, group };
  });
  const member = (/** @type {string} */ name, /** @type {number[]} */ fields) => {
    const words = [...fields, name.length + 1, 0].map((value) =>
      value.toString(16).toUpperCase().padStart(8, "0"),
    );
    put(bytes(`070701${words.join("")}${name}\0`));
    fill(4);
  };
  for (const { entry, group } of members) {
    const { path, at, stats } = entry;
    const { number, count, last } = group;
    const link = stats.isSymbolicLink() ? readlinkSync(at, "latin1") : "";
    const size = stats.isFile() && entry === last ? Number(stats.size) : link.length;
    if (size >= 2 ** 32) fail(`${path}: a cpio archive has no files of 4 GiB and more`);
    if (stats.isSocket()) fail(`${path}: a socket cannot be in a cpio archive`);
    const { major, minor } =
      stats.isBlockDevice() || stats.isCharacterDevice() ? deviceOf(stats.rdev) : { major: 0, minor: 0 };
    const mode = Number(stats.mode & 0o170000n) | modeOf(entry);
    const time = timeOf(entry);
    const seconds = time < 0n ? 0 : Number(time / 1_000_000_000n);
    const names = stats.isDirectory() ? 2 : count;
    member(path, [
      number,
      mode,
      Number(stats.uid),
      Number(stats.gid),
      names,
      seconds,
      size,
      0,
      0,
      major,
      minor,
    ]);
    if (link !== "") put(bytes(link));
    else copy(at, 0, size);
    fill(4);
  }
  member("TRAILER!!!", [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  fill(512);
}
