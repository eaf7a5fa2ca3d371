// Runs the programs of a package manager with an environment of their own, and turns every way to fail into a
// value. What differs between package managers is data.
import type { DriverContext } from "../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";
import { ACTION_PATH, notFound } from "../../engine/tools.js";
import { toolOf } from "./tools.js";

/** How a program ended, and what it said. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is started with. */
export interface RunOptions {
  readonly cwd: string;
  /** Beside what all programs of the package manager get. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of stdout while the program runs. */
  readonly onLine?: (line: string) => void;
}

/** The programs of one package manager. */
export interface Programs {
  /** Beside `PATH`, `HOME`, `TMPDIR`, `TZ` and the language of messages, which are read. */
  readonly env?: Readonly<Record<string, string>>;
  /** Variables of the host that decide how the network is reached; both spellings of each are passed on. */
  readonly network: readonly string[];
}

/** What libcurl reads of how the network is reached. */
export const CURL = ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "CURL_CA_BUNDLE", "SSL_CERT_FILE"];

/** The part of a driver's context that running needs. */
type Context = Pick<DriverContext, "scratch" | "signal">;

/** Runs `argv` to its end. A program that is missing or was stopped is a problem; a status is not. */
export type Run = (
  argv: readonly [string, ...string[]],
  context: Context,
  options: RunOptions,
) => Promise<Result<Ran>>;

/** Metadata of a whole distribution is some 25 MB of text. */
const MAX_TEXT = 512 * 1024 ** 2;

/** How the programs of one package manager are run. */
export const runner =
  (programs: Programs): Run =>
  async (argv, context, options) => {
    const { execa } = await import("execa");
    const [file, ...args] = argv;
    const child = execa(file, args, {
      cwd: options.cwd,
      env: { ...environment(programs, context.scratch), ...options.env },
      extendEnv: false,
      stdin: "ignore",
      reject: false,
      stripFinalNewline: false,
      maxBuffer: MAX_TEXT,
      cancelSignal: context.signal,
      forceKillAfterDelay: 2000,
    });
    if (options.onLine !== undefined) child.stdout.on("data", byLine(options.onLine));
    const { code, isCanceled, exitCode, stdout, stderr, signal } = await child;
    if (isCanceled || context.signal.aborted) return fail(Exit.environment, `${file} was stopped`);
    if (code === "ENOENT")
      return {
        ok: false,
        problem: { exit: Exit.environment, ...notFound([toolOf(file)]), ofHost: true },
      };
    if (exitCode === undefined)
      return fail(Exit.environment, `${file} did not finish (${signal ?? code ?? "unknown"})`);
    return ok({ status: exitCode, stdout, stderr });
  };

/** Only what is listed here reaches a program: a host's LD_PRELOAD or APT_CONFIG must not change an answer. */
function environment(programs: Programs, scratch: string): Record<string, string> {
  const env: Record<string, string> = {
    ...{ PATH: ACTION_PATH, LC_ALL: "C.UTF-8", ...programs.env },
    ...{ HOME: scratch, TMPDIR: scratch, TZ: "UTC" },
  };
  for (const name of programs.network.flatMap((one) => [one.toLowerCase(), one.toUpperCase()])) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

function byLine(onLine: (line: string) => void): (chunk: Buffer | string) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  };
}
