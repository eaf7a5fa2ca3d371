// A package file: its name in `repo/`, and when it was built.
import { closeSync, openSync, readSync } from "node:fs";
import { asking, once, type Named } from "../package.js";
import { METADATA, placeInMirror } from "./mirrored.js";
import { run } from "./run.js";

/**
 * `name-version-release.arch.rpm`, as repositories have it: without the epoch. Of a mirror (its packages have their
 * repository's path before their names) it lies where a mirror has it; what is no package is called what it is.
 */
export function fileName({ name, version, arch }: Named): string {
  if (arch === METADATA) return name;
  const at = placeInMirror(name);
  return `${at.dir}${at.name}-${version.replace(/^\d+:/, "")}.${arch}.rpm`;
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

const rpm = asking(run, "RPM");

/** What the package says of itself, in seconds since 1970; 0 of a file that is none, beside packages. */
export const buildDate = once(async (file: string): Promise<number> => {
  if (!isPackage(file)) return 0;
  return Number(await rpm(file, "rpm", "--query", "--nosignature", ...FORMAT, "--package", file));
});

const FORMAT = ["--queryformat", "%{BUILDTIME}"] as const;
