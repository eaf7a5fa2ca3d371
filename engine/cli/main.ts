#!/usr/bin/env node
// The command. A run with nothing to do ends here, before anything of weight is loaded; everything else is
// in run.ts. Only small modules without imports of their own may be
// imported at the top.
import { quickWords, stillQuick } from "../quick.js";
import { releaseLine } from "./render/when.js";

process.exitCode =
  nothingToDo(process.argv.slice(2)) ?? (await (await import("./run.js")).run(process.argv.slice(2)));

/** 0 when an earlier run's record says that all is up to date; null when the engine has to look. */
function nothingToDo(argv: readonly string[]): 0 | null {
  const command = quickWords(argv);
  if (command === null) return null;
  const back = process.cwd();
  try {
    process.chdir(command.dir);
    const now = Date.now();
    const header = stillQuick(".imagemake/graphs", command, now, back);
    if (header === null) return null;
    if (!command.question && !command.silent) {
      const { datecode, opened } = header.release;
      process.stderr.write(`${releaseLine({ datecode, opened, joined: true, at: now })}\nnothing to do\n`);
    }
    return 0;
  } catch {
    // Whatever is wrong here, the long way says it in words.
    return null;
  } finally {
    process.chdir(back);
  }
}
