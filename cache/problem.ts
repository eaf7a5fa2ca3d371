// What can go wrong, as values. Exceptions are turned into these at one boundary (cli/main.ts).

/** Exit statuses, of every command. */
export const Exit = {
  done: 0,
  /** A target failed; with -q it is out of date. */
  failed: 1,
  /** Wrong usage, or a broken Imagefile. */
  usage: 2,
  /** The environment lacks something: a tool, a privilege, room on a disk. */
  environment: 3,
  /** Ended by Ctrl-C. */
  interrupted: 130,
  /** Ended by SIGTERM or SIGHUP. */
  terminated: 143,
} as const;

/** What a problem leads to. */
export type ExitStatus = (typeof Exit)["failed" | "usage" | "environment"];

/** A clear sentence, what to do about it, and the exit status it leads to. */
export interface Problem {
  readonly exit: ExitStatus;
  /** One sentence; begins with `file:line:` where there is one. */
  readonly message: string;
  /** What helps: a command, a package to install, the nearest name. */
  readonly hint?: string;
  /** It is this machine that lacks something: no newer snapshot of a repository helps. */
  readonly ofHost?: true;
  /** It is this one thing that cannot be had or kept: others may go well. */
  readonly ofOne?: true;
}

/** A value, or the problem that stood in its way. */
export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

/** What people know directories by that are worked in by descriptor (held.ts), by their path beneath /proc. */
export const heldPaths = new Map<string, string>();

/** The text with those paths as people know them. */
export function asKnown(text: string): string {
  return text.replace(/\/proc\/\d+\/fd\/\d+/g, (path) => heldPaths.get(path) ?? path);
}

function problemOf(exit: ExitStatus, message: string, hint?: string): Problem {
  const known = { exit, message: asKnown(message) };
  return hint === undefined ? known : { ...known, hint: asKnown(hint) };
}

/** The good end. */
export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

/** The other end. */
export const fail = (exit: ExitStatus, message: string, hint?: string): Result<never> => ({
  ok: false,
  problem: problemOf(exit, message, hint),
});

/** Carries a problem through code that cannot return one (an Imagefile calls rules as plain functions). */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
    this.name = "ProblemError";
  }
}

/** Throws the problem of a failed result; for places whose callers sit behind the boundary. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new ProblemError(result.problem);
}

/** Throws a new problem. */
export function stop(exit: ExitStatus, message: string, hint?: string): never {
  throw new ProblemError(problemOf(exit, message, hint));
}

/** Any thrown thing as an Error, for messages. */
export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown));
