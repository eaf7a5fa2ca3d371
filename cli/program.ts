// The declared commands as commander has them: what is typed becomes a command's name, words and options.
import { Command, InvalidArgumentError, Option } from "commander";
import { version } from "../cache/installed.js";
import { nearestHint } from "../engine/evaluate/nearest.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";
import {
  ABOUT,
  COMMANDS,
  declared,
  EXITS,
  FAMILIES,
  WORDS,
  type CommandName,
  type Word,
} from "./commands.js";
import { EVERYWHERE, flagOf, GLOBAL, type GlobalName, type OptionDeclaration } from "./option.js";
import { output } from "./output.js";

const HELP = `
${WORDS}
Exit status: ${Object.entries(EXITS)
  .map(([status, what]) => `${status} ${what}`)
  .join(", ")}.`;

/** Called with the name of what was called, its words, the options that were given or have a default, and those given. */
export type Perform = (
  name: CommandName,
  words: readonly string[],
  options: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
) => Promise<void>;

/** All commands; `perform` carries out what is called. */
export function makeProgram(perform: Perform): Command {
  const program = new Command("imagemake").configureOutput({ writeOut: (text) => void output.write(text) });
  program
    .description(ABOUT)
    .argument("[words...]", "targets, groups (<group>-all), file names, globs, VAR=value")
    .version(version(), "-V, --version")
    .addHelpText("after", HELP)
    .showHelpAfterError("(imagemake --help says what there is)")
    .action(called(perform, "build", program));
  for (const [name, declaration] of Object.entries(GLOBAL)) addOption(program, name, declaration);
  const families = new Map<string, Command>();
  for (const name of Object.keys(COMMANDS) as CommandName[]) {
    const [first = "", second] = name.split(" ");
    let parent = program;
    if (second !== undefined) {
      parent = families.get(first) ?? program.command(first).description(FAMILIES[first] ?? "");
      families.set(first, parent);
    }
    addCommand(
      program,
      parent.command(second ?? first, { hidden: declared(name).hidden === true }),
      name,
      perform,
    );
  }
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)])
    command.exitOverride();
  return program;
}

function addCommand(program: Command, command: Command, name: CommandName, perform: Perform): void {
  const { about, more, words = [], sets, takes = [], options = {} } = declared(name);
  for (const one of words) command.argument(inBrackets(one));
  // What is set goes among the words of a command that takes any number of them.
  if (sets === true && !words.some(({ many }) => many)) command.argument("[VAR=value...]");
  for (const [option, declaration] of Object.entries(options)) addOption(command, option, declaration);
  const taken: readonly string[] = [...EVERYWHERE, ...takes];
  command
    .description(about)
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: () => program.options.filter((one) => taken.includes(one.attributeName())),
    })
    .addHelpText("after", more ?? "")
    .action(called(perform, name, command));
}

const called =
  (perform: Perform, name: CommandName, command: Command): (() => Promise<void>) =>
  () => {
    const options = command.optsWithGlobals();
    const typed = Object.entries(options).filter(
      ([option]) => command.getOptionValueSourceWithGlobals(option) === "cli",
    );
    return perform(name, command.args, options, Object.fromEntries(typed));
  };

/** As a help has it: `<target>`, `[groups...]`. */
export const inBrackets = ({ name, optional, many }: Word): string => {
  const word = `${name}${many === true ? "..." : ""}`;
  return optional === true ? `[${word}]` : `<${word}>`;
};

/** As a help has it: `-j, --jobs [n]`. */
export function written(name: string, declaration: OptionDeclaration): string {
  const { short } = declaration;
  const value = "value" in declaration ? ` ${declaration.value}` : "";
  return `${short === undefined ? "" : `-${short}, `}${flagOf(name, declaration)}${value}`;
}

function addOption(command: Command, name: string, declaration: OptionDeclaration): void {
  const option = new Option(written(name, declaration), declaration.about);
  switch (declaration.kind) {
    case "number":
      option.argParser(positive);
      if (declaration.bare !== undefined) option.preset(declaration.bare);
      break;
    case "choice":
      option.choices([...declaration.of]);
      if (declaration.default !== undefined) option.default(declaration.default);
      break;
    case "either":
    case "flag":
    case "off":
    case "text":
  }
  command.addOption(option);
  // Were it there first, what is not given would count as yes.
  if (declaration.kind === "either")
    command.addOption(new Option(flagOf(name, { ...declaration, kind: "off" }), declaration.off));
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("it must be a number from 1 up");
  return value;
}

/** Exit 2 for a word or an option that the command would drop in silence. */
export function requireTaken(
  name: CommandName,
  given: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Result<void> {
  const hint = `imagemake help ${name} says what it takes`;
  const { words = [], takes = [] } = declared(name);
  const more = words.some(({ many }) => many) ? undefined : names[words.length];
  if (more !== undefined) return fail(Exit.usage, `${name}: unexpected word ${more}`, hint);
  const taken: readonly string[] = [...EVERYWHERE, ...takes];
  for (const [option, declaration] of Object.entries(GLOBAL) as [GlobalName, OptionDeclaration][]) {
    if (given[option] !== undefined && !taken.includes(option))
      return fail(Exit.usage, `${name} does not take ${flagOf(option, declaration)}`, hint);
  }
  return ok(undefined);
}

/** The command of these words; the program where there are none. */
export function commandOf(program: Command, names: readonly string[]): Result<Command> {
  let found = program;
  for (const name of names) {
    const inner = found.commands.find((one) => one.name() === name);
    if (inner === undefined)
      return fail(
        Exit.usage,
        `there is no command ${names.join(" ")}`,
        nearestHint(
          name,
          found.commands.map((one) => one.name()),
        ) ?? "imagemake help says what there is",
      );
    found = inner;
  }
  return ok(found);
}
