// What is said of an action that failed: how it ended, the last lines of its log, its command, and what may help. It stops
// nothing.
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { adviceFor, codeSaid, isFullCode, lackAt } from "../../cache/limits.js";
import { type Staged, workIn } from "../execute/stage.js";
import { argvOf } from "../execute/stage-command.js";
import type { Action } from "../model.js";
import type { Failure } from "../reason.js";
import type { Session } from "./session.js";

const TAIL_LINES = 20;

/** Says that an action failed; one that was not even tried is not staged. */
export function failed(
  context: { readonly session: Session },
  action: Action,
  staged: Staged | null,
  failure: Failure,
  duration = 0,
  log: string | null = null,
  kept = false,
): { readonly kind: "failed"; readonly failure: Failure } {
  const { options } = context.session;
  const tail = log === null ? [] : lastLines(log, TAIL_LINES);
  const why =
    staged === null
      ? null
      : (ranOut(failure, tail, staged.dir) ??
        slipIn(options.project.dir, workIn(staged.dir), action, failure, tail));
  options.emit({
    type: "failed",
    target: action.id,
    build: staged?.action.build ?? null,
    failure,
    log,
    tail: why === null ? tail : [...tail, `imagemake: ${why}`],
    command: staged === null ? null : describeCommand(action, staged),
    ...(kept ? { kept } : {}),
    duration,
    at: options.now(),
  });
  return { kind: "failed", failure };
}

/** What helps where a command complained that something ran out; null where it did not. `dir`: its stage. */
function ranOut(failure: Failure, tail: readonly string[], dir: string): string | null {
  if (failure.kind === "signal" && failure.signal === "SIGXFSZ") return adviceFor("EFBIG", dir) ?? null;
  if (failure.kind !== "exit") return null;
  const stages = dirname(dir);
  const lack = lackAt(dir);
  if (lack !== null) return `${stages}: ${lack.why}; ${lack.hint}`;
  const code = codeSaid(tail.join("\n"));
  const advice = code === null ? undefined : adviceFor(code, dir);
  if (code === null || advice === undefined) return null;
  // It may have been a file system of its own making.
  return isFullCode(code) || code === "EROFS" || code === "EIO"
    ? `if that was in ${stages}: ${advice}`
    : advice;
}

/** What a program says that finds no file, and one that finds no other machine. */
const NO_FILE = /(?:^|[\s'"`:])((?:[\w.+-]+\/)*[\w.+-]+)['"`]?: No such file or directory/m;
const NO_NETWORK =
  /Temporary failure (?:in name resolution|resolving)|Could not resolve (?:host|')|Name or service not known|Network is unreachable|network is unreachable/;

/**
 * What an action's words say of the commonest slips: an input that is not declared, or not where it is looked for, no network;
 * null for none of these.
 */
function slipIn(
  dir: string,
  work: string,
  action: Action,
  failure: Failure,
  tail: readonly string[],
): string | null {
  if (failure.kind !== "exit" || action.command.kind === "recipe") return null;
  const said = tail.join("\n");
  if (!action.network && NO_NETWORK.test(said))
    return "an action has no network unless it says network: true (what it fetches is then not part of its key)";
  const [, path] = NO_FILE.exec(said) ?? [];
  if (path === undefined || path.startsWith("..")) return null;
  if (existsSync(join(work, path)))
    return `${path} is an input, at this path from the directory that the command starts in: after a cd say "$OLDPWD/${path}"`;
  return existsSync(join(dir, path))
    ? `${path} lies beside the Imagefile, and is no input: inputs: { NAME: files("${path}") } brings it, as $NAME`
    : null;
}

/** The command as a person would type it; a recipe by its name. What comes from the caller's environment may be secret. */
function describeCommand(action: Action, staged: Staged): string {
  const { command } = action;
  if (command.kind === "shell") return command.text;
  const secret = new Set(
    action.inputs.flatMap((input) =>
      input.kind === "source" && input.source.kind === "env" ? [`$${input.name}`] : [],
    ),
  );
  const asWritten = (word: string): boolean => secret.has(word.replace(/\/.*/s, ""));
  return argvOf(staged.action.command, action)
    .map((word, at) => {
      const written = command.kind === "argv" ? command.argv[at] : undefined;
      return written !== undefined && asWritten(written) ? written : word;
    })
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

/** The last lines of a file, read from its end. */
export function lastLines(file: string, count: number): string[] {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, 16_384));
    readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    const lines = bytes.toString("utf8").replace(/\n$/, "").split("\n");
    return lines.length === 1 && lines[0] === "" ? [] : lines.slice(-count);
  } finally {
    closeSync(fd);
  }
}
