// Sources: what an Imagefile reads from outside the graph, and arg(), its settings. Nothing is read here; a
// source is a description that the engine digests when it builds.
import { join } from "node:path";
import { callSite, isSource, source, sourceOf, wrongOption } from "../engine/declare.js";
import { readArg } from "../engine/evaluate/args.js";
import { ProblemError } from "../engine/problem.js";
import { runsText } from "../engine/shell.js";
import { render } from "./options.js";
import { asList, asSource, type ListSource, type Source } from "./types.js";

/** Files by glob, from the Imagefile's directory or from `from`. As a variable: one path a line. */
export function files(glob: string | readonly string[], options: { from?: string } = {}): Source {
  const patterns = typeof glob === "string" ? [glob] : glob;
  if (!Array.isArray(patterns) || patterns.length === 0 || !patterns.every(isText)) {
    wrongOption("files", `expected a glob or an array of globs, found ${render(glob)}`);
  }
  const { from } = options;
  if (from !== undefined && !isText(from)) {
    wrongOption("files", `from: expected a directory, found ${render(from)}`);
  }
  return asSource(
    source(
      from === undefined
        ? { kind: "files", patterns: [...patterns] }
        : { kind: "files", patterns: [...patterns], from },
    ),
  );
}

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

/** A variable of the caller's environment; its value is the input, empty where it is not set. */
export function env(name: string): Source {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    wrongOption("env", `expected the name of a variable, found ${render(name)}`);
  }
  return asSource(source({ kind: "env", name }));
}

/** A command whose standard output is the input. A string is run as that of a command is. */
export function probe(command: string | readonly string[]): Source {
  const argv = typeof command === "string" ? runsText(command) : command;
  if (!Array.isArray(argv) || argv.length === 0 || !argv.every((word) => typeof word === "string")) {
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
