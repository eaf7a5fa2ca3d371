// Where things lie: the Imagefile, its line and the output directory, and the state, which is cache/layout.ts's. It only names
// paths; it makes none.
import { basename, dirname, join, resolve } from "node:path";
import { layoutOf, type Layout } from "../cache/layout.js";

/** The places of one Imagefile. All paths are absolute. */
export interface Project extends Layout {
  readonly dir: string;
  readonly imagefile: string;
  /** Name of the line of releases: empty for `Imagefile.ts`, else the file's name without its ending. */
  readonly line: string;
  readonly out: string;
  /** Explicit releases; beside the Imagefile, fit to be committed. */
  readonly releases: string;
}

/** The project of the Imagefile `file` in `cwd`. */
export function projectOf(cwd: string, file: string): Project {
  const imagefile = resolve(cwd, file);
  const dir = dirname(imagefile);
  const name = basename(imagefile).replace(/\.[cm]?[jt]s$/, "");
  const line = name === "Imagefile" ? "" : name;
  return {
    ...layoutOf(dir, line),
    dir,
    imagefile,
    line,
    out: join(dir, "out"),
    releases: join(dir, "releases", line),
  };
}
