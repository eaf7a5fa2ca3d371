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
 * The package's build-date where it has that property (xbps stopped writing it), else the newest time of its
 * files, which is the date of the sources. In seconds since 1970; 0 for a package without files.
 */
export function buildDate(file: string): Promise<number> {
  const date = known.get(file) ?? readDate(file);
  known.set(file, date);
  return date;
}

async function readDate(file: string): Promise<number> {
  // The properties come first, so little is unpacked.
  const props = await tar(file, ["--extract", "--to-stdout", "--occurrence=1"], ["./props.plist"]);
  const said = property(props, "build-date", 1);
  const stated = said === null ? NaN : Date.parse(said.replace(/^(\S+) (\S+) UTC$/, "$1T$2Z"));
  if (!Number.isNaN(stated)) return Math.floor(stated / 1000);
  const listing = await tar(file, ["--list", "--verbose", "--full-time", "--quoting-style=escape"], []);
  let newest = 0;
  for (const [, day = "", time = ""] of listing.matchAll(/^\S+ \S+ +\d+ (\S+) ([\d:]+) /gm)) {
    newest = Math.max(newest, Math.floor(Date.parse(`${day}T${time}Z`) / 1000) || 0);
  }
  return newest;
}

async function tar(file: string, options: readonly string[], members: readonly string[]): Promise<string> {
  const context = { scratch: "/", signal: new AbortController().signal };
  const ran = await run(["tar", ...options, "--file", file, ...members], context, { cwd: "/" });
  if (!ran.ok) throw new Error(ran.problem.message);
  if (ran.value.status !== 0) throw new Error(`${file} is not a package of xbps`);
  return ran.value.stdout;
}
