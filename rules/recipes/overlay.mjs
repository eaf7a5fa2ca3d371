// The files and empty directories named in $FILES, one a line, into the tree at $OUT. STRIP: their leading directory, which is not part
// of their place. TO: the directory in the tree, or empty. OWNER: user:group. MODES: lines of a mode and a path; the
// others get 755 or 644 as they are executable or not. No process is started for a file: overlays have thousands.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  lchownSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { ownMode } from "./access.mjs";
import { die, inside, makeDirectories } from "./tree.mjs";

const { STRIP = "", TO = "", OWNER = "0:0", MODES = "" } = process.env;
/** The names of very many files do not fit into a variable. */
const LISTED = ".inputs/FILES";
const LEAVE = `leave it out of the overlay (files(…, "!…")), or remove what the tree has there before (step.remove)`;
const [uid, gid] = OWNER.split(":").map(Number);
if (uid === undefined || gid === undefined) die(`OWNER is ${OWNER}: no user and group`);
/** @type {readonly [number, number]} */
const owner = [uid, gid];

/** @param {string} text */
const lines = (text) => text.split("\n").filter((line) => line !== "");
/** @param {string} path */
const seen = (path) => lstatSync(path, { throwIfNoEntry: false });

for (const file of lines(existsSync(LISTED) ? readFileSync(LISTED, "utf8") : (process.env.FILES ?? ""))) {
  if (STRIP !== "" && !file.startsWith(`${STRIP}/`)) die(`${file} does not lie in ${STRIP}`);
  const path = join(TO, STRIP === "" ? file : file.slice(STRIP.length + 1));
  try {
    put(file, path);
  } catch (error) {
    die(`${path} cannot be put into the tree: ${error instanceof Error ? error.message : String(error)}`);
  }
}
for (const line of lines(MODES)) {
  const [mode, path] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
  const place = inside(path);
  const there = seen(place);
  if (there === undefined || there.isSymbolicLink()) die(`modes: there is no file or directory ${path}`);
  chmodSync(place, parseInt(mode, 8));
}

/**
 * @param {string} file
 * @param {string} path
 */
function put(file, path) {
  const what = lstatSync(file);
  if (what.isDirectory()) {
    const there = seen(inside(path, true));
    if (there?.isDirectory() === false)
      die(`${path} is a file in the tree and a directory in the overlay: ${LEAVE}`);
    makeDirectories(path, owner);
    return;
  }
  makeDirectories(dirname(path), owner);
  const place = inside(path);
  const there = seen(place);
  if (there?.isDirectory() === true) {
    const kind = what.isSymbolicLink() ? `link (to ${readlinkSync(file)})` : "file";
    die(`${path} is a directory in the tree and a ${kind} in the overlay: ${LEAVE}`);
  }
  // What only some may read (etc/shadow) is not for all to read because another file takes its place.
  const kept = there?.isFile() === true && (there.mode & 0o004) === 0 ? there : undefined;
  const secret = kept === undefined ? undefined : ownMode(place, kept.mode);
  const [user, group] = kept === undefined || OWNER !== "0:0" ? owner : [kept.uid, kept.gid];
  rmSync(place, { force: true });
  if (what.isSymbolicLink()) {
    symlinkSync(readlinkSync(file, "buffer"), place);
    lchownSync(place, user, group);
    return;
  }
  copy(file, place, what);
  chownSync(place, user, group);
  chmodSync(place, secret ?? ((what.mode & 0o111) === 0 ? 0o644 : 0o755));
}

/**
 * @param {string} file
 * @param {string} place
 * @param {import("node:fs").Stats} what
 */
function copy(file, place, what) {
  if (what.blocks * 512 >= what.size) {
    copyFileSync(file, place, constants.COPYFILE_FICLONE);
    return;
  }
  // Node would fill the holes of a sparse file.
  const { status, stderr } = spawnSync("cp", ["-T", "--", file, place], { encoding: "utf8" });
  if (status !== 0) die(stderr.trim());
}
