// Chooses how the events of a build are shown. Each renderer is loaded only when it is the one.
import { inAscii } from "./style.js";
import type { Renderer, Sink, Verbosity } from "./renderer.js";

export { combine, type Renderer, type Verbosity } from "./renderer.js";

/** `--progress`. */
export type Progress = "auto" | "tty" | "plain" | "json";

/** What the choice depends on. */
export interface RendererOptions {
  readonly progress: Progress;
  readonly verbosity: Verbosity;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Paths below it are shown relative to it. */
  readonly cwd: string;
  /** How many actions run at once, for the estimate of what is left; left out: the machine's cores. */
  readonly jobs?: number;
  /** Left out: the process's. */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * The renderer for a run. JSON lines go to stdout; everything else is talk and goes to stderr. `auto` is the
 * live display when stderr is a terminal that can carry it. Quiet needs no display: only failures are said.
 */
export async function chooseRenderer(options: RendererOptions): Promise<Renderer> {
  const { progress, verbosity, stdout, stderr, env = process.env } = options;
  if (progress === "json") return (await import("./json.js")).createJson(stdout);
  if (verbosity !== "quiet" && (progress === "tty" || (progress === "auto" && canBeLive(stderr, env)))) {
    return (await import("./tty.js")).createTty({ ...options, stderr: inAscii(stderr, env), env });
  }
  return (await import("./plain.js")).createPlain({
    ...options,
    stderr: stderr.isTTY === true ? inAscii(stderr, env) : stderr,
    env,
  });
}

/** A terminal that is not dumb and not a CI log that merely looks like one (`CI` set, to anything but false). */
function canBeLive(stderr: Sink, env: NodeJS.ProcessEnv): boolean {
  const ci = env["CI"] ?? "";
  return stderr.isTTY === true && env["TERM"] !== "dumb" && (ci === "" || ci === "false");
}
