// Runs other programs to their ends, and keeps their words. What goes on while a program runs (a sandbox, a guest) starts it
// by itself; drivers of package managers have execa, which costs too much to load for anything else.
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from "node:child_process";

/** How a program ended, and what it said. */
export interface Ran {
  /** Null where it could not be started, or was ended by a signal. */
  readonly status: number | null;
  readonly stdout: Buffer;
  /** Without the blanks around it. */
  readonly stderr: string;
  /** Why it did not do its work: why it could not be started, its own words, or how it ended. */
  readonly said: string;
  /** The system's, of what could not be started or took too long. */
  readonly error: Error | null;
}

/** What a program is started with. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What it reads; nothing without it. */
  readonly input?: string | Uint8Array;
  /** A file that it has open as its descriptor 3. */
  readonly fd?: number | null;
  /** A terminal that it speaks to instead: its standard input and its errors. */
  readonly terminal?: number;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** Starts a program, runs it to its end and waits for it. */
export function runProgram(program: string, argv: readonly string[], options: RunOptions = {}): Ran {
  const { cwd, env, input, fd = null, terminal, timeout } = options;
  const ran = spawnSync(program, argv, {
    ...{ cwd, env, input, timeout },
    maxBuffer: Infinity,
    stdio: [
      terminal ?? (input === undefined ? "ignore" : "pipe"),
      ...["pipe" as const, terminal ?? ("pipe" as const)],
      ...(fd === null ? [] : [fd]),
    ],
  });
  return ranAs(program, ran.status, ran.stdout, ran.stderr, ran.error ?? null);
}

/** The same, while other work goes on. */
export function runBeside(
  program: string,
  argv: readonly string[],
  { cwd, env }: Pick<RunOptions, "cwd" | "env"> = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = startProgram(program, argv, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const [out, said]: [Buffer[], Buffer[]] = [[], []];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => said.push(chunk));
    const end = (status: number | null, error: Error | null): void =>
      resolve(ranAs(program, status, Buffer.concat(out), Buffer.concat(said), error));
    child.once("error", (error) => end(null, error));
    child.once("close", (status) => end(status, null));
  });
}

/**
 * Starts a program, as node's spawn does. Where too many files are open it has no pipes, whatever was asked for, and its
 * `error` says why.
 */
export const startProgram = (program: string, argv: readonly string[], options: SpawnOptions): ChildProcess =>
  spawn(program, argv, options);

/** What could not be started has said nothing, and what speaks to a terminal has no words of its own. */
function ranAs(
  program: string,
  status: number | null,
  stdout: Buffer | null,
  errors: Buffer | null,
  error: Error | null,
): Ran {
  const stderr = errors === null ? "" : errors.toString().trim();
  const said = error?.message ?? (stderr || `${program} ended with ${status ?? "a signal"}`);
  return { status: error === null ? status : null, stdout: stdout ?? Buffer.alloc(0), stderr, said, error };
}
