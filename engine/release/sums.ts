// Checksum files in BSD's and GNU's form, and a collected directory held against one.
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hashFile } from "../../cache/hash.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { SumsForm } from "./record.js";

/** Name → digest in lower-case hexadecimal. */
export type Sums = ReadonlyMap<string, string>;

/** The text of a checksum file, sorted by name. */
export const sumsText = (sums: Sums, form: SumsForm): string =>
  [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, digest]) => (form === "bsd" ? `SHA256 (${name}) = ${digest}\n` : `${digest}  ${name}\n`))
    .join("");

/** Reads either form. A name with a directory in it is refused. */
export function readSums(text: string, file: string): Result<Sums> {
  const sums = new Map<string, string>();
  for (const line of text.split("\n").filter((one) => one !== "")) {
    const bsd = /^SHA256 \((.+)\) = ([0-9a-f]{64})$/.exec(line);
    const gnu = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    const [name, digest] = bsd === null ? [gnu?.[2], gnu?.[1]] : [bsd[1], bsd[2]];
    if (name === undefined || digest === undefined || name.includes("/"))
      return fail(Exit.failed, `${file} has a line that is no checksum: ${line}`);
    sums.set(name, digest);
  }
  return sums.size === 0 ? fail(Exit.failed, `${file} lists no file`) : ok(sums);
}

/** What differs between a directory and its checksums, one sentence each; `besides` may be there as well. */
export async function compareWithSums(
  dir: string,
  sums: Sums,
  besides: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const [name, digest] of sums) {
    const stats = lstatSync(join(dir, name), { throwIfNoEntry: false });
    if (stats === undefined) found.push(`${name} is missing`);
    else if (!stats.isFile()) found.push(`${name} is no regular file`);
    else if ((await hashFile(join(dir, name), stats.size)) !== digest)
      found.push(`${name} is not what its checksum says`);
  }
  const known = new Set([...sums.keys(), ...besides]);
  for (const name of readdirSync(dir).sort()) if (!known.has(name)) found.push(`${name} is in no checksum`);
  return found;
}
