// Runs xbps's programs (and tar, which reads their archives) with an environment of their own, and turns every
// way to fail into a value. It does not know what the programs are asked.
import type { DriverContext } from "../../../engine/packages/driver.js";
import { fail, ok, type Result } from "../../../engine/problem.js";
import { ACTION_PATH } from "../../../engine/tools.js";

/** How a program ended, and what it said. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is started with. */
export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Variables of the host that decide how the network is reached; libfetch reads them. */
const NETWORK = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CA_CERT_FILE", "SSL_CA_CERT_PATH"];
/** Metadata of all of Void is some 25 MB of text. */
const MAX_TEXT = 512 * 1024 ** 2;

/** Runs `argv` to its end. A program that is missing or was stopped is a problem; a status is not. */
export async function run(
  argv: readonly [string, ...string[]],
  context: Pick<DriverContext, "scratch" | "signal">,
  options: RunOptions,
): Promise<Result<Ran>> {
  const { execa } = await import("execa");
  const [file, ...args] = argv;
  const child = execa(file, args, {
    cwd: options.cwd,
    env: { ...environment(context.scratch), ...options.env },
    extendEnv: false,
    stdin: "ignore",
    reject: false,
    stripFinalNewline: false,
    maxBuffer: MAX_TEXT,
    cancelSignal: context.signal,
    forceKillAfterDelay: 2000,
  });
  const { code, isCanceled, exitCode, stdout, stderr, signal } = await child;
  if (isCanceled || context.signal.aborted) return fail(3, `${file} was stopped`);
  if (code === "ENOENT") {
    return fail(
      3,
      `${file} is not on this machine`,
      `${packageOf(file)} has it; it is looked for in ${ACTION_PATH}`,
    );
  }
  if (exitCode === undefined) return fail(3, `${file} did not finish (${signal ?? code ?? "unknown"})`);
  return ok({ status: exitCode, stdout, stderr });
}

const packageOf = (file: string): string => (file.startsWith("xbps-") ? "xbps" : `the package ${file}`);

/** Only what is listed here reaches xbps: the host's XBPS_* must not change an answer. */
function environment(scratch: string): Record<string, string> {
  const env: Record<string, string> = {
    PATH: ACTION_PATH,
    HOME: scratch,
    TMPDIR: scratch,
    // Its messages are read.
    LC_ALL: "C",
    TZ: "UTC",
  };
  for (const name of NETWORK.flatMap((upper) => [upper, upper.toLowerCase()])) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** xbps's own words: its errors, on one line, without colours and the letters before them. */
export function xbpsSays(ran: Ran): string {
  const lines = `${ran.stdout}\n${ran.stderr}`
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const errors = lines.filter((line) => /^ERROR:|^MISSING:|conflicts|broken|abort/.test(line));
  const said = (errors.length > 0 ? errors : lines.slice(-3)).map((line) =>
    line.replace(/^ERROR: (?:xbps-\w+: )?/, ""),
  );
  return said.length > 0 ? [...new Set(said)].join("; ") : `status ${ran.status}`;
}
