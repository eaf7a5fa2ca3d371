// Shared by recipes in JavaScript: paths that stay inside the tree at $OUT, and words for the log.
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";

const root = process.env.OUT ?? "";
/** Linux follows at most this many symbolic links in one path. */
const MAX_LINKS = 40;

/**
 * Ends the recipe.
 * @param {string} text
 * @returns {never}
 */
export function die(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** @param {string} path */
const parts = (path) => path.split("/").filter((part) => part !== "" && part !== ".");

/**
 * Where a path, taken from the tree's root, really lies. Links on the way are followed as if the tree were /, so that
 * one to /etc never leads to the host's; the last part is followed only if `whole`.
 * @param {string} path
 * @param {boolean} [whole]
 */
export function inside(path, whole = false) {
  const ahead = parts(path);
  /** @type {string[]} */
  let place = [];
  let links = 0;
  for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
    if (part === "..") {
      place.pop();
      continue;
    }
    const here = join(root, ...place, part);
    const follow = whole || ahead.length > 0;
    if (!follow || !isLink(here)) {
      place.push(part);
      continue;
    }
    if (++links > MAX_LINKS) die(`${path}: too many symbolic links`);
    const to = readlinkSync(here);
    if (to.startsWith("/")) place = [];
    ahead.unshift(...parts(to));
  }
  return join(root, ...place);
}

/** @param {string} path */
export const isLink = (path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

/**
 * What a path of the tree leads to; undefined where there is nothing.
 * @param {string} path
 */
export const at = (path) => statSync(inside(path, true), { throwIfNoEntry: false });

/** @param {string} path */
export function isProgram(path) {
  if (at(path)?.isFile() !== true) return false;
  try {
    accessSync(inside(path, true), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The text of a file of the tree; null where there is none.
 * @param {string} path
 */
export const read = (path) => (at(path)?.isFile() === true ? readFileSync(inside(path, true), "utf8") : null);

/**
 * A directory of the tree and what leads to it, where links lead in the end; new ones are the owner's, of mode 755.
 * @param {string} path
 * @param {readonly [number, number]} [owner] of user and group; root's unless said
 */
export function makeDirectories(path, [user, group] = [0, 0]) {
  const whole = inside(path, true);
  try {
    const first = mkdirSync(whole, { recursive: true, mode: 0o755 });
    // The first that it made, and those in it.
    for (let at = whole; first !== undefined && at.length >= first.length; at = dirname(at)) {
      chownSync(at, user, group);
      chmodSync(at, 0o755);
    }
  } catch (error) {
    die(`${path} cannot be made: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The nearest of the names to a misspelt one, as ` (did you mean …?)`; empty where none is near.
 * @param {string} word
 * @param {Iterable<string>} names
 */
export function hint(word, names) {
  const far = [...names].map((name) => ({ name, by: distance(word, name) }));
  const least = Math.min(...far.map(({ by }) => by));
  if (least > Math.min(Math.max(2, word.length / 3), word.length / 2)) return "";
  const near = far.flatMap(({ name, by }) => (by === least ? [name] : [])).sort();
  return ` (did you mean ${near.slice(0, 3).join(" or ")}?)`;
}

/**
 * @param {string} a
 * @param {string} b
 */
function distance(a, b) {
  const [down, across] = [a.toLowerCase().split(""), b.toLowerCase().split("")];
  let above = [0, ...across.map((_, j) => j + 1)];
  for (const [i, letter] of down.entries()) {
    let [last, diagonal] = [i + 1, i];
    const row = [last];
    for (const [j, up] of above.slice(1).entries()) {
      last = Math.min(up + 1, last + 1, diagonal + (letter === across[j] ? 0 : 1));
      diagonal = up;
      row.push(last);
    }
    above = row;
  }
  return above.at(-1) ?? 0;
}
