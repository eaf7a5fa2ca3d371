// Runs apt's programs with an environment of their own and turns every way to fail into a value.
// It does not know what the programs are asked.
import { fail, ok, type Result } from "../../../engine/problem.js";
import type { DriverContext } from "../../../engine/packages/driver.js";

/** How a program ended, and what it said. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is started with. */
export interface RunOptions {
  readonly cwd: string;
  /** File with apt's configuration; without it the program sees the host's. */
  readonly config?: string;
  /** Called with each line of stdout while the program runs. */
  readonly onLine?: (line: string) => void;
}

/** The package that has each program. */
const PACKAGE: Readonly<Record<string, string>> = { "apt-ftparchive": "apt-utils" };
/** Variables of the host that decide how the network is reached. */
const PROXIES = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];

/** Runs `argv` to its end. A program that is missing or was stopped is a problem; a status is not. */
export async function run(
  argv: readonly [string, ...string[]],
  context: DriverContext,
  options: RunOptions,
): Promise<Result<Ran>> {
  const { execa } = await import("execa");
  const [file, ...args] = argv;
  const child = execa(file, args, {
    cwd: options.cwd,
    env: environment(context, options.config),
    extendEnv: false,
    stdin: "ignore",
    reject: false,
    stripFinalNewline: false,
    cancelSignal: context.signal,
    forceKillAfterDelay: 2000,
  });
  if (options.onLine !== undefined) {
    const { onLine } = options;
    child.stdout.on("data", byLine(onLine));
  }
  const { code, isCanceled, exitCode, stdout, stderr, signal } = await child;
  if (isCanceled || context.signal.aborted) return fail(3, `${file} was stopped`);
  if (code === "ENOENT") {
    const name = PACKAGE[file] ?? "apt";
    return fail(3, `${file} (package ${name}) is not on this machine`, `apt-get install ${name}`);
  }
  if (exitCode === undefined) return fail(3, `${file} did not finish (${signal ?? code ?? "unknown"})`);
  return ok({ status: exitCode, stdout, stderr });
}

/** Only what is listed here reaches apt: a host's LD_PRELOAD or APT_CONFIG must not change an answer. */
function environment(context: DriverContext, config: string | undefined): Record<string, string> {
  const env: Record<string, string> = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: context.scratch,
    TMPDIR: context.scratch,
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    DEBIAN_FRONTEND: "noninteractive",
  };
  if (config !== undefined) env["APT_CONFIG"] = config;
  for (const name of PROXIES.flatMap((lower) => [lower, lower.toUpperCase()])) {
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

/** apt's own words: its errors and warnings, without their letters, on one line. */
export function aptSays(ran: Ran): string {
  const lines = ran.stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => !line.includes("Some index files failed to download"));
  const of = (letter: string): string[] =>
    lines.filter((line) => line.startsWith(`${letter}: `)).map((line) => line.slice(3));
  const words = [...of("E"), ...of("W")];
  const said = words.length > 0 ? words : lines.filter((line) => line !== "").slice(-3);
  return said.length > 0 ? [...new Set(said)].join("; ") : `status ${ran.status}`;
}
