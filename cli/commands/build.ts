// `imagemake [targets]`: builds, or with -n and -q only says what would be done; `-print` lists names.
import { existsSync, readFileSync } from "node:fs";
import { knownPath } from "../../cache/layout.js";
import { build } from "../../engine/build/build.js";
import {
  decideAll,
  inputsThere,
  nothingToDo,
  openSession,
  unresolvedOf,
} from "../../engine/build/session.js";
import type { Emit } from "../../engine/events.js";
import type { Earlier } from "../../engine/known.js";
import type { TargetId } from "../../engine/model.js";
import { DATECODE, withDate } from "../../engine/names.js";
import { warningOnce } from "../../engine/notice.js";
import { together } from "../../engine/obstacles.js";
import { Exit, ProblemError, stop, unwrap } from "../../engine/problem.js";
import { quickFile, quickWords } from "../../engine/quick.js";
import { saveRecord } from "../../engine/record.js";
import { relationsOf } from "../../engine/relations.js";
import { readReleases, selectRelease } from "../../engine/release/release.js";
import { asksPerson, buildOptions, keepSpace, runOptions, sharedOf } from "../building.js";
import type { Call } from "../call.js";
import { displayOf, makeRenderer, noteUnsnapshottable } from "../display.js";
import { listen } from "../interrupts.js";
import { type Opened, openImagefile } from "../open.js";
import { output } from "../output.js";
import { describeDecision } from "../render/reason.js";
import { isPrint, oneDate, select, type Selection } from "../select.js";
import { settingFiles } from "../settings.js";

/** Builds the named targets. */
export async function command(call: Call<"build">): Promise<number> {
  const { options } = call;
  const changes = options.dryRun !== true && options.question !== true;
  const lists = call.names.some(isPrint);
  const opened = unwrap(await openImagefile(options, call.args, changes && !lists));
  const selection = unwrap(select(opened.graph, call.names));
  const datecode = unwrap(oneDate(selection.datecode, opened.datecode));
  if (selection.print) return print(opened, selection, datecode, options);
  return changes ? runBuild(call, opened, selection, datecode) : look(call, opened, selection, datecode);
}

/** Output names, one a line, in declared order. */
function print(
  opened: Opened,
  selection: Selection,
  datecode: string | null,
  options: Call<"build">["options"],
): number {
  const releases = unwrap(readReleases(opened.project));
  const { release } = unwrap(selectRelease(releases, datecode, Date.now()));
  const relations = relationsOf(opened.graph);
  const names = selection.targets.flatMap((id) => {
    const pattern = relations.target(id)?.pattern ?? null;
    return pattern === null ? [] : [withDate(pattern, release.datecode)];
  });
  const json = options.json === true;
  output.write(json ? `${JSON.stringify(names)}\n` : names.map((name) => `${name}\n`).join(""));
  return options.expect === undefined ? Exit.done : compared(options.expect, names);
}

/** 1, with the difference on stderr, where the list is not the file's. */
function compared(file: string, names: readonly string[]): number {
  if (!existsSync(file)) stop(Exit.usage, `there is no ${file}`);
  const lines = drift(
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== ""),
    names,
  );
  process.stderr.write(lines.map((line) => `${line}\n`).join(""));
  return lines.length === 0 ? Exit.done : Exit.failed;
}

/** What an earlier run of these words found, where this one's graph can be held against that one's. */
function earlierOf({ argv, earlier }: Call<"build">, { project, digest }: Opened): Earlier | null {
  const quick = quickWords(argv);
  if (earlier === null || digest === null || quick === null) return null;
  return {
    looked: earlier,
    file: knownPath(quickFile(project.graphs, quick.file, quick.words)),
    graph: digest,
  };
}

/** -n and -q: decides with what is known here and changes nothing. */
async function look(
  call: Call<"build">,
  opened: Opened,
  selection: Selection,
  datecode: string | null,
): Promise<number> {
  const { options } = call;
  const renderer = await displayOf(call, options.progress);
  const emit = warningOnce((event) => {
    if (event.type === "notice" && options.question !== true) renderer.event(event);
  });
  const shared = await sharedOf(call, opened, emit, false);
  const wanted = { wanted: selection.targets, datecode, earlier: earlierOf(call, opened) };
  const session = unwrap(openSession(runOptions(call, opened, wanted, emit, shared), true));
  unwrap(await inputsThere(session));
  unwrap(await session.pins.resolve(session.actions, true));
  const judgements = unwrap(await decideAll(session));
  // What a build would stop at, it says here too.
  const unresolved = together(unresolvedOf(judgements));
  if (unresolved !== null && options.keepGoing !== true) throw new ProblemError(unresolved);
  const status = unresolved?.exit ?? Exit.done;
  const idle = nothingToDo(judgements);
  if (options.question === true) return idle ? Exit.done : Exit.failed;
  if (options.json === true) {
    const rows = [...judgements].map(([target, { decision }]) => ({ target, ...decision }));
    output.write(`${JSON.stringify(rows, null, 2)}\n`);
    return status;
  }
  const { release, kind } = session.selected;
  const lines = [...judgements]
    .filter(([, { decision }]) => decision.kind !== "up-to-date" || options.verbose === true)
    .map(([target, { decision }]) => `${target}: ${describeDecision(decision)}\n`);
  process.stderr.write(
    kind === "joined" ? `release ${release.datecode}\n` : `release ${release.datecode} would be opened\n`,
  );
  output.write(lines.length === 0 ? "nothing to do\n" : lines.join(""));
  if (!idle && options.quiet !== true) {
    const { forecast } = await import("../forecast.js");
    const below = await forecast(session, judgements, buildOptions(call).jobs);
    process.stderr.write(below.map((line) => `${line}\n`).join(""));
  }
  return status;
}

/** Builds, and where that was asked for starts a shell in what failed first. */
async function runBuild(
  call: Call<"build">,
  opened: Opened,
  selection: Selection,
  datecode: string | null,
): Promise<number> {
  if (call.options.shellOnFailure !== true)
    return buildNow(call, opened, selection, datecode, () => undefined);
  if (!process.stdin.isTTY)
    stop(Exit.usage, "--shell-on-failure needs a terminal", "imagemake shell TARGET -c COMMAND needs none");
  const failed: TargetId[] = [];
  const status = await buildNow(call, opened, selection, datecode, (target) => failed.push(target));
  const [first] = failed;
  if (status !== Exit.failed || first === undefined) return status;
  await (await import("./shell.js")).command({ ...call, names: [first] });
  return status;
}

/** `failed` is told of each whose stage was kept. */
async function buildNow(
  call: Call<"build">,
  opened: Opened,
  selection: Selection,
  datecode: string | null,
  failed: (target: TargetId) => void,
): Promise<number> {
  const renderer = await makeRenderer(call, asksPerson(opened, selection.targets));
  const interrupts = listen((status) => {
    renderer.close();
    process.exit(status);
  });
  const emit: Emit = (event) => {
    if (event.type === "failed" && event.kept === true) failed(event.target);
    renderer.event(event);
  };
  try {
    noteUnsnapshottable(opened, emit);
    const wanted = { wanted: selection.targets, datecode, earlier: earlierOf(call, opened) };
    const end = await build({
      ...runOptions(call, opened, wanted, emit, await sharedOf(call, opened, emit, true)),
      ...buildOptions(call),
      signal: interrupts.signal,
      killSignal: interrupts.kill,
    });
    const interrupted = interrupts.status();
    if (interrupted !== null) return interrupted;
    if (end.problem !== null) throw new ProblemError(end.problem);
    await keepSpace(call, opened.project, end);
    const quick = quickWords(call.argv);
    if (end.exit === Exit.done && end.session !== null && quick !== null && opened.digest !== null)
      saveRecord(
        end.session,
        opened.reads,
        opened.digest,
        quick,
        settingFiles(opened.project, call.settings),
      );
    return end.exit;
  } finally {
    interrupts.close();
    renderer.close();
  }
}

// A printed list held against a file that says what it should be. It ignores datecodes, and prints nothing.

const bare = (line: string): string =>
  line.replace(new RegExp(`(?<![0-9.])${DATECODE}(?![0-9])`, "g"), "{date}");

/** Lines with `-` for what only the file has and `+` for what only the list has; none where they are equal. */
function drift(expected: readonly string[], found: readonly string[]): string[] {
  const [a, b] = [expected.map(bare), found.map(bare)];
  // Length of the longest common subsequence of what follows in both.
  const common = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = common[i];
      if (row !== undefined)
        row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const lines: string[] = [];
  for (let [i, j] = [0, 0]; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) [i, j] = [i + 1, j + 1];
    else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push(`-${expected[i++] ?? ""}`);
    else lines.push(`+${found[j++] ?? ""}`);
  }
  return lines;
}
