// The output directory while something is published there: opened anew for each file and worked in by descriptor, so that
// a link that takes the place of a directory meanwhile leads nothing astray. `out` may be a link from the beginning.
import { lstatSync } from "node:fs";
import { dirname, relative } from "node:path";
import { holdDirectory, trustedBelow, type Held } from "../cache/held.js";
import { ioProblem } from "../cache/io.js";
import { sudoOwner } from "../cache/write.js";
import { Exit, fail, ok, ProblemError, type Result } from "./problem.js";
import type { Project } from "./project.js";

/** The output directory of one run. */
export class Out {
  /** Which link it was when the run began; null where it was none. */
  readonly #link: string | null;

  constructor(private readonly project: Pick<Project, "dir" | "out">) {
    this.#link = linkAt(project.out);
  }

  /** The directory in which the file `path` is to lie, made where it is missing. */
  hold(path: string): Result<Held> {
    const { dir, out } = this.project;
    const link = linkAt(out);
    if (link !== null && link !== this.#link)
      return fail(
        Exit.usage,
        `${out} became a symbolic link while imagemake ran, and nothing is written through it`,
        "put the directory back, or build again if the link is meant",
      );
    try {
      const trusted = trustedBelow(dir);
      const make = { owner: sudoOwner() };
      return ok(holdDirectory(dir, relative(dir, dirname(path)), { trusted, make }));
    } catch (error) {
      return error instanceof ProblemError
        ? { ok: false, problem: error.problem }
        : ioProblem(`put an artifact at ${path}`, error);
    }
  }
}

function linkAt(path: string): string | null {
  const stats = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stats?.isSymbolicLink() === true ? `${stats.dev}:${stats.ino}:${stats.ctimeNs}` : null;
}
