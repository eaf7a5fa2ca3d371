// `imagemake __complete -- WORDS…`: what may stand in the place of the last word, one a line, with a tab and what it is
// behind it. `:file` or `:directory` alone: the shell knows better. Shells call it at every Tab (completion.ts): it says
// nothing where anything is wrong, changes nothing, and evaluates no Imagefile that was never run.
import { existsSync } from "node:fs";
import { cwd } from "node:process";
import type { Graph } from "../../engine/model.js";
import { Exit } from "../../engine/problem.js";
import { projectOf } from "../../engine/project.js";
import type { Handler } from "../call.js";
import { COMMANDS, declared, FAMILIES, SHELLS, type CommandName, type Word } from "../commands.js";
import { openImagefile } from "../open.js";
import { EVERYWHERE, flagOf, GLOBAL, type Declarations, type Names } from "../option.js";
import { output } from "../output.js";
import { offered, splitWords } from "../select.js";
import { ASSIGNMENT, takesNext } from "../words.js";

/** A word, and what it is. */
type Offer = readonly [word: string, about: string];

export const command: Handler<"__complete"> = async ({ argv }) => {
  const words = argv.slice(argv.indexOf("--") + 1);
  const current = words.pop() ?? "";
  try {
    const offers = await offersFor(words, current);
    const fitting = offers.filter(([word]) => word.startsWith(":") || word.startsWith(current));
    output.write(fitting.map(([word, about]) => `${word}\t${about}\n`).join(""));
  } catch {
    // Whatever it is, the command itself says it when it is run.
  }
  return Exit.done;
};

/** A command line as far as it is typed. */
interface Typed {
  /** Words that are neither options nor what is set. */
  readonly plain: readonly string[];
  readonly args: Readonly<Record<string, string>>;
  readonly dir: string | undefined;
  readonly file: string | undefined;
  /** The option whose value is to come. */
  readonly open: string | null;
}

function read(words: readonly string[]): Typed {
  const plain: string[] = [];
  const values = new Map<string, string>();
  let open: string | null = null;
  for (const word of words) {
    if (open !== null) {
      values.set(open, word);
      open = null;
    } else if (!word.startsWith("-")) plain.push(word);
    else if (takesNext(word)) open = word;
    else if (word.startsWith("--")) values.set(word.replace(/=.*/s, ""), word.replace(/^[^=]*=/s, ""));
  }
  const { args, names } = splitWords(plain);
  const dir = values.get("-C") ?? values.get("--directory");
  return { plain: names, args, dir, file: values.get("-f") ?? values.get("--file"), open };
}

async function offersFor(words: readonly string[], current: string): Promise<readonly Offer[]> {
  const typed = read(words);
  const [first = "", second = ""] = typed.plain;
  const family = first in FAMILIES;
  const name = [`${first} ${second}`, first].find((one): one is CommandName => one in COMMANDS);
  const command = declared(name ?? "build");
  const taken: readonly string[] = [...EVERYWHERE, ...(command.takes ?? [])];
  const global = Object.entries<Declarations[string]>(GLOBAL).filter(([option]) => taken.includes(option));
  const options = { ...Object.fromEntries(global), ...command.options };
  if (typed.open !== null) return valuesOf(options, typed.open, typed);
  const [, flag, value] = /^(--[a-z-]+)=(.*)$/s.exec(current) ?? [];
  if (flag !== undefined && value !== undefined) {
    const values = await valuesOf(options, flag, typed);
    return values.map(([word, about]) => [word.startsWith(":") ? word : `${flag}=${word}`, about]);
  }
  if (current.startsWith("-")) return flags(options);
  if (family && name === undefined)
    return typed.plain.length > 1
      ? []
      : commands()
          .filter(([one]) => one.startsWith(`${first} `))
          .map(rest);
  const own: readonly Word[] = command.words ?? [];
  const at = typed.plain.length - (name === undefined ? 0 : name.split(" ").length);
  const word = own[at] ?? own.find(({ many }, i) => many === true && i < at);
  const offers: Offer[] = word === undefined ? [] : [...(await named(word.what, typed))];
  if (name === undefined && typed.plain.length === 0)
    offers.push(...commands().filter(isFirst), ...families());
  if (command.sets === true) offers.push(...settings(await graphOf(typed), current));
  return offers;
}

/** Commands that are shown in the help. */
const commands = (): Offer[] =>
  (Object.keys(COMMANDS) as CommandName[])
    .filter((name) => declared(name).hidden !== true)
    .map((name) => [name, declared(name).about]);

const isFirst = ([name]: Offer): boolean => !name.includes(" ");

const rest = ([name, about]: Offer): Offer => [name.replace(/^\S+ /, ""), about];

const families = (): Offer[] => Object.entries(FAMILIES);

function flags(options: Declarations): Offer[] {
  const offers: Offer[] = [["--help", "what a command is for"]];
  for (const [name, declaration] of Object.entries(options)) {
    offers.push([flagOf(name, declaration), declaration.about]);
    if (declaration.kind === "either")
      offers.push([flagOf(name, { ...declaration, kind: "off" }), declaration.off]);
  }
  return offers;
}

async function valuesOf(options: Declarations, flag: string, typed: Typed): Promise<readonly Offer[]> {
  const [, declaration] =
    Object.entries(options).find(
      ([name, one]) => flagOf(name, one) === flag || (/^-[^-]/.test(flag) && one.short === flag.at(-1)),
    ) ?? [];
  if (declaration?.kind === "choice") return declaration.of.map((one) => [one, ""]);
  return declaration?.kind === "text" && declaration.names !== undefined
    ? named(declaration.names, typed)
    : [];
}

async function named(what: Word["what"] | Names, typed: Typed): Promise<readonly Offer[]> {
  switch (what) {
    case "file":
    case "directory":
      return [[`:${what}`, ""]];
    case "shell":
      return SHELLS.map((shell) => [shell, ""]);
    case "command":
      return typed.plain.length > 1
        ? commands()
            .filter(([name]) => name.startsWith(`${typed.plain.at(-1) ?? ""} `))
            .map(rest)
        : [...commands().filter(isFirst), ...families()];
    case "target":
      return offered(await graphOf(typed));
    case "group":
      return offered(await graphOf(typed)).filter(([word]) => word.endsWith("-all"));
    case "rule":
      return rules();
    case "step":
      return (await graphOf(typed))?.project.release.steps.map((step) => [step, ""]) ?? [];
    case "word":
      return [];
  }
}

/** What `explain` explains. */
async function rules(): Promise<readonly Offer[]> {
  const { declarationsIn } = await import("../../rules/describe.js");
  return declarationsIn(await import("../../targets/index.js")).map(({ name, text }) => [name, text]);
}

/** What the Imagefile asks for: `NAME=`, and after that the values it may have. */
function settings(graph: Graph | null, current: string): Offer[] {
  const [, typed] = ASSIGNMENT.exec(current) ?? [];
  const args = Object.entries(graph?.args ?? {});
  if (typed === undefined) return args.map(([name, { value }]) => [`${name}=`, `now ${value}`]);
  return args
    .filter(([name]) => name === typed)
    .flatMap(([name, { of, value }]) => (of ?? [value]).map((one): Offer => [`${name}=${one}`, ""]));
}

/** Of an Imagefile that was run here before. */
async function graphOf({ dir, file, args }: Typed): Promise<Graph | null> {
  const project = projectOf(dir ?? cwd(), file ?? "Imagefile.ts");
  if (!existsSync(project.graphs)) return null;
  const places = {
    ...(dir === undefined ? {} : { directory: dir }),
    ...(file === undefined ? {} : { file }),
  };
  const opened = await openImagefile(places, args, false);
  return opened.ok ? opened.value.graph : null;
}
