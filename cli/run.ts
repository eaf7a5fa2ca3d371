// The whole command line: which module carries out what was called, and the one boundary at which problems become words
// and an exit status.
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { cwd } from "node:process";
import { CommanderError, type Command } from "commander";
import { problemIn } from "../cache/io.js";
import { sudoOwner } from "../cache/write.js";
import { blameIfIts } from "../engine/evaluate/blame.js";
import { asError, Exit, fail, ok, unwrap, type Result } from "../engine/problem.js";
import { projectOf } from "../engine/project.js";
import type { Looked } from "../engine/quick.js";
import { say, type Handler, type Words } from "./call.js";
import { declared, type CommandName } from "./commands.js";
import { EVERYWHERE, type GlobalOptions } from "./option.js";
import { flushed, watchOutput } from "./output.js";
import { makeProgram, requireTaken } from "./program.js";
import { splitWords } from "./select.js";
import { optionOf, settingsOf, type Settings } from "./settings.js";
import { ordered } from "./words.js";

/** What carries out each command, loaded when it is called. */
const HANDLERS: { readonly [K in CommandName]: () => Promise<{ readonly command: Handler<K> }> } = {
  build: () => import("./commands/build.js"),
  watch: () => import("./commands/watch.js"),
  why: () => import("./commands/why.js"),
  log: () => import("./commands/log.js"),
  shell: () => import("./commands/shell.js"),
  list: () => import("./commands/list.js"),
  show: () => import("./commands/show.js"),
  diff: () => import("./commands/diff.js"),
  graph: () => import("./commands/graph.js"),
  boot: () => import("./commands/boot.js"),
  clean: () => import("./commands/clean.js"),
  doctor: () => import("./commands/doctor.js"),
  explain: () => import("./commands/explain.js"),
  config: () => import("./commands/config.js"),
  init: () => import("./commands/init.js"),
  help: () => import("./commands/help.js"),
  completion: () => import("./commands/completion.js"),
  __complete: () => import("./commands/complete.js"),
  "release start": () => import("./commands/release-start.js"),
  "release status": () => import("./commands/release-status.js"),
  "release refresh": () => import("./commands/release-refresh.js"),
  "release collect": () => import("./commands/release-collect.js"),
  "release reopen": () => import("./commands/release-reopen.js"),
  "release abandon": () => import("./commands/release-abandon.js"),
  "release drop": () => import("./commands/release-drop.js"),
  "release reject": () => import("./commands/release-reject.js"),
  "release sign": () => import("./commands/release-sign.js"),
  "release verify": () => import("./commands/release-verify.js"),
  "release export": () => import("./commands/release-export.js"),
  "release import": () => import("./commands/release-import.js"),
  "release adopt": () => import("./commands/release-adopt.js"),
  "release promote": () => import("./commands/release-promote.js"),
  "release rollback": () => import("./commands/release-rollback.js"),
  "release tick": () => import("./commands/release-tick.js"),
  "cache stats": () => import("./commands/cache-stats.js"),
  "cache ls": () => import("./commands/cache-ls.js"),
  "cache gc": () => import("./commands/cache-gc.js"),
  "cache verify": () => import("./commands/cache-verify.js"),
};

/** What commander makes of a command line is what its declaration says: that of any command. */
type Loader = () => Promise<{
  readonly command: (call: Words & { readonly options: unknown }) => Promise<number>;
}>;

/** Runs the command line and ends: a timer or a socket that an Imagefile left open must not hold it up. */
export const toItsEnd = async (argv: readonly string[], earlier: Looked | null): Promise<never> =>
  process.exit(await run(argv, earlier));

/** Runs the command line. Returns the exit status; prints problems to stderr. */
async function run(argv: readonly string[], earlier: Looked | null): Promise<number> {
  watchOutput();
  // What an Imagefile left behind (a timer, a promise) may throw while something else is done.
  process.on("uncaughtException", (error) => {
    if (process.listenerCount("uncaughtException") === 1) process.exit(explain(error));
  });
  const status = await carryOut(argv, earlier);
  const lost = await flushed();
  if (lost === null) return status;
  say(lost);
  return status === Exit.done ? lost.exit : status;
}

async function carryOut(argv: readonly string[], earlier: Looked | null): Promise<number> {
  let status: number = Exit.done;
  const program = makeProgram(async (name, words, options, given) => {
    status = await handle(name, options, { ...splitWords(words), given, settings: null, argv, earlier });
  });
  try {
    unwrap(inUtf8(argv));
    await program.parseAsync(ordered(argv), { from: "user" });
    return status;
  } catch (error) {
    const status = explain(error);
    if (error instanceof CommanderError && error.code === "commander.missingArgument")
      tellOfBuild(program, argv);
    return status;
  }
}

async function handle(
  name: CommandName,
  options: Readonly<Record<string, unknown>>,
  words: Words,
): Promise<number> {
  unwrap(requireTaken(name, words.given, words.names));
  if (sudoOwner() !== null) (await import("./limited.js")).requireAllowed(name, options);
  const { command } = await (HANDLERS[name] as Loader)();
  if (UNSET.includes(name)) return command({ ...words, options });
  const { directory = cwd(), file = "Imagefile.ts" } = options as GlobalOptions<"directory" | "file">;
  const settings = unwrap(await settingsOf(projectOf(directory, file), words.given));
  return command({ ...words, settings, options: { ...options, ...optionsOf(name, settings) } });
}

/** Commands that settings say nothing of: they work whatever is wrong with these. */
const UNSET: readonly CommandName[] = ["help", "explain", "completion", "__complete", "init", "config"];

/** What settings say of the options that a command takes. */
function optionsOf(name: CommandName, { all }: Settings): Readonly<Record<string, unknown>> {
  const taken: readonly string[] = [...EVERYWHERE, ...(declared(name).takes ?? [])];
  return Object.fromEntries(
    all.flatMap(({ name: setting, value }) => {
      const option = optionOf(setting);
      return value !== null && option !== undefined && taken.includes(option) ? [[option, value]] : [];
    }),
  );
}

/** A target may have a command's name. */
function tellOfBuild(program: Command, argv: readonly string[]): void {
  const called = program.commands.find((one) => argv.includes(one.name()));
  if (called === undefined || called.commands.length > 0) return;
  const name = called.name();
  process.stderr.write(`  \`imagemake build ${name}\` builds a target that is called ${name}\n`);
}

/** Node puts another character in the place of bytes that are not UTF-8: that would be another name. */
function inUtf8(argv: readonly string[]): Result<void> {
  const word = argv.find((one) => one.includes("\ufffd"));
  return word === undefined || isUtf8(readFileSync("/proc/self/cmdline"))
    ? ok(undefined)
    : fail(Exit.usage, `${word}: a word of the command line is not UTF-8`);
}

/** The boundary: whatever was thrown becomes words on stderr and an exit status. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.done : Exit.usage;
  const problem = problemIn(error) ?? blameIfIts(error);
  if (problem !== null) {
    say(problem);
    return problem.exit;
  }
  const { stack, message } = asError(error);
  process.stderr.write(`imagemake: internal error: ${stack ?? message}\n`);
  return Exit.environment;
}
