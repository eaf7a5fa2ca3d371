// The tree in the directory argv[3] on standard output, by argv[2] as a tar archive (pax) or a cpio archive ("newc"):
// the same bytes for the same tree, wherever it lies and whoever the machine's users are. With `modes` it prints what
// tells mksquashfs the group's true modes.
import process from "node:process";
import { writeCpio } from "./archive-cpio.mjs";
import { bytes, fail, flush, put } from "./archive-out.mjs";
import { writeTar } from "./archive-tar.mjs";
import { ACCESS } from "./access.mjs";
import { modeOf, readTree } from "./archive-tree.mjs";

const [form = "", dir = ""] = process.argv.slice(2);
const entries = readTree(dir);
if (form === "tar") writeTar(entries);
else if (form === "cpio") writeCpio(entries);
else if (form === "modes") {
  for (const entry of entries) if (entry.attributes.has(ACCESS)) put(pseudoFile(entry));
} else fail(`archive.mjs: "${form}" is neither tar, cpio nor modes`);
flush();

/**
 * mksquashfs's own words: `NAME m MODE UID GID`.
 * @param {import("./archive-tree.mjs").Entry} entry
 */
function pseudoFile(entry) {
  const { path, stats } = entry;
  if (path.includes("\n"))
    fail(
      `${JSON.stringify(path)} has an access list and a line break in its name, and mksquashfs cannot be told of both: ` +
        "rename it, or take the access list away (step.hook)",
    );
  const name = path.replace(/["\\]/g, "\\$&") || "/";
  return bytes(`"${name}" m ${modeOf(entry).toString(8)} ${stats.uid} ${stats.gid}\n`);
}
