// The tree $TREE into the directory TO of the tree at $OUT, which may hold something: what both have is then $TREE's, but
// for directories, which stay as they are. Owners, modes, times, hard links and attributes come along.
import { Buffer } from "node:buffer";
import { chmodSync, linkSync, lstatSync, lutimesSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ownerOf, placeOf, plan, put, putDirectory, roomForName, settle, spawn } from "./place.mjs";
import { die, inside } from "./tree.mjs";

const { TREE = "" } = process.env;
const all = plan.owner === null ? null : ownerOf(plan.owner);
/** @type {Map<string, string>} */
const names = new Map();
/** Places in the tree of what came, by its path in $TREE. @type {Map<string, string>} */
const places = new Map();
/** @type {[place: string, stats: import("node:fs").Stats][]} */
const made = [];

/** @param {import("node:fs").Stats} stats @returns {readonly [number, number]} */
const ownerIn = (stats) => all ?? [stats.uid, stats.gid];

if (readdirSync(TREE).length === 0)
  die(
    'the tree that comes here is empty; where its command changes directory, "$(realpath "$OUT")" is taken before that',
  );
if (placeOf("x") !== "x") {
  const stats = lstatSync(TREE);
  enter("", placeOf("."), stats);
}
walk("");
settle();
attributes();
for (const [place, { atime, mtime }] of made.reverse()) utimesSync(place, atime, mtime);

/** @param {string} from a directory in $TREE */
function walk(from) {
  for (const raw of readdirSync(join(TREE, from), { encoding: "buffer" }).sort((a, b) => a.compare(b))) {
    const name = raw.toString();
    if (!Buffer.from(name).equals(raw))
      die(`${join(from, name)}: its name is not UTF-8; step.graft keeps it, in a directory that is empty`);
    const path = join(from, name);
    const stats = lstatSync(join(TREE, path));
    try {
      if (stats.isDirectory()) {
        enter(path, placeOf(path), stats);
        walk(path);
      } else place(path, stats);
    } catch (error) {
      die(`${path} cannot be put into the tree: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/**
 * @param {string} from
 * @param {string} path
 * @param {import("node:fs").Stats} stats
 */
function enter(from, path, stats) {
  if (!putDirectory(path, ownerIn(stats))) return;
  const place = inside(path, true);
  chmodSync(place, stats.mode & 0o7777);
  places.set(from, place);
  made.push([place, stats]);
}

/**
 * @param {string} path
 * @param {import("node:fs").Stats} stats
 */
function place(path, stats) {
  const file = `${stats.dev}:${stats.ino}`;
  const first = stats.nlink > 1 ? names.get(file) : undefined;
  const owner = ownerIn(stats);
  if (first !== undefined) {
    linkSync(first, roomForName(placeOf(path), owner));
    return;
  }
  const how = { owner, parents: owner, mode: stats.mode & 0o7777, exact: plan.modes === "keep" };
  const here = put(join(TREE, path), placeOf(path), how);
  if (stats.nlink > 1) names.set(file, here);
  places.set(path, here);
  lutimesSync(here, stats.atime, stats.mtime);
}

/** Capabilities, access lists and other attributes: in one go, because few files have any. */
function attributes() {
  const dump = spawn([
    "getfattr",
    "-R",
    "-P",
    "-h",
    "-d",
    "-e",
    "hex",
    "-m",
    "-",
    "--absolute-names",
    "--",
    TREE,
  ]);
  const wanted = dump
    .split("\n\n")
    .flatMap((block) => {
      const [, name = "", rest = ""] = /^# file: (.*)\n([^]*)$/.exec(block) ?? [];
      const bytes = name.replace(/\\([0-7]{3})/g, (_, digits) =>
        String.fromCharCode(parseInt(String(digits), 8)),
      );
      const place = places.get(
        Buffer.from(bytes, "latin1")
          .toString()
          .slice(TREE.length + 1),
      );
      // A label of the machine's own policy.
      const lines = rest.split("\n").filter((line) => line !== "" && !line.startsWith("security.selinux="));
      return place === undefined || lines.length === 0
        ? []
        : [`# file: ${quoted(place)}\n${lines.join("\n")}\n`];
    })
    .join("\n");
  if (wanted !== "") spawn(["setfattr", "-h", "--restore=-"], wanted);
}

/** A path as setfattr reads it. @param {string} path */
function quoted(path) {
  const bytes = Buffer.from(path).toString("latin1");
  // eslint-disable-next-line no-control-regex -- this is about control characters
  return bytes.replace(/[\x00-\x20\\=]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
