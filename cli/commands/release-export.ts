// `imagemake release export [TARGET…] DIR`: artifacts for another machine; --pins: what it starts from.
import { resolve } from "node:path";
import { digestOf } from "../../cache/store.js";
import { decideAll, inputsThere, type Session } from "../../engine/build/session.js";
import type { Judgement } from "../../engine/decide.js";
import type { Graph, TargetId } from "../../engine/model.js";
import { unlessAny } from "../../engine/obstacles.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { checkPlace, exportIndex, writeExport, type ExportWish } from "../../engine/release/export.js";
import type { ExportIndex } from "../../engine/release/exchange.js";
import { rosterHere } from "../../engine/release/roster.js";
import { readReleases, saveRelease, selectRelease } from "../../engine/release/release.js";
import { joined, sessionOf, tellLine } from "../life.js";
import { openImagefile, type Opened } from "../open.js";
import { output } from "../output.js";
import { describeDecision } from "../render/reason.js";
import { counted } from "../render/numbers.js";
import type { Call } from "../call.js";
import { oneDate, select, type Selection } from "../select.js";
import { whileLocked } from "../state.js";

/** With -n only says what would be written. */
export async function command(call: Call<"release export">): Promise<number> {
  const { options, names } = call;
  const preview = options.dryRun === true;
  const dir = names.at(-1) ?? stop(Exit.usage, "name the directory to write: release export [TARGET…] DIR");
  const opened = unwrap(await openImagefile(options, call.args, !preview));
  const selection = names.length === 1 ? null : unwrap(select(opened.graph, names.slice(0, -1)));
  const run = (): Promise<number> => write(call, opened, selection, dir, options.pins === true);
  return preview ? run() : whileLocked(call, opened.project, run);
}

async function write(
  call: Call<"release export">,
  opened: Opened,
  selection: Selection | null,
  dir: string,
  pins: boolean,
): Promise<number> {
  const { options } = call;
  const preview = options.dryRun === true;
  const { graph, project } = opened;
  const datecode = unwrap(oneDate(selection?.datecode ?? null, opened.datecode));
  const { release } = joined(
    unwrap(selectRelease(unwrap(readReleases(project)), datecode, Date.now())),
    datecode,
  );
  requireFiles(graph, selection?.targets ?? []);
  const asked = selection?.targets ?? rosterHere(graph, release);
  // What is no longer open can be handed on, and stays as it is.
  const session = sessionOf(call, opened, datecode, asked, preview || release.state !== "open");
  unwrap(checkPlace(project, resolve(dir), session.pins.release.datecode));
  // What the others start from is settled now: a release that was only started has pinned nothing yet.
  unwrap(await inputsThere(session));
  unwrap(await session.pins.resolve(session.actions, true));
  if (pins)
    for (const [id, { message }] of session.pins.refusals(session.actions))
      tellLine(call, `not resolved: ${id}: ${message}`);
  const judgements = pins ? new Map<string, Judgement>() : unwrap(await decideAll(session));
  const { targets, out } = pins ? { targets: [], out: [] } : upToDate(graph, asked, judgements);
  if (selection !== null && out.length > 0)
    stop(
      Exit.failed,
      `not up to date: ${out.map(inWords).join("; ")}`,
      "imagemake builds what is out of date",
    );
  for (const one of out) tellLine(call, `left out: ${inWords(one)}`);
  if (!pins && targets.length === 0)
    stop(
      Exit.failed,
      "nothing of the roster is up to date here",
      "imagemake builds it; --pins exports what it starts from",
    );
  const packagesOf = options.packages === true ? relationsOf(graph).closure(pins ? asked : targets) : [];
  if (!preview) {
    unwrap(unlessAny(unwrap(await session.pins.fetch(packagesOf, false))));
    if (session.pins.release !== session.selected.release) saveRelease(project, session.pins.release);
  }
  const progress = (line: string): void => tellLine(call, line);
  const wish: ExportWish = { targets, judgements, pins, packagesOf, dir: resolve(dir), progress };
  const index = unwrap(exportIndex(session, wish));
  if (!preview) unwrap(await writeExport(session, index, wish));
  report(call, session, dir, index);
  return Exit.done;
}

type LeftOut = { readonly target: TargetId; readonly judgement: Judgement | undefined };

const inWords = ({ target, judgement }: LeftOut): string =>
  `${target} (${judgement === undefined ? "no longer in the Imagefile" : describeDecision(judgement.decision)})`;

function upToDate(
  graph: Graph,
  asked: readonly TargetId[],
  judgements: ReadonlyMap<string, Judgement>,
): { readonly targets: readonly TargetId[]; readonly out: readonly LeftOut[] } {
  const relations = relationsOf(graph);
  const rows = asked.map((target) => ({
    target,
    judgement: judgements.get(relations.producer(target)?.id ?? ""),
  }));
  const good = ({ judgement }: LeftOut): boolean => judgement?.decision.kind === "up-to-date";
  return {
    targets: rows.filter(good).map(({ target }) => target),
    out: rows.filter((row) => !good(row)),
  };
}

/** Trees stay where they were made: another machine makes them itself where it needs them. */
function requireFiles(graph: Graph, targets: readonly TargetId[]): void {
  const tree = graph.targets.find(({ id, kind }) => kind === "tree" && targets.includes(id));
  if (tree !== undefined)
    stop(Exit.usage, `${tree.id} is a tree, and trees are not exported`, "name the file packed from it");
}

function report(call: Call<"release export">, session: Session, dir: string, index: ExportIndex): void {
  const { files, packages, snapshots, targets, pins, datecode } = index;
  const preview = call.options.dryRun === true;
  if (call.options.json === true) {
    const rows = files.map(({ target, name, id, size }) => ({ target, name, digest: digestOf(id), size }));
    const data = {
      datecode,
      dir: resolve(dir),
      pins,
      targets,
      files: rows,
      snapshots,
      packages: packages.length,
    };
    output.write(`${JSON.stringify(data, null, 2)}\n`);
    return;
  }
  const resolved = Object.keys(session.pins.release.closures).length;
  const what = pins
    ? `release ${datecode} with ${counted(resolved, "package list")}`
    : `${counted(targets.length, "target")} in ${counted(files.length, "file")}`;
  const also =
    packages.length === 0
      ? ""
      : `, ${counted(snapshots.length, "snapshot")} and ${counted(packages.length, "package")}`;
  tellLine(call, `${preview ? "would export" : "exported"} ${what}${also}: ${dir}`);
}
