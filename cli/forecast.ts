// What a build would take, for a dry run: time, downloads, room, programs that are not here. It is an estimate, and says so.
import { statfsSync } from "node:fs";
import { hasPackage } from "../cache/packages.js";
import { plannedOf } from "../engine/build/build.js";
import type { Planned } from "../engine/build/durations.js";
import type { Session } from "../engine/build/session.js";
import type { Judgement } from "../engine/decide.js";
import type { Action, TargetId, Tool } from "../engine/model.js";
import { unwrap } from "../engine/problem.js";
import { relationsOf } from "../engine/relations.js";
import { findTool, notFound } from "../engine/tools.js";
import { Board } from "./render/board.js";
import { counted, formatBytes, formatDuration } from "./render/numbers.js";
import { planLine } from "./render/summary.js";

/** The lines below a dry run's list. */
export async function forecast(
  session: Session,
  judgements: ReadonlyMap<TargetId, Judgement>,
  jobs: number,
): Promise<string[]> {
  const relations = relationsOf(session.options.graph);
  const toBuild = [...judgements].flatMap(([id, { decision }]) => {
    const action = decision.kind === "build" ? relations.producer(id) : undefined;
    return action === undefined ? [] : [action];
  });
  const decisions = plannedOf(session, judgements);
  const parts = [planLine(decisions), ...timeOf(decisions, jobs), ...(await downloadOf(session, toBuild))];
  return [parts.join(", "), ...roomOf(session, toBuild), ...lackOf(toBuild)];
}

function timeOf(decisions: readonly Planned[], jobs: number): string[] {
  const board = new Board();
  board.apply({ type: "plan", decisions, at: 0 });
  const left = board.timeLeft(0, jobs);
  return left === null || left < 1000 ? [] : [`about ${formatDuration(left)}`];
}

async function downloadOf({ pins, options }: Session, toBuild: readonly Action[]): Promise<string[]> {
  const lacking = new Map<string, number>();
  let open = 0;
  for (const action of toBuild) {
    const closure = unwrap(await pins.closure(action));
    if (closure === null) open += 1;
    for (const { sha256, size } of closure?.packages ?? [])
      if (!hasPackage(options.project.packages, sha256, size)) lacking.set(sha256, size);
  }
  const bytes = [...lacking.values()].reduce((sum, size) => sum + size, 0);
  return [
    ...(lacking.size === 0
      ? []
      : [`${counted(lacking.size, "package")} to download (${formatBytes(bytes)})`]),
    ...(open === 0 ? [] : [`${counted(open, "package list")} not resolved yet`]),
  ];
}

/** Of so many last builds of an action one may have succeeded. */
const LOOKED_AT = 10;

/** What the last builds of the same actions made that succeeded. */
function roomOf({ index, options }: Session, toBuild: readonly Action[]): string[] {
  const { line, dir } = options.project;
  let takes = 0;
  for (const { id } of toBuild) {
    const last = index.buildsOf(line, id, LOOKED_AT).find(({ status }) => status === "built");
    for (const artifact of Object.values(last === undefined ? {} : index.outputsOf(last.id)))
      takes += index.artifact(artifact)?.size ?? 0;
  }
  if (takes < 1e6) return [];
  const { bavail, bsize } = statfsSync(dir);
  const free = bavail * bsize;
  const room = `about ${formatBytes(takes)} on disk, ${formatBytes(free)} are free`;
  return [takes > free ? `${room}: imagemake cache gc -n says what can go` : room];
}

/** Programs that are not here, and how they come. */
function lackOf(toBuild: readonly Action[]): string[] {
  const tools = new Map<string, Tool>(toBuild.flatMap((one) => one.tools.map((tool) => [tool.name, tool])));
  const missing = [...tools.values()].filter(({ name }) => findTool(name) === null);
  if (missing.length === 0) return [];
  const { message, hint } = notFound(missing);
  return [message, `  ${hint}`];
}
