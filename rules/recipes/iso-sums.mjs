// Digests of what comes into a live image: $PAIRS is the file with its places and what comes there, each ended by a NUL.
// `id`: one of the smaller files together, and of the texts that follow. `sha256`, `md5`: a line for each file, as the program of
// that name with `sum` takes them at the top of the medium, of the directory $TOP too.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";

const { PAIRS = "", TOP = "" } = process.env;
const [what = "", ...texts] = process.argv.slice(2);
/** What is read to tell one medium from another. Bytes. */
const SMALL = 256 * 1024 ** 2;
/** It holds where it lies in the image. */
const MOVES = "isolinux/isolinux.bin";

/**
 * Files beneath a directory, or the file itself. A character is a byte: names need not be UTF-8.
 * @param {string} at
 * @param {string} from
 * @returns {{ at: string, from: string }[]}
 */
function files(at, from) {
  const stats = lstatSync(bytes(from));
  if (stats.isFile()) return [{ at, from }];
  if (!stats.isDirectory()) return [];
  return readdirSync(bytes(from), { encoding: "latin1" })
    .sort()
    .flatMap((name) => files(join(at, name), join(from, name)));
}

/** @param {string} text */
const bytes = (text) => Buffer.from(text, "latin1");

const words = readFileSync(PAIRS, "latin1").split("\0").slice(0, -1);
const all = words.flatMap((at, i) => (i % 2 === 0 ? files(at, words[i + 1] ?? "") : []));

if (what === "id") {
  const hash = createHash("sha256");
  for (const { at, from } of all) {
    const { size } = lstatSync(bytes(from));
    hash.update(`${at} ${size}\n`);
    if (size < SMALL) await pipeline(createReadStream(bytes(from)), hash, { end: false });
  }
  process.stdout.write(`${hash.update(texts.join("\n")).digest("hex").slice(0, 32)}\n`);
} else {
  for (const { at, from } of [...all, ...files(".", Buffer.from(TOP).toString("latin1"))]) {
    if (at === MOVES) continue;
    const hash = createHash(what);
    await pipeline(createReadStream(bytes(from)), hash);
    // As the programs escape names.
    const name = at.replace(/[\\\n\r]/g, (one) => ({ "\\": "\\\\", "\n": "\\n", "\r": "\\r" })[one] ?? one);
    process.stdout.write(bytes(`${name === at ? "" : "\\"}${hash.digest("hex")}  ./${name}\n`));
  }
}
