// The command line as a page of Markdown and as a manual page, written from the declarations.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  ABOUT,
  COMMANDS,
  declared,
  EXITS,
  WORDS,
  type CommandDeclaration,
  type CommandName,
} from "./commands.js";
import { EVERYWHERE, flagOf, GLOBAL, type Declarations, type OptionDeclaration } from "./option.js";
import { inBrackets, written } from "./program.js";

const names = (Object.keys(COMMANDS) as CommandName[]).filter((name) => declared(name).hidden !== true);

/** As it is typed, but for its options. */
const usage = (name: CommandName, { words = [], sets, options }: CommandDeclaration): string =>
  [
    `imagemake ${name}`,
    ...(options === undefined ? [] : ["[options]"]),
    ...words.map(inBrackets),
    ...(sets === true ? ["[VAR=value...]"] : []),
  ].join(" ");

/** What a declaration says beside its line. */
function values(declaration: OptionDeclaration): string {
  if (declaration.kind !== "choice") return "";
  const default_ = declaration.default === undefined ? "" : `; default: ${declaration.default}`;
  return ` (${declaration.of.join(", ")}${default_})`;
}

/** Every option as it is written, and what it is. */
const lines = (options: Declarations): (readonly [string, string])[] =>
  Object.entries(options).flatMap(([name, one]) => [
    [written(name, one), `${one.about}${values(one)}`] as const,
    ...(one.kind === "either" ? [[flagOf(name, { ...one, kind: "off" }), one.off] as const] : []),
  ]);

/** Options of every command that this one takes beside those that every command takes. */
const taken = ({ takes = [] }: CommandDeclaration): Declarations =>
  Object.fromEntries(
    Object.entries(GLOBAL).filter(
      ([name]) =>
        (takes as readonly string[]).includes(name) && !(EVERYWHERE as readonly string[]).includes(name),
    ),
  );

const everywhere = Object.fromEntries(
  Object.entries(GLOBAL).filter(([name]) => (EVERYWHERE as readonly string[]).includes(name)),
);

/** Where the page of the documents lies. */
export const PAGE = fileURLToPath(new URL("../../docs/commands.md", import.meta.url));

/** That page. */
export function commandsPage(): string {
  const table = (rows: readonly (readonly [string, string])[]): string[] => [
    "| option | is |",
    "| --- | --- |",
    ...rows.map(([option, about]) => `| \`${option}\` | ${about.replaceAll("|", "\\|")} |`),
    "",
  ];
  return [
    "# The command line",
    "",
    "Made by `npm run docs` from the declarations of the commands; do not edit. `imagemake help COMMAND` says the same, and",
    "`man imagemake` where the package was installed globally.",
    "",
    ...WORDS.split("\n"),
    "",
    "Every command takes:",
    "",
    ...table(lines(everywhere)),
    ...names.flatMap((name) => {
      const command = declared(name);
      const more = (command.more ?? "").trim();
      const options = lines({ ...command.options, ...taken(command) });
      return [
        ...[`## imagemake ${name}`, "", `\`${usage(name, command)}\``, ""],
        ...[`${upper(command.about)}.`, ""],
        ...(more === "" ? [] : ["```text", ...more.split("\n"), "```", ""]),
        ...(options.length === 0 ? [] : table(options)),
      ];
    }),
    "## Exit statuses",
    "",
    "| status | means |",
    "| --- | --- |",
    ...Object.entries(EXITS).map(([status, what]) => `| ${status} | ${what} |`),
    "",
  ].join("\n");
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The manual page, in the macros of man(7). */
export function manualPage(version: string): string {
  const bold = (text: string): string => `\\fB${roff(text)}\\fR`;
  const tagged = (rows: readonly (readonly [string, string])[]): string[] =>
    rows.flatMap(([tag, text]) => [".TP", bold(tag), roff(text)]);
  return [
    `.TH IMAGEMAKE 1 "" "imagemake ${version}" "imagemake"`,
    ".SH NAME",
    roff(`imagemake - ${ABOUT}`),
    ".SH SYNOPSIS",
    bold("imagemake [options] [words...]"),
    ".br",
    bold("imagemake command [options] [words...]"),
    ".SH DESCRIPTION",
    ...WORDS.split("\n").map(roff),
    ".SH OPTIONS",
    "Options of every command:",
    ...tagged(lines(everywhere)),
    ".SH COMMANDS",
    ...names.flatMap((name) => {
      const command = declared(name);
      const more = (command.more ?? "").trim();
      return [
        ...[`.SS ${roff(name)}`, bold(usage(name, command)), ".PP", roff(`${upper(command.about)}.`)],
        ...(more === "" ? [] : [".PP", ".nf", ...more.split("\n").map(roff), ".fi"]),
        ...tagged(lines({ ...command.options, ...taken(command) })),
      ];
    }),
    ".SH EXIT STATUS",
    ...tagged(Object.entries(EXITS)),
    "",
  ].join("\n");
}

/** Text in which nothing is a request or an escape. */
const roff = (text: string): string =>
  text
    .trim()
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replace(/^(['.])/, "\\&$1");

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, commandsPage());
