// Entries of a tree as a tar archive in the pax format (POSIX.1-2017, pax), for GNU tar to unpack: every entry with an
// extended header, so that no name, time or attribute is cut. By us, since names and values are bytes, which libraries take for
// text. It reads the files that it is given, and knows no layers.
import { createReadStream } from "node:fs";
import { devNull } from "node:os";
import { timeWord, type Entry } from "./entry.js";

/** Bytes in a block of a tar archive. */
const BLOCK = 512;

/** One letter a type, as tar has them; whatever is a name of a file that came before is `1`. */
const TYPES = { file: "0", symlink: "2", char: "3", block: "4", dir: "5", fifo: "6", socket: "6" } as const;

/** What is packed: an entry of a tree, or the mark of an overlay that something beneath is gone. */
export type Packed = Entry | { readonly whiteout: string };

/** The archive of the entries in their order. `fileOf` is where the bytes of a digest lie. Rejects with the system's error. */
export async function* archiveOf(
  entries: Iterable<Packed>,
  fileOf: (digest: string) => string,
): AsyncGenerator<Uint8Array> {
  const seen = new Set<string>();
  for (const packed of entries) {
    if ("whiteout" in packed) {
      yield header({ name: packed.whiteout, type: TYPES.char, mode: 0, size: 0 });
      continue;
    }
    const { group, path } = packed;
    if (group !== null && seen.has(group)) {
      yield pax([
        ["path", path],
        ["linkpath", group],
      ]);
      yield header({ name: path, type: "1", mode: packed.mode, size: 0 });
      continue;
    }
    if (group !== null) seen.add(group);
    yield pax(recordsOf(packed));
    const size = packed.type === "file" ? packed.size : 0;
    const { major = 0, minor = 0 } = "major" in packed ? packed : {};
    yield header({ name: path, type: TYPES[packed.type], mode: packed.mode, size, major, minor });
    if (packed.type !== "file") continue;
    yield* createReadStream(size === 0 ? devNull : fileOf(packed.digest)) as AsyncIterable<Buffer>;
    yield padding(size);
  }
  yield Buffer.alloc(2 * BLOCK);
}

type Record = readonly [name: string, value: string];

function recordsOf(entry: Entry): Record[] {
  return [
    ["path", entry.path === "" ? "." : entry.path],
    ["mtime", timeWord(entry.mtime)],
    ["uid", String(entry.uid)],
    ["gid", String(entry.gid)],
    ...(entry.type === "symlink" ? ([["linkpath", entry.target]] as const) : []),
    ...(entry.type === "file" ? ([["size", String(entry.size)]] as const) : []),
    ...[...entry.attributes].map(
      ([name, value]) =>
        [
          `SCHILY.xattr.${name.replace(/[%=]/g, (char) => (char === "%" ? "%25" : "%3D"))}`,
          Buffer.from(value, "hex").toString("latin1"),
        ] as const,
    ),
  ];
}

/** An extended header: `<length> <name>=<value>` lines, where the length counts itself. Strings are bytes. */
function pax(records: readonly Record[]): Buffer {
  const text = records
    .map(([name, value]) => {
      const rest = ` ${name}=${value}\n`;
      let length = rest.length + 1;
      while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
      return `${length}${rest}`;
    })
    .join("");
  const body = Buffer.from(text, "latin1");
  return Buffer.concat([
    header({ name: "pax", type: "x", mode: 0, size: body.length }),
    body,
    padding(body.length),
  ]);
}

interface Head {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly major?: number;
  readonly minor?: number;
}

/** What does not fit is in the extended header. */
function header({ name, type, mode, size, major = 0, minor = 0 }: Head): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    const text = value.toString(8).padStart(width - 1, "0");
    block.write(text.length < width ? text : "0".repeat(width - 1), at, "latin1");
  };
  block.write(name.slice(0, 100), 0, "latin1");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  octal(major, 329, 8);
  octal(minor, 337, 8);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

const padding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
