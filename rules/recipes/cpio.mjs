// What varies from build to build in an initial RAM file system, taken out: times after the epoch, inode and device numbers,
// links of directories; in cpio archives ("newc"), plain or in xz. What is packed otherwise stays as it is. It changes
// neither names nor contents. Shared by recipes that keep one.
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import process from "node:process";

const epoch = Number(process.env.SOURCE_DATE_EPOCH);
const MAGIC = Buffer.from("070701");
const XZ = Buffer.from("fd377a585a00", "hex");
const HEADER = 110;
const DIRECTORY = 0o040000;
// The kernel knows no other check; the dictionary is dracut's. Blocks are the same on any number of cores.
const COMPRESS = ["--check=crc32", "--lzma2=dict=1MiB", "-T0"];

/**
 * One archive after the other; what follows in xz is the last.
 * @param {Buffer} image
 * @returns {Buffer}
 */
export function settled(image) {
  let at = 0;
  while (at < image.length) {
    if (image[at] === 0) at += 1;
    else if (starts(image, at, MAGIC)) at = settleArchive(image, at);
    else if (starts(image, at, XZ)) {
      const inner = settled(xz(["-dc"], image.subarray(at)));
      return Buffer.concat([image.subarray(0, at), xz(["-c", ...COMPRESS], inner)]);
    } else return image;
  }
  return image;
}

/**
 * Changes the headers of the archive that begins at `start`, in place; returns where it ends.
 * @param {Buffer} image
 * @param {number} start
 * @returns {number}
 */
function settleArchive(image, start) {
  /** @type {Map<string, number>} */
  const inodes = new Map();
  const aligned = (/** @type {number} */ at) => start + Math.ceil((at - start) / 4) * 4;
  let at = start;
  while (starts(image, at, MAGIC)) {
    const here = at;
    const field = (/** @type {number} */ i) =>
      parseInt(image.toString("latin1", here + 6 + 8 * i, here + 14 + 8 * i), 16);
    const set = (/** @type {number} */ i, /** @type {number} */ value) =>
      image.write(value.toString(16).toUpperCase().padStart(8, "0"), here + 6 + 8 * i, "latin1");
    const name = image.toString("latin1", at + HEADER, at + HEADER + field(11) - 1);
    at = aligned(aligned(at + HEADER + field(11)) + field(6));
    if (name === "TRAILER!!!") return at;
    const file = `${field(7)}:${field(8)}:${field(0)}`;
    const number = inodes.get(file) ?? inodes.size + 1;
    inodes.set(file, number);
    set(0, number);
    if ((field(1) & 0o170000) === DIRECTORY) set(4, 2);
    set(5, Math.min(field(5), epoch));
    set(7, 0);
    set(8, 0);
  }
  return fail(`an archive has no end (after ${at} bytes)`);
}

/**
 * @param {Buffer} image
 * @param {number} at
 * @param {Buffer} bytes
 */
function starts(image, at, bytes) {
  return image.subarray(at, at + bytes.length).equals(bytes);
}

/**
 * @param {string[]} words
 * @param {Buffer} input
 */
function xz(words, input) {
  const { status, stdout, stderr, error } = spawnSync("xz", words, { input, maxBuffer: 4 * 1024 ** 3 });
  if (status !== 0) fail(`xz ${words.join(" ")} failed: ${error?.message ?? stderr.toString()}`);
  return stdout;
}

/**
 * @param {string} why
 * @returns {never}
 */
function fail(why) {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}
