// What is in a tree, as archives need it: paths in order of their bytes, modes, times, attributes, access lists as text.
// Names are bytes, one a character.
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync } from "node:fs";
import process from "node:process";
import { ACCESS, aclEntries, modeWithout } from "./access.mjs";
import { bytes, fail } from "./archive-out.mjs";

/** @typedef {Map<string, Buffer>} Attributes */
/** @typedef {{ path: string, at: Buffer, stats: import("node:fs").BigIntStats, attributes: Attributes }} Entry */
/** @type {Attributes} */
const NONE = new Map();

/** What a machine's policy puts on files is no part of a tree, nor is what overlayfs keeps for itself. */
const FOREIGN = /^(security\.selinux$|(trusted|user)\.overlay\.)/;
const epoch = BigInt(process.env.SOURCE_DATE_EPOCH ?? "0") * 1_000_000_000n;

/**
 * Every path, a directory before what it holds, names in order of their bytes.
 * @param {string} root
 * @param {Map<string, Attributes>} all
 * @param {string} path
 * @returns {Generator<Entry>}
 */
function* walk(root, all, path) {
  const at = bytes(path === "" ? root : `${root}/${path}`);
  const stats = lstatSync(at, { bigint: true });
  yield { path, at, stats, attributes: all.get(path) ?? NONE };
  if (!stats.isDirectory()) return;
  const names = readdirSync(at, { encoding: "latin1" }).sort((a, b) => (a < b ? -1 : 1));
  for (const name of names) yield* walk(root, all, path === "" ? name : `${path}/${name}`);
}

/**
 * Everything in a directory, itself first, as it is read.
 * @param {string} dir
 */
export function readTree(dir) {
  return walk(Buffer.from(dir).toString("latin1"), attributesOf(dir), "");
}

/**
 * By getfattr, because Node has nothing for them.
 * @param {string} tree
 * @returns {Map<string, Attributes>}
 */
function attributesOf(tree) {
  const argv = ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "--absolute-names", "."];
  const ran = spawnSync("getfattr", argv, {
    cwd: tree,
    env: { ...process.env, LC_ALL: "C" },
    maxBuffer: 2 ** 31 - 1,
  });
  if (ran.status !== 0) fail(`getfattr failed: ${ran.error?.message ?? ran.stderr.toString()}`);
  const unquote = (/** @type {string} */ text) =>
    text.replace(/\\([0-7]{3})/g, (_, /** @type {string} */ octal) =>
      String.fromCharCode(parseInt(octal, 8)),
    );
  /** @type {Map<string, Attributes>} */
  const found = new Map();
  /** @type {Attributes} */
  let attributes = new Map();
  for (const line of ran.stdout.toString("latin1").split("\n")) {
    if (line.startsWith("# file: ")) {
      attributes = new Map();
      found.set(unquote(line.slice("# file: ".length)).replace(/^\.$|^\.\//, ""), attributes);
    } else if (line !== "") {
      const equals = line.indexOf("=");
      const name = unquote(line.slice(0, equals));
      if (!FOREIGN.test(name)) attributes.set(name, Buffer.from(line.slice(equals + 3), "hex"));
    }
  }
  return found;
}

/**
 * An access list as text, people by number (acl(5); layout: linux/posix_acl_xattr.h).
 * @param {Buffer} value
 */
export function aclText(value) {
  const kinds = new Map([
    [1, "user:"],
    [2, "user:"],
    [4, "group:"],
    [8, "group:"],
    [16, "mask:"],
    [32, "other:"],
  ]);
  const lines = [];
  for (const { tag, permissions, id } of aclEntries(value)) {
    const who = tag === 2 || tag === 8 ? String(id) : "";
    const may = ["r", "w", "x"].map((letter, i) => (permissions & (4 >> i) ? letter : "-")).join("");
    lines.push(`${kinds.get(tag)}${who}:${may}`);
  }
  return lines.join(",");
}

/**
 * Permissions, with no access list's mask in the group's place.
 * @param {Pick<Entry, "stats" | "attributes">} entry
 */
export const modeOf = ({ stats, attributes }) => modeWithout(Number(stats.mode), attributes.get(ACCESS));

/**
 * In nanoseconds, at most the epoch.
 * @param {Entry} entry
 */
export function timeOf({ stats }) {
  return stats.mtimeNs > epoch ? epoch : stats.mtimeNs;
}

/**
 * Twelve low bits of the major, eight of the minor, then the rest of both: gnu_dev_makedev of the C library.
 * @param {bigint} rdev
 */
export function deviceOf(rdev) {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
