// Runs pacman, and the programs beside it, against directories of a driver's own: nothing of the host's
// configuration, cache, keyring, hooks or mirrorlist is seen.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DriverContext } from "../../../engine/packages/driver.js";
import { ok, type Result } from "../../../engine/problem.js";
import { ACTION_PATH } from "../../../engine/tools.js";
import { runner, type Ran, type RunOptions } from "../run.js";

/** The package that has each program. */
const PACKAGE: Readonly<Record<string, string>> = {
  pacman: "pacman-package-manager",
  bsdtar: "libarchive-tools",
  gpg: "gpg",
  unshare: "util-linux",
};

/** Runs pacman's programs. */
export const run = runner({
  // Its messages are read.
  env: { PATH: ACTION_PATH, LC_ALL: "C.UTF-8" },
  // libcurl reads them.
  network: [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
  ],
  tool: (name) => ({ name, package: PACKAGE[name] ?? name }),
});

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
  const root = process.getuid?.() === 0 ? [] : ["unshare", "--map-root-user", "--"];
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
      const [first = "pacman", ...rest] = [...root, "pacman", ...own, ...args];
      const ran = await run([first, ...rest], context, { cwd: dir, ...options });
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

/** pacman's own words: its errors and the questions that nobody answers, on one line. */
export function pacmanSays(ran: Ran): string {
  const lines = `${ran.stdout}\n${ran.stderr}`
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const errors = lines.filter((line) => /^error: |^:: .*(?:conflict|unable|breaks)/.test(line));
  const said = (errors.length > 0 ? errors : lines.slice(-3)).map((line) =>
    line.replace(/^(?:error|::):? /, ""),
  );
  return said.length > 0 ? [...new Set(said)].join("; ") : `status ${ran.status}`;
}
