// Where the command starts. A run with nothing to do ends here, before anything of weight is loaded; everything else is
// in run.ts. Only small modules without imports of their own may be imported at the top.
import { lstatSync, statSync, type Stats } from "node:fs";
import { GRAPHS_HERE, STATE } from "../cache/layout.js";
import { Exit } from "../engine/problem.js";
import { isIdle, lookUp, quickWords, type Looked } from "../engine/quick.js";
import { isProgressSet, userConfig } from "./config-paths.js";
import { releaseLine } from "./render/when.js";

/** Runs the command line; the exit status is set. */
export async function start(argv: readonly string[]): Promise<void> {
  // Whatever the caller's umask: root runs what lies in the state directory.
  process.umask(process.umask(0o077) | 0o022);
  if (process.geteuid?.() === 0) takeOwnGroup();
  if (!isSomewhere()) {
    process.exitCode = Exit.environment;
    return;
  }
  const earlier = earlierRun(argv);
  process.exitCode =
    earlier === "idle" ? Exit.done : await (await import("./run.js")).toItsEnd(argv, earlier);
}

/** Root's group is root's own, whoever called it: what actions copy from their stage has it. */
function takeOwnGroup(): void {
  try {
    process.setgroups?.([]);
    process.setegid?.(0);
  } catch {
    // In a user namespace that allows none; init.pl tries again for actions.
  }
}

/** False, with a word, where the working directory was removed or has a name that node cannot read. */
function isSomewhere(): boolean {
  let why = "the working directory no longer exists";
  try {
    const dir = process.cwd();
    // What is not UTF-8 comes as this.
    if (!dir.includes("\ufffd") || statSync(dir, { throwIfNoEntry: false }) !== undefined) return true;
    why = `the name of the working directory is not UTF-8: ${dir}`;
  } catch {
    // Said below.
  }
  process.stderr.write(`imagemake: ${why}\n  cd to another\n`);
  return false;
}

/** Root believes no record that somebody else than root and the directory's owner may have written; see state.ts. */
function isTrusted(): boolean {
  if (process.getuid?.() !== 0) return true;
  const here = statSync(".");
  const known = ({ uid }: Stats): boolean => uid === 0 || uid === here.uid;
  const closed = (dir: Stats): boolean => known(dir) && dir.isDirectory() && (dir.mode & 0o022) === 0;
  // The state directory itself may be a link.
  return known(lstatSync(STATE)) && closed(statSync(STATE)) && closed(lstatSync(GRAPHS_HERE));
}

/**
 * What an earlier run of these words found, held against what is there now; "idle" when it says that all is up to date,
 * which is said then. Null when the engine has to look at everything.
 */
function earlierRun(argv: readonly string[]): Looked | "idle" | null {
  const command = quickWords(argv);
  if (command === null) return null;
  const back = process.cwd();
  try {
    process.chdir(command.dir);
    if (!isTrusted()) return null;
    const now = Date.now();
    const looked = lookUp(GRAPHS_HERE, command, now, back);
    if (looked?.header.settings !== userConfig(process.env)) return null;
    if (!command.plain || looked.header.told || isProgressSet(process.env) || !isIdle(looked)) return looked;
    if (!command.question && !command.silent) {
      const { datecode, opened } = looked.header.release;
      process.stderr.write(`${releaseLine({ datecode, opened, joined: true, at: now })}\nnothing to do\n`);
    }
    return "idle";
  } catch {
    // Whatever is wrong here, the long way says it in words.
    return null;
  } finally {
    process.chdir(back);
  }
}
