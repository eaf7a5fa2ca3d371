// A .deb as a file: its name, and when it was built. It reads headers only.
import { open } from "node:fs/promises";
import type { Named } from "../package.js";

/** `name_version_arch.deb` as apt calls the file in its archives: of a version's marks only ":" is encoded. */
export const fileName = (pkg: Named): string =>
  `${pkg.name}_${pkg.version.replace(/[%_:]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`)}_${pkg.arch}.deb`;

/** The package that a file of apt's archives holds; null for another name. */
export function parseFileName(file: string): Named | null {
  const [, name, version, arch] = /^([^_]+)_([^_]+)_([^_]+)\.deb$/.exec(file) ?? [];
  if (name === undefined || version === undefined || arch === undefined) return null;
  return { name: decodeURIComponent(name), version: decodeURIComponent(version), arch };
}

const MAGIC = "!<arch>\n";
/** An ar member's header (ar(5)): 16 bytes name, 12 mtime, 6 uid, 6 gid, 8 mode, 10 size, 2 end. */
const HEADER = 60;

/** The newest time in the headers of the archive's members, in seconds since 1970. */
export async function buildDate(file: string): Promise<number> {
  const handle = await open(file);
  try {
    const buffer = Buffer.alloc(HEADER);
    const read = async (length: number, at: number): Promise<string> => {
      const { bytesRead } = await handle.read(buffer, 0, length, at);
      return buffer.toString("latin1", 0, bytesRead);
    };
    if ((await read(MAGIC.length, 0)) !== MAGIC) throw new Error(`${file} is not a Debian package`);
    let newest = 0;
    for (let at = MAGIC.length; ;) {
      const header = await read(HEADER, at);
      if (header.length < HEADER) return newest;
      newest = Math.max(newest, Number.parseInt(header.slice(16, 28), 10) || 0);
      const size = Number.parseInt(header.slice(48, 58), 10) || 0;
      at += HEADER + size + (size % 2);
    }
  } finally {
    await handle.close();
  }
}
