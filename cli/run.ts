// The whole command line: options, commands, and the one boundary at which problems become words and an exit
// status. What a command does is in commands/, each loaded when it is called.
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { PACKAGE } from "../cache/installed.js";
import { problemIn } from "../cache/io.js";
import { sudoOwner } from "../cache/write.js";
import { blameIfIts } from "../engine/evaluate/blame.js";
import { nearestHint } from "../engine/evaluate/nearest.js";
import { asError, fail, ok, unwrap, type Result } from "../engine/problem.js";
import type { Looked } from "../engine/quick.js";
import { say, type Call, type GlobalOptions, type Handler } from "./call.js";
import { flushed, output, watchOutput } from "./output.js";
import { splitWords } from "./select.js";
import { ANY_NUMBER, ordered } from "./words.js";

const HELP = `
VAR=value words set what the Imagefile asks for by arg("VAR", …); DATECODE=20261121 is --release 20261121.
<group>-all builds a group, <group>-all-print lists its output names, -C DIR and -f FILE find the Imagefile.
Exit status: 0 done, 1 a target failed (-q: is out of date), 2 wrong usage or a broken Imagefile,
3 the environment lacks something, 130/143 interrupted.`;

const BOOT_HELP = `
TARGET is an image (.iso, .img, a netboot tarball, …), or a boot check: then what the check says. The artifact is never
written to, and nothing is built: what is out of date is started as it is, and that is said.
On a terminal Ctrl-A X ends the guest, Ctrl-A C is QEMU's monitor, and Ctrl-C is the guest's.`;

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
  return status === 0 ? lost.exit : status;
}

async function carryOut(argv: readonly string[], earlier: Looked | null): Promise<number> {
  let status = 0;
  const program = makeProgram({ argv, earlier }, (end) => (status = end));
  try {
    unwrap(inUtf8(argv));
    await program.parseAsync(ordered(program, argv), { from: "user" });
    return status;
  } catch (error) {
    const status = explain(error);
    if (error instanceof CommanderError && error.code === "commander.missingArgument")
      tellOfBuild(program, argv);
    return status;
  }
}

/** A target may have a command's name. */
function tellOfBuild(program: Command, argv: readonly string[]): void {
  const called = program.commands.find((one) => argv.includes(one.name()));
  if (called === undefined || called.commands.length > 0) return;
  const name = called.name();
  process.stderr.write(`  \`imagemake build ${name}\` builds a target that is called ${name}\n`);
}

function makeProgram(run: Pick<Call, "argv" | "earlier">, done: (status: number) => void): Command {
  const program = new Command("imagemake").configureOutput({ writeOut: (text) => void output.write(text) });
  const handle =
    (load: () => Promise<{ readonly command: Handler }>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const { args, names } = splitWords(command.args);
      const { command: handler } = await load();
      const options = command.optsWithGlobals<GlobalOptions>();
      const call: Call = { options, args, names, own: command.opts(), ...run };
      if (sudoOwner() !== null) (await import("./limited.js")).requireNoFiles(calledBy(command), call);
      done(await handler(call));
    };
  program
    .description("the make for operating-system images: builds what is out of date, and says why")
    .argument("[words...]", "targets, groups (<group>-all), file names, globs, VAR=value")
    .option("-n, --dry-run", "say what would be built, and why; run nothing")
    .option("-q, --question", "exit 1 if anything is out of date, 0 if not; silent")
    .addOption(
      new Option("-j, --jobs [n]", "actions at a time (default: cores)")
        .argParser(positive)
        .preset(ANY_NUMBER),
    )
    .option("-k, --keep-going", "build what does not depend on what failed")
    .option("-B, --always-make", "build what is wanted, whatever is known")
    .option("-C, --directory <dir>", "where the Imagefile is")
    .option("-f, --file <file>", "the Imagefile (default: Imagefile.ts)")
    .option("-s, --quiet", "say failures only")
    .option("-v, --verbose", "say also what is up to date, and every reason in full")
    .option("--release <datecode>", "work in this release; a new one is opened")
    .addOption(
      new Option("--progress <how>", "how progress is shown")
        .choices(["auto", "tty", "plain", "json"])
        .default("auto"),
    )
    .option("--events <file>", "write every event to a file, as JSON lines")
    .option("--trace <file>", "write a trace for chrome://tracing or Perfetto")
    .option("--json", "data as JSON on stdout")
    .option("--expect <file>", "with -print: exit 1 where the list is not the file's")
    .option(
      "--cache <url>",
      "share results with other machines: file:///srv/imagemake; with ,ro behind it only take them",
    )
    .option("--no-isolation", "run actions without namespaces; nothing that they make counts with isolation")
    .option("--no-wait", "fail at once when another imagemake is at work here")
    .version(version(), "-V, --version")
    .addHelpText("after", HELP)
    .showHelpAfterError("(imagemake --help says what there is)")
    .action(handle(() => import("./commands/build.js")));
  program
    .command("build [words...]")
    .description("build targets; every word is a target")
    .action(handle(() => import("./commands/build.js")));
  program
    .command("why <target> [VAR=value...]")
    .description("why a target would be built, or was")
    .action(handle(() => import("./commands/why.js")));
  program
    .command("log <target> [VAR=value...]")
    .description("the output of a target's last build, also while it runs")
    .action(handle(() => import("./commands/log.js")));
  program
    .command("list [groups...]")
    .description("targets with their output names")
    .action(handle(() => import("./commands/list.js")));
  program
    .command("show <target> [VAR=value...]")
    .description("a target's action, inputs, packages and last build")
    .action(handle(() => import("./commands/show.js")));
  program
    .command("graph [targets...]")
    .description("the graph, for graphviz")
    .action(handle(() => import("./commands/graph.js")));
  program
    .command("boot <target> [VAR=value...]")
    .description("start an image in QEMU, as it was built last; -n prints QEMU's command line")
    .option("--memory <size>", "such as 2GiB (default: what its check has, else 2GiB, more for a netboot)")
    .option("--cpus <n>", "processors (default: what its check has, else 2)")
    .option("--firmware <which>", "bios or uefi (default: what its check has, else bios)")
    .option("--as <medium>", "cd, usb, disk or pxe (default: what fits the target)")
    .option("--accel <which>", "kvm or tcg (default: kvm where a guest really starts under it)")
    .option("--net", "a network card, with the way out that the host has (the default, but for a check)")
    .option("--no-net", "no network card")
    .option("--serial", "the serial console on the terminal (the default without --graphics)")
    .option("--graphics", "a screen in a window")
    .option("--serial-socket <path>", "the serial console on a socket")
    .option("--monitor-socket <path>", "QEMU's monitor on a socket")
    .option("--snapshot", "throw away what the guest writes (the default)")
    .option(
      "--keep <file>",
      "start a copy of the disk, made where it is not there, that keeps what the guest writes",
    )
    .addHelpText("after", BOOT_HELP)
    .action(handle(() => import("./commands/boot.js")));
  program
    .command("clean")
    .description("remove stages, logs and the links of implicit releases")
    .action(handle(() => import("./commands/clean.js")));
  program
    .command("doctor [targets...]")
    .description("what this machine lacks for the Imagefile")
    .action(handle(() => import("./commands/doctor.js")));
  program
    .command("help [command...]")
    .description("what there is, or what a command is for")
    .action((names: readonly string[]) => unwrap(commandOf(program, names)).outputHelp());
  program
    .command("init")
    .description("write a first Imagefile and .gitignore here")
    .action(handle(() => import("./commands/init.js")));
  const release = program.command("release").description("releases: datecode, snapshots, closures");
  release
    .command("start [targets...]")
    .description("open an explicit release; its roster is these targets")
    .action(handle(() => import("./commands/release-start.js")));
  release
    .command("status [VAR=value...]")
    .description("where the release stands")
    .action(handle(() => import("./commands/release-status.js")));
  release
    .command("refresh [targets...]")
    .description("take new snapshots; say what changes in packages")
    .action(handle(() => import("./commands/release-refresh.js")));
  const life = (
    words: string,
    description: string,
    load: () => Promise<{ readonly command: Handler }>,
  ): Command => release.command(words).description(description).action(handle(load));
  life(
    "collect [dir]",
    "its files and their checksums, in one directory",
    () => import("./commands/release-collect.js"),
  );
  life("reopen", "take checksums and signature away again", () => import("./commands/release-reopen.js"));
  life("abandon", "give it up", () => import("./commands/release-abandon.js"));
  life("drop <target>", "take a target off the roster", () => import("./commands/release-drop.js")).option(
    "--because <text>",
    "why; recorded",
  );
  life("reject <target>", "a failing verdict on what was built", () => import("./commands/release-reject.js"))
    .option("--because <text>", "why; recorded")
    .option("--undo", "take it back");
  life("sign", "sign the checksums with the release's own key", () => import("./commands/release-sign.js"))
    .option("--passphrase-file <file>", "the passphrase is its first line")
    .option("--ask-passphrase", "type the passphrase at the terminal; it is kept nowhere")
    .option("--new-key", "set the release's key aside and make another")
    .option("--export <file>", "write what is to be signed elsewhere")
    .option("--import <file>", "take a signature back")
    .option("--public-key <file>", "the key that verifies it")
    .option("--waive <check>", "let a check of the gate through")
    .option("--because <text>", "why; recorded");
  life("verify [dir]", "signature and checksums", () => import("./commands/release-verify.js"))
    .option("--public-key <file>", "the key that verifies it")
    .option("--sums <file>", "name of the checksum file");
  life(
    "export [words...]",
    "[TARGET…] DIR: artifacts for another machine, or with --pins where it starts",
    () => import("./commands/release-export.js"),
  )
    .option("--pins", "the release file alone: date, roster, snapshots, packages by name")
    .option("--packages", "also the snapshots and the package files");
  life(
    "import <dirs...>",
    "take over what other machines exported",
    () => import("./commands/release-import.js"),
  ).option("--prefer <dir>", "whose artifact it is where two differ");
  life(
    "adopt <target> <file>",
    "a file from elsewhere for a target",
    () => import("./commands/release-adopt.js"),
  ).option("--because <text>", "why; recorded");
  life("promote", "verify it and make it the current one", () => import("./commands/release-promote.js"));
  life("rollback", "put back what was current before", () => import("./commands/release-rollback.js"));
  life("tick <step...>", "a person's step is done", () => import("./commands/release-tick.js"));
  const cache = program.command("cache").description("the store and its index");
  cache
    .command("stats")
    .description("what the store holds")
    .action(handle(() => import("./commands/cache-stats.js")));
  cache
    .command("ls")
    .description("artifacts, with sizes")
    .action(handle(() => import("./commands/cache-ls.js")));
  cache
    .command("gc")
    .description("remove what no target's last build and no release needs")
    .action(handle(() => import("./commands/cache-gc.js")));
  cache
    .command("verify")
    .description("digest every artifact again")
    .action(handle(() => import("./commands/cache-verify.js")));
  for (const command of [program, ...program.commands, ...release.commands, ...cache.commands])
    command.exitOverride();
  return program;
}

/** Node puts another character in the place of bytes that are not UTF-8: that would be another name. */
function inUtf8(argv: readonly string[]): Result<void> {
  const word = argv.find((one) => one.includes("\ufffd"));
  return word === undefined || isUtf8(readFileSync("/proc/self/cmdline"))
    ? ok(undefined)
    : fail(2, `${word}: a word of the command line is not UTF-8`);
}

/** The words that call a command, without the program's own name. */
const calledBy = (command: Command): string =>
  command.parent === null ? "" : `${calledBy(command.parent)} ${command.name()}`.trimStart();

/** The command of these words; the program where there are none. */
function commandOf(program: Command, names: readonly string[]): Result<Command> {
  let found = program;
  for (const name of names) {
    const inner = found.commands.find((one) => one.name() === name);
    if (inner === undefined)
      return fail(
        2,
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

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("it must be a number from 1 up");
  return value;
}

/** As package.json has it. */
function version(): string {
  const text = readFileSync(new URL("package.json", PACKAGE), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** The boundary: whatever was thrown becomes words on stderr and an exit status. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const problem = problemIn(error) ?? blameIfIts(error);
  if (problem !== null) {
    say(problem);
    return problem.exit;
  }
  const { stack, message } = asError(error);
  process.stderr.write(`imagemake: a fault of its own: ${stack ?? message}\n`);
  return 3;
}
