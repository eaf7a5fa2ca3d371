// The files and empty directories named in $FILES, one a line, into the tree at $OUT. STRIP: their leading directory,
// which is not part of their place. Modes are 755 and 644 as files are executable or not, or those of the lines of a mode
// and a path in MODES_OF. No process is started for a file: overlays have thousands. place.mjs has the rest.
import { chmodSync, existsSync, lstatSync, readFileSync } from "node:fs";
import process from "node:process";
import { ownerOf, placeOf, plan, put, putDirectory, room, settle } from "./place.mjs";
import { die, inside } from "./tree.mjs";

const { STRIP = "" } = process.env;
/** The names of very many files do not fit into a variable. */
const LISTED = ".inputs/FILES";
/** Modes of files and directories, where those are wanted. */
const MODES = "in/FILES/modes";

/** @param {string} text */
const lines = (text) => text.split("\n").filter((line) => line !== "");
const owner = ownerOf(plan.owner ?? "0:0");
const modes = new Map(
  (existsSync(MODES) && plan.modes === "keep" ? lines(readFileSync(MODES, "utf8")) : []).map((line) => {
    const [mode = ""] = line.split(" ", 1);
    return [line.slice(mode.length + 1), parseInt(mode, 8)];
  }),
);
/** @param {string} file */
const placeIn = (file) => placeOf(STRIP === "" ? file : file.slice(STRIP.length + 1));

for (const file of lines(existsSync(LISTED) ? readFileSync(LISTED, "utf8") : (process.env.FILES ?? ""))) {
  if (STRIP !== "" && !file.startsWith(`${STRIP}/`)) die(`${file} does not lie in ${STRIP}`);
  const path = placeIn(file);
  try {
    directories(file);
    const what = lstatSync(file);
    const mode = modes.get(file) ?? ((what.mode & 0o111) === 0 ? 0o644 : 0o755);
    if (what.isDirectory()) enter(file, putDirectory(path, owner));
    else put(file, path, { owner, parents: owner, mode, exact: plan.modes === "keep" });
  } catch (error) {
    die(`${path} cannot be put into the tree: ${error instanceof Error ? error.message : String(error)}`);
  }
}
settle();

/**
 * What leads to a file, with its own modes where those are kept.
 * @param {string} file
 */
function directories(file) {
  if (modes.size === 0) return;
  for (let end = file.indexOf("/", STRIP.length + 1); end !== -1; end = file.indexOf("/", end + 1)) {
    const above = file.slice(0, end);
    enter(above, room(placeIn(above), owner));
  }
}

/**
 * @param {string} directory
 * @param {boolean} isNew one that the tree had keeps its own
 */
function enter(directory, isNew) {
  const mode = modes.get(directory);
  if (isNew && mode !== undefined) chmodSync(inside(placeIn(directory), true), mode);
}
