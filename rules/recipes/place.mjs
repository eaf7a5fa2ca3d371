// Shared by recipes that put files of another place into the tree at $OUT, where others may be. PLAN: JSON, as
// rules/steps/placing.ts writes it: who owns what is put there, and modes and owners of single paths and of patterns.
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { ownMode } from "./access.mjs";
import { at, die, hint, inside, makeDirectories, read } from "./tree.mjs";

/**
 * A path, or a pattern with its regular expression, and what it has.
 * @typedef {{ path: string, pattern: string | null, mode?: string, owner?: string }} Said
 * @typedef {{ owner: string | null, modes: "keep" | null, said: Said[] }} Plan
 */

/** @type {unknown} */
const given = JSON.parse(process.env.PLAN ?? "");
/** `owner` null: as it is where it comes from. */
export const plan = /** @type {Plan} */ (given);
export const { TO = "" } = process.env;
const LEAVE = "leave it out of the overlay, or remove what the tree has there before (step.remove)";

/** @param {string} path */
const seen = (path) => lstatSync(path, { throwIfNoEntry: false });

/** What was put into the tree that was not there, or was another file: paths, as they were given. @type {string[]} */
const placed = [];
/** Directories that are there. */
const known = new Set([".", ""]);

/**
 * A directory of the tree and what leads to it; whether it is new, and with that `owner`'s.
 * @param {string} path
 * @param {readonly [number, number]} owner
 */
export function room(path, owner) {
  if (known.has(path)) return false;
  room(dirname(path), owner);
  known.add(path);
  if (at(path) !== undefined) return false;
  makeDirectories(path, owner);
  placed.push(path);
  return true;
}

/**
 * Makes room for what is no directory.
 * @param {string} path
 * @param {string} kind
 * @param {readonly [number, number]} owner of directories that lead there
 */
function clear(path, kind, owner) {
  room(dirname(path), owner);
  const place = inside(path);
  const there = seen(place);
  if (there?.isDirectory() === true)
    die(`${path} is a directory in the tree and a ${kind} in the overlay: ${LEAVE}`);
  return { place, there };
}

/**
 * Puts a file or a symbolic link into the tree, in place of a file or link that is there; where it is then.
 * @param {string} from
 * @param {string} path
 * @param {{ owner: readonly [number, number], parents: readonly [number, number], mode: number, exact: boolean }} how
 *   `exact`: also where it takes the place of what only some may read
 */
export function put(from, path, { owner, parents, mode, exact }) {
  const what = lstatSync(from);
  const link = what.isSymbolicLink() ? readlinkSync(from, "buffer") : null;
  const { place, there } = clear(path, link === null ? "file" : `link (to ${link.toString()})`, parents);
  // What only some may read (etc/shadow) is not for all to read because another file takes its place.
  const kept = there?.isFile() === true && (there.mode & 0o004) === 0 && !exact ? there : undefined;
  const secret = kept === undefined ? undefined : ownMode(place, kept.mode);
  const [user, group] = kept === undefined || (plan.owner ?? "0:0") !== "0:0" ? owner : [kept.uid, kept.gid];
  rmSync(place, { force: true });
  placed.push(path);
  if (link !== null) {
    symlinkSync(link, place);
    lchownSync(place, user, group);
    return place;
  }
  if (what.isFile()) copy(from, place, what);
  else spawn(["cp", "-T", "--recursive", "--no-dereference", "--", from, place]);
  chownSync(place, user, group);
  chmodSync(place, secret ?? mode);
  return place;
}

/**
 * Another name of a file that was put there.
 * @param {string} path
 * @param {readonly [number, number]} parents
 */
export function roomForName(path, parents) {
  const { place } = clear(path, "file", parents);
  rmSync(place, { force: true });
  placed.push(path);
  return place;
}

/**
 * Puts a directory into the tree, or finds it there; whether it is new.
 * @param {string} path
 * @param {readonly [number, number]} owner
 */
export function putDirectory(path, owner) {
  const there = seen(inside(path, true));
  if (there?.isDirectory() === false)
    die(`${path} is a file in the tree and a directory in the overlay: ${LEAVE}`);
  return room(path, owner);
}

/**
 * @param {string} file
 * @param {string} place
 * @param {import("node:fs").Stats} what
 */
function copy(file, place, what) {
  // Node would fill the holes of a sparse file.
  if (what.blocks * 512 >= what.size) copyFileSync(file, place, constants.COPYFILE_FICLONE);
  else spawn(["cp", "-T", "--", file, place]);
}

/**
 * Runs a program, which has to succeed; what it says. A character is a byte.
 * @param {[program: string, ...words: string[]]} argv
 * @param {string} [input]
 */
export function spawn([program, ...words], input = "") {
  const how = { input: Buffer.from(input, "latin1"), maxBuffer: 1 << 30 };
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: "latin1", ...how });
  if (status !== 0) die(`${program} failed: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

/** Gives single paths and what patterns match the owners and modes that were said. */
export function settle() {
  for (const { path, pattern, mode, owner } of plan.said) {
    const what = mode === undefined ? "owner" : "modes";
    const own = seen(inside(path));
    const matches = pattern === null ? null : new RegExp(pattern);
    const found = own !== undefined || matches === null ? [path] : placed.filter((one) => matches.test(one));
    if (found.length === 0) die(`${what}: ${path} matches nothing that this step puts into the tree`);
    for (const one of found) {
      const place = inside(one);
      const there = seen(place);
      if (there === undefined) die(`${what}: there is no file or directory ${one}${hint(one, placed)}`);
      if (mode !== undefined && pattern === null && there.isSymbolicLink())
        die(`${what}: ${one} is a symbolic link, which has no mode: name what it leads to`);
      if (owner !== undefined) change(place, ownerOf(owner));
      else if (!there.isSymbolicLink()) chmodSync(place, parseInt(mode ?? "", 8));
    }
  }
}

/**
 * Gives a file to others; its set-user-ID bit, which that takes away, stays.
 * @param {string} place
 * @param {readonly [number, number]} owner
 */
export function change(place, [user, group]) {
  const { mode } = lstatSync(place);
  lchownSync(place, user, group);
  if (!lstatSync(place).isSymbolicLink()) chmodSync(place, mode & 0o7777);
}

/**
 * A user and a group, by number or by the name that the tree has for it.
 * @param {string} text
 * @returns {readonly [number, number]}
 */
export function ownerOf(text) {
  const [user = "", group = ""] = text.split(":");
  return [idIn("etc/passwd", user, "user"), idIn("etc/group", group, "group")];
}

/** @type {Map<string, ReadonlyMap<string, number>>} */
const tables = new Map();

/**
 * @param {string} file
 * @param {string} name
 * @param {string} kind
 */
function idIn(file, name, kind) {
  if (/^\d+$/.test(name)) return Number(name);
  const table =
    tables.get(file) ??
    new Map(
      (read(file) ?? "").split("\n").flatMap((line) => {
        const [one = "", , id = ""] = line.split(":");
        return /^\d+$/.test(id) ? [/** @type {const} */ ([one, Number(id)])] : [];
      }),
    );
  tables.set(file, table);
  const id = table.get(name);
  return id ?? die(`owner: the tree does not have the ${kind} ${name} (${file})${hint(name, table.keys())}`);
}

/** @param {string} path in the directory that comes */
export const placeOf = (path) => join(TO, path);
