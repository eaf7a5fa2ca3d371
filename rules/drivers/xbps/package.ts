// A package file: its name, and when it was built.
import { asking, once, type Named } from "../package.js";
import { property } from "./plist.js";
import { run } from "./run.js";

/** `name-version_revision.arch.xbps`. */
export const fileName = (pkg: Named): string => `${pkg.name}-${pkg.version}.${pkg.arch}.xbps`;

const FIRST = ["--extract", "--to-stdout", "--occurrence=1"] as const;
/** Times of members in full, and names on one line each. */
const LISTING = ["--list", "--verbose", "--full-time", "--quoting-style=escape"] as const;

const tar = asking(run, "xbps");

/**
 * The package's build-date where it has that property (xbps stopped writing it), else the newest time of its
 * files, which is the date of the sources. In seconds since 1970; 0 for a package without files.
 */
export const buildDate = once(async (file: string): Promise<number> => {
  // The properties come first, so little is unpacked.
  const props = await tar(file, "tar", ...FIRST, "--file", file, "./props.plist");
  const said = property(props, "build-date", 1);
  const stated = said === null ? NaN : Date.parse(said.replace(/^(\S+) (\S+) UTC$/, "$1T$2Z"));
  if (!Number.isNaN(stated)) return Math.floor(stated / 1000);
  const listing = await tar(file, "tar", ...LISTING, "--file", file);
  let newest = 0;
  for (const [, day = "", time = ""] of listing.matchAll(/^\S+ \S+ +\d+ (\S+) ([\d:]+) /gm)) {
    newest = Math.max(newest, Math.floor(Date.parse(`${day}T${time}Z`) / 1000) || 0);
  }
  return newest;
});
