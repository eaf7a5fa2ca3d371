// A package file: its name, and when it was built.
import type { Package } from "../../../engine/packages/driver.js";
import { property } from "./plist.js";
import { run } from "./run.js";

type Named = Pick<Package, "name" | "version" | "arch">;

/** `name-version_revision.arch.xbps`. */
export const fileName = (pkg: Named): string => `${pkg.name}-${pkg.version}.${pkg.arch}.xbps`;

/** Files never change under their names, which are digests; every action asks again. */
const known = new Map<string, Promise<number>>();

/**
 * The package's build-date where it has that property (xbps stopped writing it), else the newest time among its
 * files, which xbps-src sets to the date of the sources. In seconds since 1970; 0 for a package without files.
 */
export function buildDate(file: string): Promise<number> {
  const date = known.get(file) ?? readDate(file);
  known.set(file, date);
  return date;
}

async function readDate(file: string): Promise<number> {
  // Both come first, so little is unpacked.
  const argv = ["tar", "--extract", "--to-stdout", "--occurrence=1", "--file", file] as const;
  const context = { scratch: "/", signal: new AbortController().signal };
  const ran = await run([...argv, "./props.plist", "./files.plist"], context, { cwd: "/" });
  if (!ran.ok) throw new Error(ran.problem.message);
  if (ran.value.status !== 0) throw new Error(`${file} is not a package of xbps`);
  const said = property(ran.value.stdout, "build-date", 1);
  const stated = said === null ? NaN : Date.parse(said.replace(/^(\S+) (\S+) UTC$/, "$1T$2Z"));
  if (!Number.isNaN(stated)) return Math.floor(stated / 1000);
  let newest = 0;
  for (const match of ran.value.stdout.matchAll(/<key>mtime<\/key>\s*<integer>(\d+)<\/integer>/g)) {
    newest = Math.max(newest, Number(match[1]));
  }
  return newest;
}
