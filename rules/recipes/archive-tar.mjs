// A tree as a tar archive of the form "pax": access lists, attributes and sparse files as GNU tar, star and libarchive read
// them. GNU tar itself writes the names that this machine's users have into access lists, takes their mask for the group's
// mode, and finds holes where the file system happens to have them.
import { Buffer } from "node:buffer";
import { closeSync, openSync, readlinkSync } from "node:fs";
import { bytes, copy, fail, fill, put, readFully } from "./archive-out.mjs";
import { ACCESS, DEFAULT } from "./access.mjs";
import { aclText, deviceOf, modeOf, timeOf } from "./archive-tree.mjs";

/** @typedef {import("./archive-tree.mjs").Entry} Entry */

const BILLION = 1_000_000_000n;
/** Shorter runs of zeros are data: many readers know no sparse members. */
const HOLE = 2 ** 20;
/** Where each file with several names is. */
/** @type {Map<string, string>} */
const links = new Map();

/** @param {Iterable<Entry>} entries */
export function writeTar(entries) {
  for (const entry of entries) writeMember(entry);
  put(Buffer.alloc(1024));
  fill(10240);
}

/** @param {Entry} entry */
function writeMember(entry) {
  const { path, at, stats, attributes } = entry;
  /** @type {[string, Buffer][]} */
  const records = [];
  const record = (/** @type {string} */ name, /** @type {string | Buffer} */ value) =>
    records.push([name, typeof value === "string" ? bytes(value) : value]);
  let name = path === "" ? "./" : `./${path}${stats.isDirectory() ? "/" : ""}`;
  const header = { type: "0", size: 0n, link: "", major: 0, minor: 0, name };
  const inode = `${stats.dev}:${stats.ino}`;
  const first = stats.isDirectory() ? undefined : links.get(inode);
  let map = null;
  if (first !== undefined) Object.assign(header, { type: "1", link: first });
  else {
    links.set(inode, name);
    if (stats.isFile()) {
      header.size = stats.size;
      map = stats.size < HOLE ? null : dataOf(at, Number(stats.size));
    } else if (stats.isDirectory()) header.type = "5";
    else if (stats.isSymbolicLink()) Object.assign(header, { type: "2", link: readlinkSync(at, "latin1") });
    else if (stats.isFIFO()) header.type = "6";
    else if (stats.isSocket()) fail(`./${path}: a socket cannot be in a tar archive`);
    else Object.assign(header, { type: stats.isBlockDevice() ? "4" : "3", ...deviceOf(stats.rdev) });
    for (const [key, value] of [...attributes].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (key === ACCESS) record("SCHILY.acl.access", aclText(value));
      else if (key === DEFAULT) record("SCHILY.acl.default", aclText(value));
      // As GNU tar writes it: an equals sign would end the name.
      else record(`SCHILY.xattr.${key.replace(/%/g, "%25").replace(/=/g, "%3D")}`, value);
    }
  }
  if (map !== null) {
    record("GNU.sparse.major", "1");
    record("GNU.sparse.minor", "0");
    record("GNU.sparse.name", header.name);
    record("GNU.sparse.realsize", String(stats.size));
    header.name = header.name.replace(/([^/]*)$/, "GNUSparseFile.0/$1");
    header.size = map.reduce((sum, [, length]) => sum + BigInt(length), BigInt(mapText(map).length));
  }
  writeHeader(entry, header, records);
  if (map !== null) {
    put(mapText(map));
    for (const [from, length] of map) copy(at, from, length);
  } else if (header.size > 0n) copy(at, 0, Number(stats.size));
  fill(512);
}

/**
 * A member's header, with records of its own where the old form has no room.
 * @param {Entry} entry
 * @param {{ type: string, size: bigint, link: string, major: number, minor: number, name: string }} header
 * @param {[string, Buffer][]} records
 */
function writeHeader(entry, header, records) {
  const { stats } = entry;
  const time = timeOf(entry);
  const seconds = (time - (((time % BILLION) + BILLION) % BILLION)) / BILLION;
  const fraction = time - seconds * BILLION;
  const extra = [...records];
  const number = (/** @type {string} */ name, /** @type {bigint} */ value, /** @type {number} */ digits) => {
    if (value >= 0n && value < 8n ** BigInt(digits)) return value;
    extra.push([name, bytes(String(value))]);
    return 0n;
  };
  /**
   * @param {string} name
   * @param {string} value
   * @returns {[prefix: string, name: string]}
   */
  const text = (name, value) => {
    const sparse = records.some(([key]) => key === "GNU.sparse.name");
    const known = /^[\x20-\x7e]*$/.test(value);
    const parted = name === "path" || value.length <= 100 ? partsOf(value) : null;
    if (known && parted !== null) return parted;
    if (!(sparse && name === "path")) extra.push([name, bytes(value)]);
    return ["", value.slice(0, 100)];
  };
  const [prefix, name] = text("path", header.name);
  const [, link] = text("linkpath", header.link);
  const fields = {
    size: number("size", header.size, 11),
    uid: number("uid", stats.uid, 7),
    gid: number("gid", stats.gid, 7),
    time: seconds,
  };
  if (fraction !== 0n || seconds < 0n || seconds >= 8n ** 11n) {
    // Counted upwards before 1970, too: a sign and digits is what readers understand.
    const sign = time < 0n ? "-" : "";
    const size = time < 0n ? -time : time;
    const digits = String(size % BILLION)
      .padStart(9, "0")
      .replace(/0+$/, "");
    extra.push(["mtime", bytes(`${sign}${size / BILLION}${digits === "" ? "" : `.${digits}`}`)]);
    if (seconds < 0n || seconds >= 8n ** 11n) fields.time = 0n;
  }
  // Names are UTF-8 to who reads them, unless it is said; GNU tar, which takes bytes anyway, says that it does not know it.
  const isText = (/** @type {Buffer} */ value) => Buffer.from(value.toString()).equals(value);
  if (extra.some(([key, value]) => /(path|\.name)$/.test(key) && !isText(value))) {
    extra.unshift(["hdrcharset", bytes("BINARY")]);
  }
  if (extra.length > 0) {
    const body = Buffer.concat(extra.map(([key, value]) => recordOf(key, value)));
    const plain = `./PaxHeaders/${header.name.replace(/\/$/, "").replace(/^.*\//, "")}`.replace(
      /[^\x20-\x7e]/g,
      "_",
    );
    put(
      block({
        name: plain.slice(0, 100),
        prefix: "",
        mode: 0o644,
        uid: 0n,
        gid: 0n,
        size: BigInt(body.length),
        time: 0n,
        type: "x",
        link: "",
        major: 0,
        minor: 0,
      }),
    );
    put(body);
    fill(512);
  }
  put(block({ ...header, ...fields, name, prefix, link, mode: modeOf(entry) }));
}

/**
 * A long name in its two fields, or null where it does not fit.
 * @param {string} name
 * @returns {[prefix: string, name: string] | null}
 */
function partsOf(name) {
  if (name.length <= 100) return ["", name];
  for (let at = name.indexOf("/", Math.max(1, name.length - 101)); at > 0; at = name.indexOf("/", at + 1)) {
    if (at > 155 || at === name.length - 1) break;
    if (name.length - at - 1 <= 100) return [name.slice(0, at), name.slice(at + 1)];
  }
  return null;
}

/**
 * `LENGTH NAME=VALUE`, the length with its own digits.
 * @param {string} name
 * @param {Buffer} value
 */
function recordOf(name, value) {
  const rest = name.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([bytes(`${length} ${name}=`), value, bytes("\n")]);
}

/** @param {{ name: string, prefix: string, mode: number, uid: bigint, gid: bigint, size: bigint, time: bigint, type: string, link: string, major: number, minor: number }} member */
function block(member) {
  const header = Buffer.alloc(512);
  const octal = (
    /** @type {bigint | number} */ value,
    /** @type {number} */ at,
    /** @type {number} */ digits,
  ) => header.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  header.write(member.name, 0, "latin1");
  octal(member.mode, 100, 7);
  octal(member.uid, 108, 7);
  octal(member.gid, 116, 7);
  octal(member.size, 124, 11);
  octal(member.time, 136, 11);
  header.write("        ", 148, "latin1");
  header.write(member.type, 156, "latin1");
  header.write(member.link, 157, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  octal(member.major, 329, 7);
  octal(member.minor, 337, 7);
  header.write(member.prefix, 345, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/**
 * Where a file has data, as its contents say: what file systems say differs from one to the next. Null where it has no
 * run of zeros worth it.
 * @param {Buffer} at
 * @param {number} size
 * @returns {[from: number, length: number][] | null}
 */
function dataOf(at, size) {
  const fd = openSync(at, "r");
  try {
    const window = Buffer.alloc(HOLE);
    const zeros = Buffer.alloc(HOLE);
    /** @type {[from: number, length: number][]} */
    const data = [];
    let begin = 0;
    for (let from = 0; from < size; from += HOLE) {
      const count = readFully(fd, window, from, Math.min(HOLE, size - from));
      if (window.compare(zeros, 0, count, 0, count) !== 0) continue;
      if (from > begin) data.push([begin, from - begin]);
      begin = from + count;
    }
    if (begin === 0 && data.length === 0) return null;
    data.push([begin, size - begin]);
    // Runs of zeros are pairs of neighbours: 0 bytes between them are none.
    return data.filter(([from, length]) => length > 0 || from === size);
  } finally {
    closeSync(fd);
  }
}

/**
 * The map of a sparse member: how many parts, then offset and length of each.
 * @param {number[][]} map
 */
function mapText(map) {
  const text = `${[map.length, ...map.flat()].join("\n")}\n`;
  return bytes(text.padEnd(Math.ceil(text.length / 512) * 512, "\0"));
}
