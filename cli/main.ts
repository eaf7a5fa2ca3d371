#!/usr/bin/env node
// The command, as far as every node can read it: an old one says that it is, instead of where it stumbled. All else is in
// start.ts. Nothing here is newer than node 12, and nothing but node.ts is imported at the top.
import type { Exit } from "../engine/problem.js";
import { tooOld } from "./node.js";

const LACKING: (typeof Exit)["environment"] = 3;

const why = tooOld(process.versions.node);
if (why === null) {
  import("../cache/compiled.js")
    .then(({ ours }) => (ours("./start.js") as typeof import("./start.js")).start(process.argv.slice(2)))
    .catch((error: unknown) => {
      // Before anything of ours could be loaded that has words for it: too few files may be open, or one is not there.
      process.stderr.write(
        `imagemake: cannot start: ${error instanceof Error ? error.message : String(error)}\n  check the installation, and the limit of open files (ulimit -n)\n`,
      );
      process.exitCode = LACKING;
    });
} else {
  process.stderr.write(`imagemake: ${why}\n`);
  process.exitCode = LACKING;
}
