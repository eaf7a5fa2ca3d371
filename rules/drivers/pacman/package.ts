// A package file: its name in `repo/`, and when it was built.
import type { Package } from "../../../engine/packages/driver.js";
import { run } from "./run.js";

type Named = Pick<Package, "name" | "version" | "arch">;

/** `name-version-arch.pkg.tar`: pacman looks into a file to see how it is compressed. */
export const fileName = (pkg: Named): string => `${pkg.name}-${pkg.version}-${pkg.arch}.pkg.tar`;

/** Files never change under their names, which are digests; every action asks again. */
const known = new Map<string, Promise<number>>();

/** What the package says of itself, in seconds since 1970; 0 where it says nothing. */
export function buildDate(file: string): Promise<number> {
  const date = known.get(file) ?? readDate(file);
  known.set(file, date);
  return date;
}

async function readDate(file: string): Promise<number> {
  const context = { scratch: "/", signal: new AbortController().signal };
  // The first member that has the name is the last that is looked at.
  const argv = ["bsdtar", "--extract", "--fast-read", "--to-stdout", "--file", file, ".PKGINFO"] as const;
  const ran = await run(argv, context, { cwd: "/" });
  if (!ran.ok) throw new Error(ran.problem.message);
  if (ran.value.status !== 0) throw new Error(`${file} is not a package of pacman`);
  return Number(/^builddate = (\d+)$/m.exec(ran.value.stdout)?.[1] ?? 0);
}
