// Reads single stanzas out of a snapshot's Packages files, and writes the packages that a tree holds as a
// dpkg status file. It does not resolve anything.
import { open, readdir, type FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import { addTo } from "../../../cache/grouped.js";
import type { Package } from "../../../engine/packages/driver.js";
import { LISTS } from "./config.js";

/** Where a stanza lies, in bytes. */
interface Place {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** The stanzas of a snapshot, by package name. */
export type Stanzas = ReadonlyMap<string, readonly Place[]>;

/** The last snapshot asked for: a run resolves many lists in one. Snapshots never change. */
let last: { readonly dir: string; readonly stanzas: Stanzas } | null = null;

/** All stanzas of the snapshot in `dir`; some 80 ms for 63,000 packages the first time. */
export async function stanzasOf(dir: string): Promise<Stanzas> {
  if (last?.dir !== dir) last = { dir, stanzas: await scan(join(dir, LISTS)) };
  return last.stanzas;
}

async function scan(lists: string): Promise<Stanzas> {
  const stanzas = new Map<string, Place[]>();
  for (const name of (await readdir(lists)).sort()) {
    if (!name.endsWith("_Packages")) continue;
    const file = join(lists, name);
    const handle = await open(file);
    try {
      scanText(await handle.readFile(), file, stanzas);
    } finally {
      await handle.close();
    }
  }
  return stanzas;
}

function scanText(text: Buffer, file: string, into: Map<string, Place[]>): void {
  const field = "Package: ";
  for (let start = 0; start < text.length;) {
    const gap = text.indexOf("\n\n", start, "latin1");
    const end = gap === -1 ? text.length : gap;
    // Package is the first field in every index; if not, it is looked for.
    const first = text.toString("latin1", start, start + field.length) === field;
    const at = first ? start : text.indexOf(`\n${field}`, start, "latin1") + 1;
    if (first || (at > start && at < end)) {
      const stop = text.indexOf(10, at);
      const name = text.toString("latin1", at + field.length, stop === -1 ? end : stop).trimEnd();
      const place = { file, start, end };
      const known = into.get(name);
      if (known === undefined) into.set(name, [place]);
      else known.push(place);
    }
    start = end + 2;
  }
}

/** The files of lists, without their directory, in which packages are, by SHA-256. */
export async function listsWith(
  packages: readonly Package[],
  dir: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const stanzas = await stanzasOf(dir);
  const found = new Map<string, string[]>();
  await reading(async (read) => {
    for (const { name, sha256 } of packages)
      for (const place of stanzas.get(name) ?? [])
        if ((await read(place)).get("SHA256") === sha256) addTo(found, sha256, basename(place.file));
  });
  return found;
}

/** Runs `work` with a way to read stanzas. */
async function reading<T>(
  work: (read: (place: Place) => Promise<Map<string, string>>) => Promise<T>,
): Promise<T> {
  const handles = new Map<string, FileHandle>();
  const read = async (place: Place): Promise<Map<string, string>> => {
    const handle = handles.get(place.file) ?? (await open(place.file));
    handles.set(place.file, handle);
    const buffer = Buffer.alloc(place.end - place.start);
    await handle.read(buffer, 0, buffer.length, place.start);
    return fields(buffer.toString("utf8"));
  };
  try {
    return await work(read);
  } finally {
    await Promise.all([...handles.values()].map((handle) => handle.close()));
  }
}

/** The fields of a stanza, continuation lines included, by name. */
function fields(stanza: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of stanza.matchAll(/^([A-Za-z0-9][\w-]*):[ \t]*(.*(?:\n[ \t].*)*)/gm)) {
    found.set(match[1] ?? "", match[2] ?? "");
  }
  return found;
}

/**
 * What the resolver must know of an installed package: what it stands for and what it cannot stand beside.
 * Not what it depends on: the tree beneath is taken as it is, so that a package which the snapshot has no
 * more cannot make the others look broken.
 */
const KEPT = ["Multi-Arch", "Essential", "Provides", "Conflicts", "Breaks"];
/** What a package most likely shares with another version of itself. */
const BORROWED = ["Multi-Arch", "Essential", "Provides"];

/** What a tree holds, for apt. */
export interface Status {
  readonly text: string;
  /** The packages whose stanzas were made up. */
  readonly made: readonly Package[];
}

/**
 * A dpkg status file in which `packages` are installed and on hold. A package whose exact version the
 * snapshot does not have gets a stanza made up of its name, version and architecture, and `Provides` and
 * `Multi-Arch` of whatever other version is there; its conflicts are then unknown to the resolver.
 */
export async function statusFile(packages: readonly Package[], dir: string): Promise<Status> {
  if (packages.length === 0) return { text: "", made: [] };
  const stanzas = await stanzasOf(dir);
  const written: string[] = [];
  const made: Package[] = [];
  await reading(async (read) => {
    for (const pkg of packages) {
      const known: Map<string, string>[] = [];
      for (const place of stanzas.get(pkg.name) ?? []) known.push(await read(place));
      const exact = known.find(
        (one) => one.get("Version") === pkg.version && one.get("Architecture") === pkg.arch,
      );
      if (exact === undefined) made.push(pkg);
      const from = exact ?? known[0] ?? new Map<string, string>();
      written.push(installed(pkg, from, exact === undefined ? BORROWED : KEPT));
    }
  });
  return { text: written.join("\n"), made };
}

function installed(pkg: Package, from: ReadonlyMap<string, string>, kept: readonly string[]): string {
  const lines = [
    `Package: ${pkg.name}`,
    "Status: hold ok installed",
    `Version: ${pkg.version}`,
    `Architecture: ${pkg.arch}`,
  ];
  for (const name of kept) {
    const value = from.get(name);
    if (value !== undefined) lines.push(`${name}: ${value}`);
  }
  return `${lines.join("\n")}\n`;
}
