// A package file: its name in `repo/`, and when it was built.
import type { Package } from "../../../engine/packages/driver.js";
import { run } from "./run.js";

type Named = Pick<Package, "name" | "version" | "arch">;

/**
 * `name-version-release.arch.rpm`, as repositories have it: without the epoch. Of a mirror (its packages have their
 * repository's path before their names) it lies where a mirror has it.
 */
export function fileName({ name, version, arch }: Named): string {
  const at = name.lastIndexOf("/");
  const dir = at === -1 ? "" : `${name.slice(0, at)}/Packages/`;
  return `${dir}${name.slice(at + 1)}-${version.replace(/^\d+:/, "")}.${arch}.rpm`;
}

/** Files never change under their names, which are digests; every action asks again. */
const known = new Map<string, Promise<number>>();

/** What the package says of itself, in seconds since 1970. */
export function buildDate(file: string): Promise<number> {
  const date = known.get(file) ?? readDate(file);
  known.set(file, date);
  return date;
}

async function readDate(file: string): Promise<number> {
  const context = { scratch: "/", signal: new AbortController().signal };
  const argv = [
    "rpm",
    "--query",
    "--nosignature",
    "--queryformat",
    "%{BUILDTIME}",
    "--package",
    file,
  ] as const;
  const ran = await run(argv, context, { cwd: "/" });
  if (!ran.ok) throw new Error(ran.problem.message);
  if (ran.value.status !== 0) throw new Error(`${file} is not a package of RPM`);
  return Number(ran.value.stdout);
}
