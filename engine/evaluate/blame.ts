// What an Imagefile threw, as a problem with its file and line.
import { inspect } from "node:util";
import { asError, Exit, ProblemError, type Problem } from "../problem.js";
import { ownerOf, type Owner } from "./frames.js";
import { place, short } from "./place.js";

/** A module that is no TypeScript. */
export class ModuleSyntaxError extends ProblemError {
  /** From what jiti leaves behind where babel could not parse: its JSON. */
  static of(json: string): ModuleSyntaxError {
    // Written by jiti 2 (transform in its src/babel.ts).
    const { filename, line, message } = JSON.parse(json) as {
      filename: string;
      line: number;
      message: string;
    };
    const said = message.replace(/^\S*: /, "").trim();
    return new ModuleSyntaxError({
      exit: Exit.usage,
      message: `${place(filename, line)}: syntax error: ${said}`,
    });
  }
}

/** An import of something that is not there. */
export const importProblem = (id: string, at: string | null, hint: string | undefined): ProblemError =>
  new ProblemError({
    exit: Exit.usage,
    message: `${at === null ? "" : `${at}: `}cannot find module "${id}"`,
    ...(hint === undefined ? {} : { hint }),
  });

/** A module with bytes that are not UTF-8 in that line. */
export const notUtf8 = (path: string, line: number): ProblemError =>
  new ProblemError({
    exit: Exit.usage,
    message: `${place(path, line)}: not UTF-8`,
    hint: "save it as UTF-8",
  });

/** A module that nobody can read as a file: opening a pipe would wait, and no Ctrl-C would be heard. */
export const notRegular = (path: string): ProblemError =>
  new ProblemError({ exit: Exit.usage, message: `${path} is not a regular file` });

/** A .json file that is none. */
export function jsonProblem(path: string, text: string, thrown: unknown): ProblemError {
  const { message } = asError(thrown);
  const position = /position (\d+)/.exec(message)?.[1];
  const line = text.slice(0, Number(position ?? text.length)).split("\n").length;
  return new ProblemError({ exit: Exit.usage, message: `${place(path, line)}: not JSON: ${message}` });
}

/** Whatever was thrown, with the place in the Imagefile `file` where the stack tells one. Exit status 2. */
export function blame(thrown: unknown, file: string): Problem {
  if (thrown instanceof ProblemError) {
    const { problem } = thrown;
    return { ...problem, message: problem.message.replace(/^(\/[^:\n]+)(?=:\d+: )/, (path) => short(path)) };
  }
  if (!(thrown instanceof Error)) {
    return { exit: Exit.usage, message: `${short(file)}: it threw ${inspect(thrown)}` };
  }
  // Calls of what was imported are transpiled to (0 , _module.name)(…).
  const said = thrown.message
    .replace(/\(0 , _\w+\.([\w$]+)\)/g, "$1")
    .replace(/^_\w+\.(?=[\w$.]+ is not )/, "")
    .replace(/\s*\n\s*/g, " ");
  const name = thrown.name === "Error" ? "" : `${thrown.name}: `;
  const message = `${placeOf(thrown) ?? short(file)}: ${name}${said}`;
  // In a backtick JavaScript fills it in, before any shell sees it.
  const [, shell] =
    thrown instanceof ReferenceError ? (/^([A-Z][A-Z0-9_]*) is not defined/.exec(said) ?? []) : [];
  return shell === undefined
    ? { exit: Exit.usage, message }
    : { exit: Exit.usage, message, hint: `if the shell is to fill it in: $${shell}, without braces` };
}

/** The same for what was thrown by nobody knows whom; null where the Imagefile has no part in it. */
export const blameIfIts = (thrown: unknown): Problem | null =>
  thrown instanceof Error && framesOf(thrown).some(({ owner }) => owner === "imagefile")
    ? blame(thrown, "")
    : null;

/** `at f (/a/b.ts:1:2)`, `at async file:///a/b.js:1:2`. */
const FRAME = /^\s+at (?:.*?[( ])??(?:file:\/\/)?(\/.*?):(\d+):\d+\)?$/;
/** The line that node puts before a syntax error. */
const SYNTAX = /^(?:file:\/\/)?(\/.*):(\d+)$/;

/** The nearest frame in the Imagefile's modules, else in a library. */
function placeOf(error: Error): string | null {
  const frames = framesOf(error);
  const frame =
    frames.find(({ owner }) => owner === "imagefile") ?? frames.find(({ owner }) => owner === "library");
  return frame === undefined ? null : place(frame.file, frame.line);
}

const framesOf = (error: Error): readonly { file: string; line: number; owner: Owner }[] =>
  (error.stack ?? "").split("\n").flatMap((text) => {
    const [, file, line] = FRAME.exec(text) ?? SYNTAX.exec(text) ?? [];
    return file === undefined ? [] : [{ file, line: Number(line), owner: ownerOf(file) }];
  });
