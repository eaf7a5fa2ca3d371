// The disk image $IMAGE in the format $FORMAT, into $OUT. qemu-img makes up identifiers and times, and has the name of its file
// in the image: these are written over with what comes from $ID, and the checksums over them are made again. PACKED: what the
// image is packed by, or empty. COMPRESS: not empty where it is wanted.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, renameSync, statSync, writeSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { Buffer } from "node:buffer";

const {
  IMAGE = "",
  OUT = "",
  FORMAT = "",
  COMPRESS = "",
  PACKED = "",
  ID = "",
  TMPDIR = "/tmp",
} = process.env;
/**
 * A UUID of our own making (RFC 9562, version 8), in the order of its bytes in most formats.
 * @param {number} which
 */
function uuid(which) {
  const bytes = createHash("sha256").update(`${ID} ${which}`).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes;
}

/** A file that is read and written in place. */
class Image {
  /** @param {string} path */
  constructor(path) {
    this.file = openSync(path, "r+");
  }
  /**
   * @param {number} at
   * @param {number} length
   */
  read(at, length) {
    const bytes = Buffer.alloc(length);
    const count = readSync(this.file, bytes, 0, length, at);
    if (count !== length) throw new Error(`the ${FORMAT} ends at ${at + count}, where more was expected`);
    return bytes;
  }
  /**
   * @param {number} at
   * @param {Buffer} bytes
   */
  write(at, bytes) {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.file, bytes, done, bytes.length - done, at + done);
    }
  }
}

/** How qemu-img makes each format, and what writes over what it made up. */
const FORMATS = {
  qcow2: {
    options: [],
    settle: () => {
      // Nothing in it is made up.
    },
  },
  vmdk: {
    options: ["-o", `subformat=${COMPRESS === "" ? "monolithicSparse" : "streamOptimized"}`],
    settle: vmdk,
  },
  vhdx: { options: ["-o", "subformat=dynamic"], settle: vhdx },
  // As large as it is, and not as cylinders, heads and sectors would have it.
  vhd: { options: ["-o", "subformat=dynamic,force_size=on"], settle: vhd },
  vdi: { options: [], settle: vdi },
};

/**
 * @param {string} name
 * @returns {name is keyof typeof FORMATS}
 */
const isFormat = (name) => Object.hasOwn(FORMATS, name);

/**
 * The descriptor is text in a place of its own: CID is made up, of one to eight digits.
 * @param {Image} image
 */
function vmdk(image) {
  const header = image.read(0, 512);
  const bytesIn = (/** @type {number} */ place) => Number(header.readBigUInt64LE(place)) * 512;
  const [at, length] = [bytesIn(28), bytesIn(36)];
  const [text = ""] = image.read(at, length).toString("latin1").split("\0");
  if (!/^CID=[0-9a-f]+$/m.test(text)) throw new Error("the vmdk has no CID where it was looked for");
  // FFFFFFFF says that there is none.
  const cid = (uuid(0).readUInt32BE(0) & 0x7fffffff).toString(16).padStart(8, "0");
  const bytes = Buffer.alloc(length);
  bytes.write(text.replace(/^CID=.*$/m, `CID=${cid}`), "latin1");
  image.write(at, bytes);
}

/**
 * Two headers with a count, a number of this file and one of its data, the number of the disk among the metadata, and a log, which
 * is empty as it was closed: what lies in it is no more of use.
 * @param {Image} image
 */
function vhdx(image) {
  const headers = [0x10000, 0x20000].map((at) => ({ at, header: image.read(at, 4096) }));
  // What they are counted by begins anywhere. The higher one counts.
  headers.sort((a, b) => (a.header.readBigUInt64LE(8) < b.header.readBigUInt64LE(8) ? -1 : 1));
  for (const [count, { at, header }] of headers.entries()) {
    if (header.toString("latin1", 0, 4) !== "head")
      throw new Error("the vhdx has no header where it was looked for");
    if (!header.subarray(48, 64).equals(Buffer.alloc(16)))
      throw new Error("the log of the vhdx was not closed");
    header.writeBigUInt64LE(BigInt(count + 1), 8);
    uuid(0).copy(header, 16);
    uuid(1).copy(header, 32);
    header.writeUInt32LE(0, 4);
    header.writeUInt32LE(crc32c(header), 4);
    image.write(at, header);
    const [length, place] = [header.readUInt32LE(68), Number(header.readBigUInt64LE(72))];
    image.write(place, Buffer.alloc(length));
  }
  const at = region(image, "8b7ca206-4790-4b9a-b8fe-575f050f886e");
  const table = image.read(at, 65_536);
  const entry = entries(table, 32, table.readUInt16LE(10)).find((one) =>
    one.subarray(0, 16).equals(mixed("beca12ab-b2e6-4523-93ef-c309e000c746")),
  );
  if (entry === undefined) throw new Error("the vhdx has no number of the disk among its metadata");
  image.write(at + entry.readUInt32LE(16), uuid(2));
}

/**
 * Where a region of a vhdx is.
 * @param {Image} image
 * @param {string} guid
 */
function region(image, guid) {
  const table = image.read(0x30000, 65_536);
  const found = entries(table, 16, table.readUInt32LE(8)).find((one) =>
    one.subarray(0, 16).equals(mixed(guid)),
  );
  if (found === undefined) throw new Error("the vhdx has no metadata");
  return Number(found.readBigUInt64LE(16));
}

/**
 * Entries of 32 bytes.
 * @param {Buffer} table
 * @param {number} from
 * @param {number} count
 */
const entries = (table, from, count) =>
  Array.from({ length: count }, (_, i) => table.subarray(from + i * 32, from + i * 32 + 32));

/**
 * A GUID as Microsoft writes it: the first three parts with their lowest byte first.
 * @param {string} text
 */
function mixed(text) {
  const bytes = Buffer.from(text.replaceAll("-", ""), "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/**
 * The footer, and its copy at the beginning: a time, a number, and a checksum over all of it.
 * @param {Image} image
 */
function vhd(image) {
  const { size } = statSync(made);
  for (const at of [0, size - 512]) {
    const footer = image.read(at, 512);
    if (footer.toString("latin1", 0, 8) !== "conectix")
      throw new Error("the vhd has no footer where it was looked for");
    footer.writeUInt32BE(0, 24);
    uuid(0).copy(footer, 68);
    footer.writeUInt32BE(0, 64);
    footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
    image.write(at, footer);
  }
}

/**
 * The number of the image, and that of its last change.
 * @param {Image} image
 */
function vdi(image) {
  if (image.read(64, 4).readUInt32LE(0) !== 0xbeda107f)
    throw new Error("the vdi has no header where it was looked for");
  image.write(392, uuid(0));
  image.write(408, uuid(1));
}

/**
 * CRC-32C (Castagnoli), as RFC 3720 has it.
 * @param {Buffer} bytes
 */
function crc32c(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  }
  return ~sum >>> 0;
}

const UNPACK = new Map([
  ["xz", "xz"],
  ["gz", "gzip"],
  ["zst", "zstd"],
]);

/** The image as it is. Where it is packed, what is all zeros becomes a hole. */
function plain() {
  if (PACKED === "") return IMAGE;
  const program = UNPACK.get(PACKED);
  if (program === undefined) throw new Error(`PACKED=${PACKED}`);
  const path = `${TMPDIR}/image.raw`;
  const script = '"$1" -q -dc -- "$2" | cp --sparse=always /dev/stdin "$3"';
  run(
    "bash",
    ["-eu", "-o", "pipefail", "-c", script, "bash", program, IMAGE, path],
    `unpack it by ${program}`,
  );
  return path;
}

/**
 * A program whose failure is said in words; it has said itself what is wrong.
 * @param {string} program
 * @param {readonly string[]} argv
 * @param {string} what
 */
function run(program, argv, what) {
  const { status, signal, error } = spawnSync(program, argv, { stdio: "inherit" });
  if (status === 0) return;
  refuse(`cannot ${what} (${error?.message ?? signal ?? `status ${status ?? "?"}`})`);
}

/**
 * @param {string} why
 * @returns {never}
 */
function refuse(why) {
  console.error(`${basename(IMAGE)}: ${why}`);
  process.exit(1);
}

/** What a file begins with that is no disk as it is, whatever its name says. A boot sector begins with none of these. */
const OTHERS = new Map([
  ["1f8b08", "packed by gzip"],
  ["fd377a585a00", "packed by xz"],
  ["28b52ffd", "packed by zstd"],
  ["425a68", "packed by bzip2"],
  ["4b444d56", "a vmdk"],
  ["7668647866696c65", "a vhdx"],
  ["636f6e6563746978", "a vhd"],
]);

/**
 * Refuses another format under a disk's name: as a disk its bytes would start nothing. Four letters alone are not believed of
 * qcow2 and vdi: a disk that a guest wrote them to is a disk.
 * @param {string} path
 */
function refuseOthers(path) {
  const begin = Buffer.alloc(512);
  const file = openSync(path, "r");
  const length = readSync(file, begin, 0, begin.length, 0);
  closeSync(file);
  const digits = begin.toString("hex", 0, length);
  const named = [...OTHERS].find(([magic]) => digits.startsWith(magic))?.[1];
  const clusters = begin.readUInt32BE(20);
  const isQcow =
    digits.startsWith("514649fb") &&
    [2, 3].includes(begin.readUInt32BE(4)) &&
    clusters >= 9 &&
    clusters <= 21;
  const found = named ?? (isQcow ? "a qcow2" : begin.readUInt32LE(64) === 0xbeda107f ? "a vdi" : undefined);
  if (found === undefined) return;
  const way = found.startsWith("packed")
    ? "give the file that makes it the suffix that says so (.img.xz, .img.gz, .img.zst)"
    : "make a disk image of it first, by run: qemu-img convert -O raw";
  refuse(`it is ${found}, not a disk image as it is: ${way}`);
}

if (!isFormat(FORMAT)) throw new Error(`FORMAT=${FORMAT}`);
// The name is in a vmdk: always the same.
const made = `${TMPDIR}/disk.${FORMAT}`;
const disk = plain();
refuseOthers(disk);
run(
  "qemu-img",
  [
    // What the image begins with says nothing to it: it may be a guest's, who wrote another format's header there.
    ...["convert", "-f", "raw", "-O", FORMAT === "vhd" ? "vpc" : FORMAT],
    ...(COMPRESS === "" ? [] : ["-c"]),
    ...FORMATS[FORMAT].options,
    ...["--", disk, made],
  ],
  `write the ${FORMAT}`,
);
const image = new Image(made);
FORMATS[FORMAT].settle(image);
closeSync(image.file);
renameSync(made, OUT);
