// Runs pacman, and the programs beside it, against directories of a driver's own: nothing of the host's
// configuration, cache, keyring, hooks or mirrorlist is seen.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DriverContext } from "../../../engine/packages/driver.js";
import { ok, type Result } from "../../../engine/problem.js";
import { CURL, runner, type Ran, type RunOptions } from "../run.js";
import { inWords, linesOf } from "../words.js";

/** Runs pacman's programs. */
export const run = runner({ network: ["ftp_proxy", ...CURL] });

/** Directories that are lists of words in a configuration, so that a path with a blank in it can only be an option. */
const LISTS = ["cache", "hook"] as const;

/** A pacman of its own: everything it reads and writes lies in one directory. */
export interface Pacman {
  readonly dir: string;
  /** Its `db/`, where `local/` and `sync/` are. */
  readonly db: string;
  /** Its `cache/`. */
  readonly cache: string;
  /** Its `gnupg/`, not made. */
  readonly gnupg: string;
  readonly run: (args: readonly string[], options?: Partial<RunOptions>) => Promise<Result<Ran>>;
}

/** A pacman of its own in `<scratch>/<name>`; `lines` are the rest of its configuration. */
export async function pacmanIn(
  name: string,
  arch: string,
  lines: string,
  context: DriverContext,
): Promise<Pacman> {
  const dir = join(context.scratch, name);
  const [db, cache, gnupg] = [join(dir, "db"), join(dir, "cache"), join(dir, "gnupg")];
  for (const one of [db, cache, join(dir, "hook"), join(dir, "root")]) await mkdir(one, { recursive: true });
  const config = join(dir, "pacman.conf");
  await writeFile(
    config,
    `[options]
Architecture = ${arch}
DBPath = ${db}/
GPGDir = ${gnupg}/
LogFile = ${join(dir, "pacman.log")}
ParallelDownloads = 5
${lines}`,
  );
  // Outside a user namespace only root may ask it for more than to look.
  const asRoot: readonly [string, ...string[]] =
    process.getuid?.() === 0 ? ["pacman"] : ["unshare", "--map-root-user", "--", "pacman"];
  return {
    dir,
    db,
    cache,
    gnupg,
    run: async (args, options = {}) => {
      const own = [
        "--config",
        config,
        "--root",
        join(dir, "root"),
        ...LISTS.flatMap((name) => [`--${name}dir`, join(dir, name)]),
      ];
      const ran = await run([...asRoot, ...own, ...args], context, { cwd: dir, ...options });
      return ran.ok ? ok({ ...ran.value, stderr: quiet(ran.value.stderr) }) : ran;
    },
  };
}

/** Without what pacman says of a keyring that is not its own, and need not be. */
const quiet = (stderr: string): string =>
  stderr
    .split("\n")
    .filter((line) => !/^warning: Public keyring not found|^error: keyring is not writable/.test(line))
    .join("\n");

/** pacman's own words: its errors and the questions that nobody answers. */
export function pacmanSays(ran: Ran): string {
  const lines = linesOf(`${ran.stdout}\n${ran.stderr}`);
  const plain = (all: readonly string[]): string[] => all.map((line) => line.replace(/^(?:error|::):? /, ""));
  const errors = lines.filter((line) => /^error: |^:: .*(?:conflict|unable|breaks)/.test(line));
  return inWords(ran, plain(lines), plain(errors));
}
