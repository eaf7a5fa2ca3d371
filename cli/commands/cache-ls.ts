// `imagemake cache ls`: artifacts with size, the action that made them, and when.
import { Index, type ArtifactRow, type BuildRow } from "../../cache/index.js";
import { Exit } from "../../engine/problem.js";
import { output } from "../output.js";
import { formatBytes } from "../render/numbers.js";
import { tableWidth } from "../render/renderer.js";
import { tableLines } from "../render/columns.js";
import type { Call } from "../call.js";
import { makersOf, projectOfCall } from "../state.js";

/** One line an artifact, the newest first; changes nothing. */
export function command(call: Call<"cache ls">): Promise<number> {
  const project = projectOfCall(call);
  const index = Index.look(project.index);
  const makers = makersOf(index);
  const rows = index
    .artifacts()
    .map((artifact) => ({ artifact, build: makers.get(artifact.id) }))
    .sort((a, b) => (b.build?.started ?? 0) - (a.build?.started ?? 0));
  index.close();
  output.write(call.options.json === true ? asJson(rows) : asTable(rows));
  return Promise.resolve(Exit.done);
}

interface Row {
  readonly artifact: ArtifactRow;
  /** Its newest build. */
  readonly build: BuildRow | undefined;
}

function asJson(rows: readonly Row[]): string {
  const data = rows.map(({ artifact, build }) => ({
    ...artifact,
    line: build?.line ?? null,
    action: build?.action ?? null,
    built: build === undefined ? null : new Date(build.started).toISOString(),
    release: build?.release ?? null,
  }));
  return `${JSON.stringify(data, null, 2)}\n`;
}

const asTable = (rows: readonly Row[]): string =>
  tableLines(
    rows,
    [
      { head: "kind", value: ({ artifact }) => artifact.kind },
      { head: "size", value: ({ artifact }) => formatBytes(artifact.size), align: "right" },
      { head: "built (UTC)", value: ({ build }) => (build === undefined ? "" : minute(build.started)) },
      { head: "made by", value: ({ build }) => (build === undefined ? "" : nameOf(build)) },
      { head: "id", value: ({ artifact }) => artifact.id, shrinks: true },
    ],
    { width: tableWidth(output) },
  )
    .map((line) => `${line}\n`)
    .join("");

const minute = (moment: number): string => new Date(moment).toISOString().slice(0, 16).replace("T", " ");

/** Lines side by side may have actions of the same name. */
const nameOf = ({ line, action }: BuildRow): string => (line === "" ? action : `${action} (${line})`);
