// The order of the words on the command line: what stands where it may stand, as commander takes it.
import { COMMANDS, declared, type CommandDeclaration, type CommandName } from "./commands.js";
import { ANY_NUMBER, flagOf, GLOBAL, type OptionDeclaration } from "./option.js";

/** `VAR=value`. */
export const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;

/** The words as commander takes them: `-j` with its number, and a command's name before what is set for it. */
export const ordered = (argv: readonly string[]): string[] => ownLetters(commandFirst(jobsOfAnyNumber(argv)));

/** As make has it: what follows `-j` is its number only if it is one, else it is a target. */
const jobsOfAnyNumber = (argv: readonly string[]): string[] =>
  argv.map((word, at) =>
    (word === "-j" || word === "--jobs") && !/^-?\d+$/.test(argv[at + 1] ?? "")
      ? `--jobs=${ANY_NUMBER}`
      : word,
  );

/**
 * VAR=value words go last: commander takes the first word that is not an option for a command's name. What the words
 * set does not depend on where they stand.
 */
function commandFirst(argv: readonly string[]): string[] {
  const [others, assignments]: [string[], string[]] = [[], []];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (word === "--") {
      others.push(...assignments.splice(0), ...argv.slice(at));
      break;
    }
    (ASSIGNMENT.test(word) ? assignments : others).push(word);
    const value = argv[at + 1];
    if (value !== undefined && takesNext(word)) {
      others.push(value);
      at += 1;
    }
  }
  return [...others, ...assignments];
}

/**
 * A letter of a command's own that all commands have, too, is its own behind its name: `log -f` follows, `-f FILE log` is
 * the Imagefile. For commander it is written out.
 */
function ownLetters(words: readonly string[]): string[] {
  const plain = plainWords(words);
  const [first, second] = [plain.at(0), plain.at(1)].map((at) => (at === undefined ? undefined : words[at]));
  const name = [`${first ?? ""} ${second ?? ""}`, first ?? ""].find(
    (one): one is CommandName => one in COMMANDS,
  );
  if (name === undefined) return [...words];
  const own = Object.entries(declared(name).options ?? {}).filter(([, { short }]) => short !== undefined);
  const behind = plain[name.split(" ").length - 1] ?? 0;
  return words.map((word, at) => {
    const [option, declaration] = own.find(([, { short = "" }]) => word === `-${short}`) ?? [];
    return at > behind && option !== undefined && declaration !== undefined
      ? flagOf(option, declaration)
      : word;
  });
}

/** Where the words stand that are no options and no option's value. */
function plainWords(words: readonly string[]): number[] {
  const found: number[] = [];
  for (let at = 0; at < words.length && words[at] !== "--"; at += 1) {
    const word = words[at] ?? "";
    if (!word.startsWith("-")) found.push(at);
    else if (takesNext(word)) at += 1;
  }
  return found;
}

/** Flags of all commands that the next word belongs to. */
const TAKES: ReadonlySet<string> = new Set(
  [GLOBAL, ...Object.values<CommandDeclaration>(COMMANDS).map(({ options = {} }) => options)].flatMap(
    (options) =>
      Object.entries<OptionDeclaration>(options).flatMap(([name, declaration]) =>
        "value" in declaration && declaration.value.startsWith("<")
          ? [flagOf(name, declaration), `-${declaration.short ?? ""}`]
          : [],
      ),
  ),
);

/** `-C`, `--file`; of letters written together (`-kC`) the last, where none before it takes the rest. */
export function takesNext(word: string): boolean {
  if (word.startsWith("--")) return TAKES.has(word);
  if (!/^-[^-]/.test(word)) return false;
  const letters = Array.from(word.slice(1));
  return letters.findIndex((letter) => TAKES.has(`-${letter}`)) === letters.length - 1;
}
