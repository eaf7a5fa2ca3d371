// A run with nothing to do, recognised by one stat an input: the record of an earlier run that found all up
// to date, for the same words on the command line. It imports nothing of weight, decides nothing itself,
// and whenever anything differs it answers "no" and leaves the work to the rest of the engine.
//
// The file: a magic, the header's length, the header as JSON, rows of five numbers (size, mtime, ctime, ino,
// mode; size -1 for a thing that was not there; mode with FOLLOWED added for what is looked at through symlinks), then
// the paths, each ended by a NUL, and a checksum of all that.
import { lstatSync, readFileSync, statSync } from "node:fs";
import { quickPath } from "../cache/layout.js";

/** First bytes of a record. */
export const MAGIC = "imagemake quick 5\n";

/** Last bytes of a record: its checksum, a little-endian number. */
export const CHECKSUM_BYTES = 4;

/**
 * A checksum of all but the last bytes. Cheap, as it stands in the way of every run with nothing to do; each step
 * loses nothing, so that no change of a single word goes unnoticed, and of others one in four thousand million does.
 */
export function checksum(record: Uint8Array): number {
  const length = record.length - CHECKSUM_BYTES;
  // Node reads small files into a shared pool, where numbers may lie unaligned: then they are copied.
  const [buffer, offset] =
    record.byteOffset % 4 === 0
      ? [record.buffer, record.byteOffset]
      : [record.buffer.slice(record.byteOffset, record.byteOffset + record.length), 0];
  const words = new Int32Array(buffer, offset, length >> 2);
  let sum = 0x811c9dc5 ^ length;
  for (let at = 0; at < words.length; at += 1) {
    sum = Math.imul(sum ^ (words[at] ?? 0), 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  for (let at = words.length * 4; at < length; at += 1) {
    sum = Math.imul(sum ^ (record[at] ?? 0), 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  return sum >>> 0;
}

/** How far a clock may be off, in milliseconds: by a time zone, say. A release is joined across that. */
export const CLOCKS_MS = 24 * 3600 * 1000;

/** Numbers in a row. */
export const COLUMNS = 5;

/** More than any mode. */
export const FOLLOWED = 0x10000;

/** What a record says beside its rows. */
export interface QuickHeader {
  /** The words it stands for, see `quickWords`. */
  readonly words: readonly string[];
  /** Digests of variables; null for what was not set. */
  readonly env: Readonly<Record<string, string | null>>;
  /** The caller's working directory, where the Imagefile asked for it. */
  readonly cwd: string | null;
  readonly release: {
    readonly datecode: string;
    readonly opened: number;
    /** Until when an implicit release is joined, in milliseconds since 1970; null for an explicit one. */
    readonly until: number | null;
  };
  readonly rows: number;
  /** The user's file of settings, which may lie elsewhere now; null for none. */
  readonly settings: string | null;
  /** A file of settings has it told otherwise than usual. */
  readonly told: boolean;
  /** False where some of what was decided rests on what no look can confirm: a command's word, a file too fresh to believe. */
  readonly sure: boolean;
}

/** A record that stands for the words and the circumstances of a run, with what is not as it was. */
export interface Looked {
  readonly header: QuickHeader;
  /** Tells this record from others. */
  readonly checksum: number;
  /** Relative to the Imagefile's directory. */
  readonly paths: readonly string[];
  readonly numbers: Float64Array;
  /** Rows that differ now. */
  readonly changed: readonly number[];
}

/** Whether there is nothing to do. */
export const isIdle = ({ header, changed }: Looked): boolean => header.sure && changed.length === 0;

/** A command line that the quick path understands. */
export interface QuickWords {
  readonly dir: string;
  readonly file: string;
  readonly question: boolean;
  readonly silent: boolean;
  /** False where more is to be said than the quick path can: the engine says it. */
  readonly plain: boolean;
  /** All that are no options, as they were typed: the first may be a command, so their order counts. */
  readonly words: readonly string[];
}

/** Options that say how a build is told, or that it is not to be done. */
const TOLD = /^(-n|-v|--dry-run|--verbose|--json|--no-wait|--(progress|events|trace)(=.*)?)$/s;

/** Reads the command line; null for anything but a build that believes what was built before. */
export function quickWords(argv: readonly string[]): QuickWords | null {
  let [dir, file, question, silent, plain] = [".", "Imagefile.ts", false, false, true];
  const words: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (word === "-C") dir = argv[(at += 1)] ?? "";
    else if (word === "-f") file = argv[(at += 1)] ?? "";
    else if (word === "-q" || word === "--question") question = true;
    else if (word === "-s" || word === "--quiet") silent = true;
    else if (word === "-j" || word === "--jobs") at += /^[1-9]\d*$/.test(argv[at + 1] ?? "") ? 1 : 0;
    // Where there is nothing to do, nothing is taken.
    else if (word === "--cache") at += 1;
    else if (/^-(j[1-9]\d*|k|-cache=.*)$/s.test(word)) continue;
    else if (TOLD.test(word)) {
      plain = false;
      if (/^--(progress|events|trace)$/.test(word)) at += 1;
    } else if (word.startsWith("-") || word === "") return null;
    else words.push(word);
  }
  return file.includes("/") ? null : { dir, file, question, silent, plain, words };
}

/** Name of the record's file for a line and words; collisions are harmless, the header holds the words. */
export function quickFile(graphs: string, file: string, words: readonly string[]): string {
  let hash = 0x811c9dc5;
  for (const char of JSON.stringify([file, ...words]))
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return quickPath(graphs, hash.toString(16));
}

/** What a record keeps of a variable: it may be a secret. Node's own crypto, loaded only where there are any. */
export const envDigest = (value: string | undefined): string | null =>
  value === undefined
    ? null
    : process.getBuiltinModule("node:crypto").createHash("sha256").update(value).digest("hex");

/**
 * The record of these words, held against what is there now; null where there is none, or circumstances are others. The
 * current directory must be the Imagefile's; `cwd` is the caller's.
 */
export function lookUp(graphs: string, command: QuickWords, now: number, cwd: string): Looked | null {
  let bytes: Buffer;
  try {
    const file = quickFile(graphs, command.file, command.words);
    // A pipe would never end.
    if (!lstatSync(file).isFile()) return null;
    bytes = readFileSync(file);
  } catch {
    return null;
  }
  const record = decode(bytes);
  if (record === null) return null;
  const { header, numbers, paths } = record;
  const { release } = header;
  if (JSON.stringify(header.words) !== JSON.stringify(command.words)) return null;
  if (release.until !== null && !(now < release.until)) return null;
  // A wrong clock opened it: the engine says so.
  if (release.until !== null && release.opened > now + CLOCKS_MS) return null;
  if (header.cwd !== null && header.cwd !== cwd) return null;
  for (const name of Object.keys(header.env))
    if (envDigest(process.env[name]) !== header.env[name]) return null;
  const changed: number[] = [];
  for (let row = 0; row < header.rows; row += 1)
    if (!isSame(paths[row] ?? "", numbers, row * COLUMNS)) changed.push(row);
  return { ...record, changed };
}

const missing = { throwIfNoEntry: false } as const;

/** Whether a path looks as the numbers from `at` on say. */
function isSame(path: string, numbers: Float64Array, at: number): boolean {
  const mode = numbers[at + 4] ?? 0;
  const followed = mode >= FOLLOWED;
  const stats = followed ? statSync(path, missing) : lstatSync(path, missing);
  if (stats === undefined) return numbers[at] === -1;
  return (
    stats.mtimeMs === numbers[at + 1] &&
    stats.size === numbers[at] &&
    stats.ctimeMs === numbers[at + 2] &&
    stats.ino === numbers[at + 3] &&
    stats.mode === (followed ? mode - FOLLOWED : mode)
  );
}

/** Takes a record apart; null when it is not whole. */
function decode(bytes: Buffer): Omit<Looked, "changed"> | null {
  const start = MAGIC.length + 8;
  if (bytes.length < start + CHECKSUM_BYTES || bytes.toString("latin1", 0, MAGIC.length) !== MAGIC)
    return null;
  const paths = bytes.length - CHECKSUM_BYTES;
  const sum = bytes.readUInt32LE(paths);
  if (sum !== checksum(bytes)) return null;
  const length = bytes.readUInt32LE(MAGIC.length);
  const rowsAt = bytes.readUInt32LE(MAGIC.length + 4);
  const header = JSON.parse(bytes.toString("utf8", start, start + length)) as QuickHeader;
  const end = rowsAt + header.rows * COLUMNS * 8;
  const offset = bytes.byteOffset + rowsAt;
  const numbers =
    offset % 8 === 0
      ? new Float64Array(bytes.buffer, offset, header.rows * COLUMNS)
      : new Float64Array(bytes.buffer.slice(offset, offset + header.rows * COLUMNS * 8));
  return { header, checksum: sum, numbers, paths: bytes.toString("utf8", end, paths).split("\0") };
}
