// A package file: its name in `repo/`, and when it was built.
import { closeSync, openSync, readSync } from "node:fs";
import type { Package } from "../../../engine/packages/driver.js";
import { METADATA, placeInMirror } from "./mirrored.js";
import { run } from "./run.js";

type Named = Pick<Package, "name" | "version" | "arch">;

/**
 * `name-version-release.arch.rpm`, as repositories have it: without the epoch. Of a mirror (its packages have their
 * repository's path before their names) it lies where a mirror has it; what is no package is called what it is.
 */
export function fileName({ name, version, arch }: Named): string {
  if (arch === METADATA) return name;
  const at = placeInMirror(name);
  return `${at.dir}${at.name}-${version.replace(/^\d+:/, "")}.${arch}.rpm`;
}

/** Files never change under their names, which are digests; every action asks again. */
const known = new Map<string, Promise<number>>();

/** What the package says of itself, in seconds since 1970; 0 of a file that is none, beside packages. */
export function buildDate(file: string): Promise<number> {
  const date = known.get(file) ?? readDate(file);
  known.set(file, date);
  return date;
}

/** How every package begins. */
const LEAD = Buffer.from([0xed, 0xab, 0xee, 0xdb]);

function isPackage(file: string): boolean {
  const fd = openSync(file, "r");
  try {
    const head = Buffer.alloc(LEAD.length);
    readSync(fd, head);
    return head.equals(LEAD);
  } finally {
    closeSync(fd);
  }
}

async function readDate(file: string): Promise<number> {
  if (!isPackage(file)) return 0;
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
