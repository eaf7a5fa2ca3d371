// Sources: what an Imagefile reads from outside the graph, and arg(), its settings. Nothing is read here; a
// source is a description that the engine digests when it builds.
import { join } from "node:path";
import { callSite, isSource, source, sourceOf, wrongOption } from "../engine/declare.js";
import { readArg } from "../engine/evaluate/args.js";
import { ProblemError } from "../engine/problem.js";
import { runsText } from "../engine/shell.js";
import { render } from "./options.js";
import { asList, asSource, type ListSource, type Source } from "./types.js";

/** Options of `files`. */
export interface FilesOptions {
  /** The directory that the globs are relative to; the Imagefile's unless said. */
  from?: string;
  /** A glob may match nothing, and a file may not be there. */
  optional?: boolean;
  /** Symbolic links may lead out of the project, because nothing reads through them. They are staged as they are anyway. */
  links?: "anywhere";
}

type Globs = string | readonly string[];

const isGlobs = (given: unknown): given is Globs =>
  isText(given) || (Array.isArray(given) && given.length > 0 && given.every(isText));

/**
 * Files by glob, from the Imagefile's directory or from `from`. As a variable: one path a line. Each glob has to match
 * something, unless they are optional.
 */
export function files(...globs: readonly Globs[]): Source;
export function files(...given: readonly [...globs: Globs[], options: FilesOptions]): Source;
export function files(...given: readonly (Globs | FilesOptions)[]): Source {
  const last = given.at(-1);
  const options = given.length > 1 && isOptions(last) ? (last as FilesOptions) : null;
  const globs = options === null ? given : given.slice(0, -1);
  const wrong = globs.find((one) => !isGlobs(one));
  if (globs.length === 0 || wrong !== undefined)
    wrongOption("files", `expected globs, or arrays of globs, found ${render(wrong)}`);
  const { from, optional = false, links, ...rest } = options ?? {};
  const [odd] = Object.keys(rest);
  if (odd !== undefined)
    wrongOption("files", `${odd}: there is no such option; it has from, optional and links`);
  if (from !== undefined && !isText(from))
    wrongOption("files", `from: expected a directory, found ${render(from)}`);
  if (typeof optional !== "boolean")
    wrongOption("files", `optional: expected true or false, found ${render(optional)}`);
  const where: unknown = links;
  if (where !== undefined && where !== "anywhere")
    wrongOption("files", `links: expected "anywhere", found ${render(where)}`);
  const patterns = globs.filter(isGlobs).flat();
  if (patterns.every((pattern) => pattern.startsWith("!")))
    wrongOption("files", `expected globs to take something away from, found ${render(patterns)} alone`);
  return asSource(
    source({
      kind: "files",
      patterns,
      ...(from === undefined ? {} : { from }),
      ...(optional ? { optional } : {}),
      ...(links === undefined ? {} : { links }),
    }),
  );
}

const isOptions = (given: unknown): given is object =>
  typeof given === "object" && given !== null && !Array.isArray(given);

/** A package list. As a variable: the path of a file with the names, sorted, one a line. */
export function list(file: string | Source): ListSource {
  const path = typeof file === "string" ? file : onePath(file);
  if (!isText(path)) wrongOption("list", `expected the name of one file, found ${render(file)}`);
  return asList(source({ kind: "list", file: path }));
}

function onePath(given: unknown): string | undefined {
  const from = isSource(given) ? sourceOf(given) : undefined;
  if (from?.kind !== "files" || from.patterns.length !== 1) return undefined;
  return join(from.from ?? "", from.patterns[0] ?? "");
}

/** Options of `env`. */
export interface EnvOptions {
  /** It may not be set; then it is empty. */
  optional?: boolean;
  /** Its value where it is not set. */
  default?: string;
}

/** A variable of the caller's environment; its value is the input. It has to be set, unless an option says otherwise. */
export function env(name: string, options: EnvOptions = {}): Source {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    wrongOption("env", `expected the name of a variable, found ${render(name)}`);
  }
  if (!isOptions(options)) wrongOption("env", `expected { optional, default }, found ${render(options)}`);
  const { optional = false, default: value, ...rest } = options;
  const [odd] = Object.keys(rest);
  if (odd !== undefined) wrongOption("env", `${odd}: there is no such option; it has optional and default`);
  if (typeof optional !== "boolean")
    wrongOption("env", `optional: expected true or false, found ${render(optional)}`);
  if (value !== undefined && typeof value !== "string")
    wrongOption("env", `default: expected text, found ${render(value)}`);
  return asSource(
    source({
      kind: "env",
      name,
      ...(value !== undefined ? { value } : optional ? { value: null } : {}),
    }),
  );
}

/** A command whose standard output is the input. A string is run as that of a command is. */
export function probe(command: string | readonly string[]): Source {
  const argv = typeof command === "string" && /\S/.test(command) ? runsText(command) : command;
  if (
    !Array.isArray(argv) ||
    argv.length === 0 ||
    !argv.every((word) => typeof word === "string") ||
    !/\S/.test(argv[0] ?? "")
  ) {
    wrongOption("probe", `expected a command, found ${render(command)}`);
  }
  return asSource(source({ kind: "probe", argv: [...argv] }));
}

/** A setting: `NAME=` on the command line, then the environment, then `value`. `of` are its choices. */
export function arg<const V extends string = string>(name: string, value: NoInfer<V>, of?: readonly V[]): V {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    wrongOption("arg", `expected a name for VAR=, found ${render(name)}`);
  }
  if (of !== undefined && !of.includes(value)) {
    wrongOption("arg", `${name}: expected one of ${of.join(" ")}, found ${render(value)}`);
  }
  // readArg refuses what is not among the choices, which is all that V says.
  return located(() => readArg(name, value, of ?? null)) as V;
}

/** Puts the place in the Imagefile before a problem's message. */
export function located<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof ProblemError)) throw thrown;
    const { problem } = thrown;
    throw new ProblemError({ ...problem, message: `${callSite()}: ${problem.message}` });
  }
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
