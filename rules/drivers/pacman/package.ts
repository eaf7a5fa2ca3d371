// A package file: its name in `repo/`, and when it was built.
import { asking, once, type Named } from "../package.js";
import { run } from "./run.js";

/** `name-version-arch.pkg.tar`: pacman looks into a file to see how it is compressed. */
export const fileName = (pkg: Named): string => `${pkg.name}-${pkg.version}-${pkg.arch}.pkg.tar`;

const bsdtar = asking(run, "pacman");

/** What the package says of itself, in seconds since 1970; 0 where it says nothing. */
export const buildDate = once(async (file: string): Promise<number> => {
  // The first member that has the name is the last that is looked at.
  const info = await bsdtar(file, "bsdtar", ...FIRST, "--file", file, ".PKGINFO");
  return Number(/^builddate = (\d+)$/m.exec(info)?.[1] ?? 0);
});

const FIRST = ["--extract", "--fast-read", "--to-stdout"] as const;
