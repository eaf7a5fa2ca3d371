// What an action's command is given: its words, its environment, and files for what fits into neither. It knows no input but
// by the value of its variable.
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { tooLong, variableWord } from "../argument.js";
import { variableIn, type Command } from "../model.js";
import { withDate } from "../names.js";
import { fail, ok, type Result } from "../problem.js";
import { runsScript, runsText, runsTextWithin } from "../shell.js";
import { ACTION_PATH } from "../tools.js";
import { stageDirectory, stageText } from "./stage-source.js";
import type { Stage } from "./staged.js";

/** The variables of inputs and outputs, and lines for the log about those that are not set. */
export interface Variables {
  readonly set: Record<string, string>;
  readonly notes: string[];
}

/** Sets the variable of a source, or where its paths do not fit into one lays them into a file. */
export function setVariable(
  { action, work }: Stage,
  { set, notes }: Variables,
  name: string,
  value: string,
): Result<void> {
  if (tooLong(variableWord(name, value)) === null) {
    set[name] = value;
    return ok(undefined);
  }
  if (isWord(action.command, name))
    return fail(2, `${action.id}: $${name} is more than one word of a command can hold`);
  notes.push(stageList(work, name, value));
  return ok(undefined);
}

/** Whether an array command has the input among its words. */
const isWord = (command: Command, name: string): boolean =>
  command.kind === "argv" && command.argv.some((word) => variableIn(word) === name);

/** Where the paths of an input do not fit into its variable, they are in a file, and the variable is not set. */
function stageList(work: string, name: string, paths: string): string {
  stageDirectory(join(work, ".inputs"));
  stageText(join(work, ".inputs", name), `${paths}\n`);
  return `imagemake: $${name} is not set: its paths are more than a variable can hold; they are in .inputs/${name}, one a line`;
}

/** All that the command sees of the environment; `datecode` is null where it does not see the date. */
export const environmentOf = (
  { action }: Stage,
  { set }: Variables,
  seen: {
    readonly cwd: string;
    readonly ceiling: string;
    readonly epoch: number;
    readonly datecode: string | null;
  },
): Record<string, string> => ({
  PATH: ACTION_PATH,
  HOME: join(seen.cwd, ".home"),
  TMPDIR: join(seen.cwd, ".tmp"),
  LC_ALL: "C.UTF-8",
  TZ: "UTC",
  SOURCE_DATE_EPOCH: String(seen.epoch),
  GIT_CEILING_DIRECTORIES: seen.ceiling,
  ...(seen.datecode === null ? {} : { DATECODE: seen.datecode }),
  ...Object.fromEntries(
    Object.entries(action.env).map(([name, value]) => [name, dated(value, seen.datecode)]),
  ),
  ...set,
  ...(action.packages === null ? {} : { REPO: "repo" }),
});

const dated = (text: string, datecode: string | null): string =>
  datecode === null ? text : withDate(text, datecode);

/** The program and arguments of a command; a recipe's text is written into the stage first. */
export function argvOf(
  { action: { command, within }, work }: Stage,
  { set }: Variables,
  datecode: string | null,
): string[] {
  switch (command.kind) {
    case "shell":
      return (within === null ? runsText : runsTextWithin)(dated(command.text, datecode));
    case "argv":
      return command.argv.map((element) => {
        const name = variableIn(element);
        const value = name === undefined ? undefined : set[name];
        return name === undefined || value === undefined
          ? dated(element, datecode)
          : value + element.slice(1 + name.length);
      });
    case "recipe": {
      stageDirectory(join(work, ".recipe"));
      const texts = { ...command.beside, [command.name]: command.text };
      for (const [name, text] of Object.entries(texts)) stageText(join(work, ".recipe", name), text);
      // A shell's recipe that has programs for node beside it finds the node that we run on.
      if (Object.keys(texts).some((name) => name.endsWith(".mjs")))
        symlinkSync(process.execPath, join(work, ".recipe", "node"));
      const path = join(".recipe", command.name);
      return command.name.endsWith(".mjs") ? [process.execPath, path] : runsScript(path);
    }
  }
}
