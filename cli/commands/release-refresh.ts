// `imagemake release refresh [TARGET…]`: new snapshots for these targets and all that is built on them, and
// what that changes in packages. With -n it only says so and leaves nothing behind. Nothing is built.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSession, type RunOptions, type Session } from "../../engine/build/session.js";
import type { TargetId } from "../../engine/model.js";
import { Pins } from "../../engine/packages/pins.js";
import { worstOf } from "../../engine/obstacles.js";
import { unwrap } from "../../engine/problem.js";
import { refresh, requireOwn, type Refreshed, type Row } from "../../engine/release/refresh.js";
import { saveRelease } from "../../engine/release/release.js";
import { drivers, openImagefile, runOf, type Opened } from "../open.js";
import { joined } from "../life.js";
import { output } from "../output.js";
import { counted } from "../render/numbers.js";
import { changesInFull } from "../render/change.js";
import { releaseLine } from "../render/when.js";
import type { Call } from "../call.js";
import { oneDate, select } from "../select.js";
import { whileLocked } from "../state.js";

/** Takes the snapshots, resolves, prints the difference. */
export async function command(call: Call<"release refresh">): Promise<number> {
  const { options } = call;
  const preview = options.dryRun === true;
  const opened = unwrap(await openImagefile(options, call.args, !preview));
  const selection = call.names.length === 0 ? null : unwrap(select(opened.graph, call.names));
  const targets = selection?.targets ?? null;
  unwrap(requireOwn(opened.graph, targets));
  const run = runOptions(call, opened, unwrap(oneDate(selection?.datecode ?? null, opened.datecode)));
  const looking = openOrStop(run, true);
  say(call, releaseLine({ ...whenOf(looking), joined: true, at: Date.now() }));
  const { rows, added, refused } = preview
    ? await previewed(call, looking, targets)
    : await refreshed(call, run, targets);
  for (const [id, { message }] of refused) say(call, `not resolved: ${id}: ${message}`);
  for (const { target, packages } of added)
    say(call, `resolved now: ${target}: ${counted(packages, "package")}`);
  if (options.json === true) output.write(`${JSON.stringify(rows, null, 2)}\n`);
  else output.write(rows.length === 0 ? "no package changed\n" : rows.map(inWords).join(""));
  return refused.size === 0 ? 0 : worstOf(refused);
}

/** Holding the lock, and written down. Where anything fails, the release stays as it was. */
function refreshed(
  call: Call<"release refresh">,
  run: RunOptions,
  targets: readonly TargetId[] | null,
): Promise<Refreshed> {
  return whileLocked(call, run.project, async () => {
    const session = openOrStop(run, false);
    const refreshed = unwrap(
      await refresh(session.pins, run.graph, targets, call.options.keepGoing === true),
    );
    saveRelease(run.project, session.pins.release);
    return refreshed;
  });
}

/** The same with snapshots that are thrown away. */
async function previewed(
  call: Call<"release refresh">,
  session: Session,
  targets: readonly TargetId[] | null,
): Promise<Refreshed> {
  const { project, graph, emit, signal } = session.options;
  const { sources } = session.decider.context;
  const preview = mkdtempSync(join(tmpdir(), "imagemake-"));
  try {
    const context = { project, graph, sources, index: session.index, drivers, emit, signal };
    const pins = new Pins({ ...context, readOnly: true, preview }, session.pins.release);
    return unwrap(await refresh(pins, graph, targets, call.options.keepGoing === true));
  } finally {
    rmSync(preview, { recursive: true, force: true });
  }
}

function openOrStop(run: RunOptions, readOnly: boolean): Session {
  const session = unwrap(openSession(run, readOnly));
  joined(session.selected, run.datecode);
  return session;
}

function runOptions(call: Call<"release refresh">, opened: Opened, datecode: string | null): RunOptions {
  return runOf(opened, {
    wanted: opened.graph.targets.map((target) => target.id),
    datecode,
    emit: (event) => {
      if (event.type === "waiting") say(call, `waiting for ${event.holder}`);
      if (event.type === "notice")
        say(call, `${event.level === "warning" ? "warning: " : ""}${event.message}`);
      // Each fetched file is an event; here the steps are enough.
      if (event.type === "phase" && event.phase !== "fetch") say(call, `${event.phase} ${event.detail}`);
    },
  });
}

const whenOf = ({ selected: { release } }: Session): { datecode: string; opened: number } => ({
  datecode: release.datecode,
  opened: Date.parse(release.opened),
});

const inWords = ({ target, changes }: Row): string =>
  [target, ...changesInFull([], changes).map((line) => `  ${line}`)].map((line) => `${line}\n`).join("");

function say({ options }: Call<"release refresh">, line: string): void {
  if (options.quiet !== true) process.stderr.write(`${line}\n`);
}
