// Outputs that are files are their bytes and their x bit: what else hangs on one (capabilities, access lists, other
// extended attributes) is taken away before it is published, because targets with the same bytes share one file.
// In namespaces init.pl does that, which costs no process; here it is for machines that have none.
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../../../cache/program.js";
import { LABEL, parseAttributes } from "../../tree/attributes.js";
import { lossText, lossesOfNames } from "../../tree/losses.js";
import type { Notice } from "../../notice.js";
import { asError } from "../../problem.js";
import { findTool } from "../../tools.js";

/** Extended attributes that an output had which is a file, by the path that the action was told. */
export interface Stripped {
  readonly path: string;
  readonly names: readonly string[];
}

/** Takes extended attributes from files (relative to `cwd`, as `Job.plain`), and says which there were. */
export function makePlain(cwd: string, paths: readonly string[]): readonly Stripped[] {
  const files = paths.flatMap((path) => {
    const isDir = lstatSync(join(cwd, path), { throwIfNoEntry: false })?.isDirectory() === true;
    return isDir ? readdirSync(join(cwd, path)).map((name) => join(path, name)) : [path];
  });
  return files.flatMap((path): Stripped[] => {
    const stats = lstatSync(join(cwd, path), { throwIfNoEntry: false });
    if (stats?.isFile() !== true) return [];
    const names = namesOf(cwd, path);
    // Another name of the file may be somebody's: the store makes a copy.
    if (stats.nlink === 1) for (const name of names) attr("setfattr", cwd, ["-x", name, "--", path]);
    return names.length === 0 ? [] : [{ path, names }];
  });
}

/**
 * Directories that have an access list, or pass one on to what is made in them, no longer do: nothing in there is the
 * project's. What stands in the way; nothing where getfattr is not there, which whatever makes trees needs and asks for.
 */
export function passNothingOn(dirs: readonly string[]): string | null {
  if (findTool("getfattr") === null) return null;
  try {
    const argv = ["--absolute-names", "-h", "-d", "-e", "hex", "-m", "^system\\.posix_acl_", "--", ...dirs];
    for (const [dir, lists] of parseAttributes(attr("getfattr", "/", argv)))
      for (const list of lists.keys()) attr("setfattr", "/", ["-x", list, "--", dir]);
    return null;
  } catch (error) {
    return `an access list of the state directory may get into trees: ${asError(error).message}`;
  }
}

function namesOf(cwd: string, path: string): readonly string[] {
  const listed = parseAttributes(attr("getfattr", cwd, ["-h", "-d", "-e", "hex", "-m", "-", "--", path]));
  return [...listed.values()].flatMap((found) => [...found.keys()]).filter((name) => name !== LABEL);
}

function attr(program: string, cwd: string, argv: readonly string[]): string {
  const { status, stdout, said } = runProgram(program, argv, { cwd, env: { ...process.env, LC_ALL: "C" } });
  if (status === 0) return stdout.toString("latin1");
  throw new Error(`${program} failed: ${said}`);
}

/** One sentence of what files had and do not hold; none where there was nothing. */
export function strippedText(stripped: readonly Stripped[]): readonly Notice[] {
  const files = stripped.map(({ path, names }) => ({ path: path.replace(/^\.(out)?\//, ""), names }));
  return files.length === 0 ? [] : [lossText("a file", lossesOfNames(files))];
}
