// One line of a manifest: a path of a tree and everything about it that is content. Names, targets and attribute
// names are bytes, held as strings of one character a byte. It reads no file.

/** Extended attributes by name; values in lower-case hexadecimal. */
export type Attributes = ReadonlyMap<string, string>;

interface Common {
  /** Relative to the root, without a leading slash; empty for the root itself. Bytes. */
  readonly path: string;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  readonly attributes: Attributes;
  /** First path of the group of hard links this belongs to; null where it is alone. */
  readonly group: string | null;
}

/** What a tree holds at one path. Sizes in bytes, digests SHA-256. */
export type Entry = Common &
  (
    | { readonly type: "dir" | "fifo" | "socket" }
    | { readonly type: "file"; readonly size: number; readonly digest: string }
    | { readonly type: "symlink"; readonly target: string }
    | { readonly type: "char" | "block"; readonly major: number; readonly minor: number }
  );

export type EntryType = Entry["type"];

/** One letter each, as `find -type` has them. */
const LETTERS = { dir: "d", file: "f", symlink: "l", char: "c", block: "b", fifo: "p", socket: "s" } as const;

/** Bytes that would end a word, or could not be seen; the backslash, because it escapes. */
const UNSAFE = /[^!-[\]-~]/g;
const UNSAFE_IN_NAME = /[^!-<>-[\]-~]/g;
const ESCAPE = /\\x([0-9a-f]{2})/g;

const hex = (char: string): string => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;

/** Bytes as one printable word. */
export const escapeBytes = (bytes: string): string => bytes.replace(UNSAFE, hex);

/** The bytes of a word. */
export const unescapeBytes = (word: string): string =>
  word.includes("\\")
    ? word.replace(ESCAPE, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    : word;

/** The root is written as a dot; no other path can be one. */
export const pathWord = (path: string): string => (path === "" ? "." : escapeBytes(path));
export const pathOfWord = (word: string): string => (word === "." ? "" : unescapeBytes(word));

/** The directory a path lies in; the root's is the root. */
export const dirOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** Nanoseconds in a second. */
export const BILLION = 1_000_000_000n;

/** Seconds, and nine digits of nanoseconds where there are any; before 1970 the fraction still counts upwards. */
export function timeWord(mtime: bigint): string {
  const fraction = ((mtime % BILLION) + BILLION) % BILLION;
  const seconds = (mtime - fraction) / BILLION;
  return fraction === 0n ? seconds.toString() : `${seconds}.${fraction.toString().padStart(9, "0")}`;
}

function timeOfWord(word: string): bigint {
  const [seconds = "0", fraction = "0"] = word.split(".");
  return BigInt(seconds) * BILLION + BigInt(fraction);
}

/**
 * Everything of an entry but its path and its group, as words:
 * `<letter><mode> <uid>:<gid> <mtime> [<size> <digest> | <target> | <major>:<minor>] [@<attribute>=<hex>]…`.
 */
export function encodeBody(entry: Entry): string {
  const words = [
    `${LETTERS[entry.type]}${entry.mode.toString(8).padStart(4, "0")} ${entry.uid}:${entry.gid} ${timeWord(entry.mtime)}`,
  ];
  switch (entry.type) {
    case "file":
      words.push(String(entry.size), entry.digest);
      break;
    case "symlink":
      words.push(escapeBytes(entry.target));
      break;
    case "char":
    case "block":
      words.push(`${entry.major}:${entry.minor}`);
      break;
    case "dir":
    case "fifo":
    case "socket":
  }
  for (const name of [...entry.attributes.keys()].sort()) {
    words.push(`@${name.replace(UNSAFE_IN_NAME, hex)}=${entry.attributes.get(name) ?? ""}`);
  }
  return words.join(" ");
}

/** The entry that `encodeBody` wrote; throws on a line it cannot have written. */
export function decodeBody(path: string, body: string, group: string | null): Entry {
  const words = body.split(" ");
  const head = words[0] ?? "";
  const [uid, gid] = pair(words[1]);
  const type = typeOfBody(body);
  const rest = words.slice(3);
  const common = (own: number) => ({
    path,
    mode: parseInt(head.slice(1), 8),
    uid,
    gid,
    mtime: timeOfWord(words[2] ?? ""),
    // After the words that belong to the type.
    attributes: decodeAttributes(rest.slice(own)),
    group,
  });
  switch (type) {
    case "file":
      return { ...common(2), type, size: Number(rest[0]), digest: rest[1] ?? "" };
    case "symlink":
      return { ...common(1), type, target: unescapeBytes(rest[0] ?? "") };
    case "char":
    case "block": {
      const [major, minor] = pair(rest[0]);
      return { ...common(1), type, major, minor };
    }
    case "dir":
    case "fifo":
    case "socket":
      return { ...common(0), type };
  }
}

const TYPES: ReadonlyMap<string, EntryType> = new Map([
  [LETTERS.dir, "dir"],
  [LETTERS.file, "file"],
  [LETTERS.symlink, "symlink"],
  [LETTERS.char, "char"],
  [LETTERS.block, "block"],
  [LETTERS.fifo, "fifo"],
  [LETTERS.socket, "socket"],
]);

/** The type alone, without decoding the rest. */
export function typeOfBody(body: string): EntryType {
  const type = TYPES.get(body.charAt(0));
  if (type === undefined) throw new Error(`not a manifest line: ${body}`);
  return type;
}

function pair(word: string | undefined): [number, number] {
  const [first, second] = (word ?? "").split(":");
  return [Number(first), Number(second)];
}

function decodeAttributes(words: readonly string[]): Attributes {
  const attributes = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf("=");
    attributes.set(unescapeBytes(word.slice(1, at)), word.slice(at + 1));
  }
  return attributes;
}
