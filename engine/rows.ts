// The rows of a record while it is put together, and the record's bytes, which quick.ts reads.
import { relative } from "node:path";
import type { Stamp } from "../cache/index.js";
import {
  checksum,
  CHECKSUM_BYTES,
  COLUMNS,
  FOLLOWED,
  MAGIC,
  type Looked,
  type QuickHeader,
} from "./quick.js";

const NOTHING: Stamp = { size: -1, mtime: 0, ctime: 0, ino: 0, mode: 0 };

/** A size that no file has, and that does not say either that there is none. */
const NEVER = -2;

/** Rows, each with a number. A path has one through links and one as it is. */
export class Rows {
  readonly paths: string[] = [];
  readonly #numbers: number[] = [];
  readonly #followed = new Map<string, number>();
  readonly #plain = new Map<string, number>();
  /** Of the earlier record, what number each row has here; -1 for none yet. */
  readonly #kept: Int32Array;

  /** `dir`: what paths are relative to. `earlier`: a record, some of whose rows are kept. */
  constructor(
    private readonly dir: string,
    private readonly earlier: Pick<Looked, "header" | "paths" | "numbers"> | null,
  ) {
    this.#kept = new Int32Array(earlier?.header.rows ?? 0).fill(-1);
  }

  /** The number of the row of something that was looked at. Where it is said to have looked in two ways, neither is believed. */
  add(path: string, stamp: Stamp | null, followed: boolean): number {
    const { size, mtime, ctime, ino, mode } = stamp ?? NOTHING;
    const numbers = [size, mtime, ctime, ino, mode + (followed ? FOLLOWED : 0)];
    const rows = followed ? this.#followed : this.#plain;
    const name = relative(this.dir, path);
    const row = rows.get(name);
    if (row !== undefined) return this.#agree(row, numbers);
    rows.set(name, this.paths.length);
    return this.#push(name, numbers);
  }

  /** The number of a row of the earlier record, each of which is for another path. All that is new was added before. */
  keep(at: number): number {
    const known = this.#kept[at] ?? -1;
    if (known >= 0 || this.earlier === null) return known;
    const name = this.earlier.paths[at] ?? "";
    const numbers = this.earlier.numbers.subarray(at * COLUMNS, (at + 1) * COLUMNS);
    const row = ((numbers[4] ?? 0) >= FOLLOWED ? this.#followed : this.#plain).get(name);
    const kept = row === undefined ? this.#push(name, numbers) : this.#agree(row, numbers);
    this.#kept[at] = kept;
    return kept;
  }

  /** Whether a row of the earlier record is of something that was looked at again. */
  isNew(at: number): boolean {
    const followed = (this.earlier?.numbers[at * COLUMNS + 4] ?? 0) >= FOLLOWED;
    return (followed ? this.#followed : this.#plain).has(this.earlier?.paths[at] ?? "");
  }

  #push(name: string, numbers: ArrayLike<number>): number {
    for (let at = 0; at < COLUMNS; at += 1) this.#numbers.push(numbers[at] ?? 0);
    return this.paths.push(name) - 1;
  }

  #agree(row: number, numbers: ArrayLike<number>): number {
    for (let at = 0; at < COLUMNS; at += 1)
      if (this.#numbers[row * COLUMNS + at] !== numbers[at]) this.#numbers[row * COLUMNS] = NEVER;
    return row;
  }

  /** The whole record. */
  encode(header: QuickHeader): Buffer {
    const text = Buffer.from(JSON.stringify(header));
    const start = MAGIC.length + 8;
    const rowsAt = Math.ceil((start + text.length) / 8) * 8;
    const head = Buffer.alloc(rowsAt);
    head.write(MAGIC, "latin1");
    head.writeUInt32LE(text.length, MAGIC.length);
    head.writeUInt32LE(rowsAt, MAGIC.length + 4);
    text.copy(head, start);
    const numbers = Buffer.from(Float64Array.from(this.#numbers).buffer);
    const tail = Buffer.from(`${this.paths.join("\0")}\0`);
    const record = Buffer.concat([head, numbers, tail, Buffer.alloc(CHECKSUM_BYTES)]);
    record.writeUInt32LE(checksum(record), record.length - CHECKSUM_BYTES);
    return record;
  }
}
