// What an action's command is given: its words, its environment, and files for what fits into neither.
import { join } from "node:path";
import { runsScript, runsText, runsTextWithin, tooLong, variableWord } from "../shell.js";
import { variableIn, type Action, type Command } from "../model.js";
import { withDate } from "../names.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { layText, type Stage } from "./stage-source.js";

/** The variables of inputs and outputs, and lines for the log about those that are not set. */
export interface Variables {
  readonly set: Record<string, string>;
  readonly notes: string[];
}

/** Sets the variable of a source, or where its paths do not fit into one lays them into a file. */
export function setVariable(
  stage: Stage,
  action: Action,
  { set, notes }: Variables,
  name: string,
  value: string,
): Result<void> {
  if (tooLong(variableWord(name, value)) === null) {
    set[name] = value;
    return ok(undefined);
  }
  if (isWord(action.command, name))
    return fail(Exit.usage, `${action.id}: $${name} is more than one word of a command can hold`);
  const file = join(".inputs", name);
  layText(stage, file, `${value}\n`);
  notes.push(
    `imagemake: $${name} is not set: its paths are more than a variable can hold; they are in ${file}, one a line`,
  );
  return ok(undefined);
}

/** Whether an array command has the input among its words. */
const isWord = (command: Command, name: string): boolean =>
  command.kind === "argv" && command.argv.some((word) => variableIn(word) === name);

/** What the command sees of the environment beside what all do; `datecode` is null where it does not see the date. */
export const environmentOf = (
  action: Action,
  { set }: Variables,
  datecode: string | null,
): Record<string, string> => ({
  ...(datecode === null ? {} : { DATECODE: datecode }),
  ...Object.fromEntries(Object.entries(action.env).map(([name, value]) => [name, dated(value, datecode)])),
  ...set,
  ...(action.packages === null ? {} : { REPO: "repo" }),
});

const dated = (text: string, datecode: string | null): string =>
  datecode === null ? text : withDate(text, datecode);

/** The command with what its words stand for. */
export function commandOf({ command }: Action, { set }: Variables, datecode: string | null): Command {
  switch (command.kind) {
    case "shell":
      return { ...command, text: dated(command.text, datecode) };
    case "argv":
      return {
        ...command,
        argv: command.argv.map((element) => {
          const name = variableIn(element);
          const value = name === undefined ? undefined : set[name];
          return name === undefined || value === undefined
            ? dated(element, datecode)
            : value + element.slice(1 + name.length);
        }),
      };
    case "recipe":
      return command;
  }
}

/** The program and arguments of a command on this machine; a recipe lies in `.recipe`. */
export function argvOf(command: Command, { within }: Pick<Action, "within">): readonly string[] {
  switch (command.kind) {
    case "shell":
      return (within === null ? runsText : runsTextWithin)(command.text);
    case "argv":
      return command.argv;
    case "recipe": {
      const path = join(".recipe", command.name);
      return command.name.endsWith(".mjs") ? [process.execPath, path] : runsScript(path);
    }
  }
}
