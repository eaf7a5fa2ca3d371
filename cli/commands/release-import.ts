// `imagemake release import DIR…`: takes over what other machines exported: pins, packages, artifacts. All of it, or
// nothing where something is refused.
import { resolve } from "node:path";
import { Exit, fail, stop, unwrap } from "../../engine/problem.js";
import { readExport, type Export } from "../../engine/release/exchange.js";
import { planImport, type ImportPlan, type Refusal } from "../../engine/release/import.js";
import { applyImport, importPackages, takeRelease } from "../../engine/release/import-apply.js";
import { joinPins, oneRelease, sameLine } from "../../engine/release/import-pins.js";
import { requireOwner } from "../../engine/release/place.js";
import type { Release } from "../../engine/release/record.js";
import { readReleases } from "../../engine/release/release.js";
import { sessionOf, tellLine } from "../life.js";
import { openImagefile, type Opened } from "../open.js";
import { output } from "../output.js";
import { changesInFull } from "../render/change.js";
import { counted } from "../render/numbers.js";
import type { Call } from "../call.js";
import { whileLocked } from "../state.js";

/** With -n only says what would be taken over, and what refused. */
export async function command(call: Call<"release import">): Promise<number> {
  const { options, names } = call;
  const preview = options.dryRun === true;
  if (names.length === 0) stop(Exit.usage, "name the directories to import: release import DIR…");
  const exports: Export[] = [];
  for (const dir of new Set(names.map((name) => resolve(name)))) exports.push(unwrap(readExport(dir)));
  const wanted = call.options.prefer;
  const prefer = exports.find(({ dir }) => wanted !== undefined && dir === resolve(wanted)) ?? null;
  if (wanted !== undefined && prefer === null)
    stop(Exit.usage, `--prefer ${wanted} is none of the directories to import`, names.join(" "));
  const opened = unwrap(await openImagefile(options, call.args, !preview));
  unwrap(requireOwner(opened.project, "import builds of other machines"));
  unwrap(sameLine(exports, opened.project.line));
  const datecode = unwrap(oneRelease(exports, opened.datecode));
  // Pins first: what artifacts are held against.
  exports.sort((a, b) => Number(b.index.pins) - Number(a.index.pins));
  const run = (): Promise<number> => take(call, opened, exports, datecode, prefer);
  return preview ? run() : whileLocked(call, opened.project, run);
}

async function take(
  call: Call<"release import">,
  opened: Opened,
  exports: readonly Export[],
  datecode: string,
  prefer: Export | null,
): Promise<number> {
  const preview = call.options.dryRun === true;
  const { project } = opened;
  const here = joinAll(opened, exports);
  const session = sessionOf(call, opened, datecode, [], preview);
  session.pins.release = here;
  const artifacts = exports.filter(({ index }) => !index.pins);
  const plan = unwrap(await planImport(session, artifacts, prefer));
  const { refused } = plan;
  if (preview || refused.length > 0) {
    report(call, here, exports, plan);
    if (refused.length > 0) unwrap(nothingTaken(refused));
    return Exit.done;
  }
  const progress = (line: string): void => tellLine(call, line);
  unwrap(await importPackages(project, exports, progress));
  if (artifacts.length === 0) takeRelease(project, here);
  else unwrap(await applyImport(session, plan, progress));
  report(call, here, exports, plan);
  return Exit.done;
}

/** The release that all exports lead to. */
function joinAll({ project, datecode }: Opened, exports: readonly Export[]): Release {
  let releases = unwrap(readReleases(project));
  let joined: Release | null = null;
  for (const one of exports) {
    const next: Release = unwrap(joinPins(releases, one, Date.now(), datecode !== null));
    releases = [...releases.filter((release) => release.datecode !== next.datecode), next];
    joined = next;
  }
  return joined ?? stop(Exit.usage, "there is nothing to import");
}

const nothingTaken = (refused: readonly Refusal[]): ReturnType<typeof fail> =>
  fail(
    Exit.usage,
    `${refused.length === 1 ? "1 target is" : `${refused.length} targets are`} refused, so nothing was imported`,
    refused.some(({ kind }) => kind === "two-digests")
      ? "--prefer DIR says whose artifact it is"
      : "both machines need the same Imagefile, sources and pins; release export --pins hands the pins on",
  );

function report(
  call: Call<"release import">,
  release: Release,
  exports: readonly Export[],
  plan: ImportPlan,
): void {
  const { datecode } = release;
  const preview = call.options.dryRun === true;
  const { targets, skipped, refused, tools, accepted } = plan;
  const came = targets.map(({ target, from }) => ({ target, from: from.dir }));
  const left = skipped.map(({ target, from }) => ({ target, from: from.dir }));
  const differing = Object.fromEntries([...tools].filter(([id]) => accepted.has(id)));
  if (call.options.json === true) {
    const packages = exports.reduce((sum, { index }) => sum + index.packages.length, 0);
    const data = { datecode, targets: came, skipped: left, refused, tools: differing, packages };
    output.write(`${JSON.stringify(data, null, 2)}\n`);
    return;
  }
  for (const one of refused) for (const line of refusalLines(one)) process.stderr.write(`${line}\n`);
  if (refused.length > 0) return;
  for (const { target, from } of left) tellLine(call, `left out: ${target} of ${from}`);
  for (const [tool, [there, own]] of toolLines(differing))
    tellLine(call, `another version of ${tool}: ${there} there, ${own} here`);
  const would = preview ? "would import" : "imported";
  if (exports.some(({ index }) => index.pins)) tellLine(call, `${would} release ${datecode}: its pins`);
  if (came.length > 0) tellLine(call, `${would} ${counted(came.length, "target")} into release ${datecode}`);
}

/** Each tool once, however many actions used it. */
const toolLines = (
  tools: Readonly<Record<string, Readonly<Record<string, readonly [string, string]>>>>,
): Map<string, readonly [string, string]> =>
  new Map(Object.values(tools).flatMap((of) => Object.entries(of)));

function refusalLines(refusal: Refusal): string[] {
  const { target, dir } = refusal;
  const beneath = "action" in refusal && refusal.action !== target ? `${refusal.action}, beneath it, ` : "";
  const head = `${target} of ${dir} is refused: `;
  switch (refusal.kind) {
    case "unknown":
      return [`${head}this Imagefile has no such target`];
    case "incomplete":
      return [`${head}${beneath || "it "}is not complete in the export`];
    case "different":
      return [
        `${head}${beneath || "it "}is made from something else here`,
        ...changesInFull(refusal.changes, refusal.packages).map((line) => `  ${line}`),
      ];
    case "two-digests":
      return [`${head}${beneath || "it "}is not what ${refusal.other ?? "was built here"} has`];
    case "rejected":
      return [`${head}${beneath || "it "}was rejected by a person`];
  }
}
