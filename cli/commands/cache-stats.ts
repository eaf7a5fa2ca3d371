// `imagemake cache stats`: what the state directory holds, and how much of the disk that takes.
import { Index } from "../../cache/index.js";
import { layerPath, listLayers } from "../../cache/layers.js";
import { openStore } from "../../cache/store.js";
import { databaseFiles, lyingIn } from "../../cache/layout.js";
import { diskUse, totalUse } from "../../engine/execute/disk-use.js";
import { Exit } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { output } from "../output.js";
import { formatBytes } from "../render/numbers.js";
import { tableLines } from "../render/columns.js";
import type { Call } from "../call.js";
import { projectOfCall } from "../state.js";

/** Counts and measures; changes nothing. */
export async function command(call: Call<"cache stats">): Promise<number> {
  const rows = await measure(projectOfCall(call));
  output.write(call.options.json === true ? asJson(rows) : asTable(rows));
  return Exit.done;
}

/** One kind of thing. Bytes as the files' sizes say, and on the disk; null for what lies in the database. */
interface Row {
  readonly what: string;
  readonly count: number;
  readonly size: number | null;
  readonly disk: number | null;
}

async function measure(project: Project): Promise<Row[]> {
  const held = openStore(project.store, null);
  const trees = listLayers(project.layers).map(({ layer }) => layerPath(project.layers, layer));
  const below = (...places: readonly Listed[]): string[] =>
    places.flatMap((place) => lyingIn(project, place).map(({ path }) => path));
  const files = held.list().map(({ id }) => held.path(id));
  const database = databaseFiles(project);
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ["files", files],
    ["trees", trees],
    ["manifests", below("manifests")],
    ["packages", below("packages")],
    ["snapshots", below("snapshots")],
    ["stages", below("stage")],
    ["kept sources", below("copies")],
    ["logs", below("logs")],
    ["graphs", below("graphs", "modules")],
  ];
  const everything = [...kinds.flatMap(([, paths]) => paths), ...database];
  const uses = await diskUse(everything);
  const total = (paths: readonly string[]): Pick<Row, "size" | "disk"> => {
    const { apparent, disk } = totalUse(paths.flatMap((path) => uses.get(path) ?? []));
    return { size: apparent, disk };
  };
  const index = Index.look(project.index);
  const [builds, verdicts] = [index.keys("builds").length, index.artifacts().filter(isVerdict).length];
  index.close();
  return [
    ...kinds.map(([what, paths]) => ({ what, count: paths.length, ...total(paths) })),
    { what: "verdicts", count: verdicts, size: null, disk: null },
    { what: "builds", count: builds, size: null, disk: null },
    { what: "database", count: database.length === 0 ? 0 : 1, ...total(database) },
    { what: "all", count: everything.length, ...total(everything) },
  ];
}

const isVerdict = ({ kind }: { readonly kind: string }): boolean => kind === "verdict";

/** What is counted by what lies there. */
type Listed = Parameters<typeof lyingIn>[1];

const asJson = (rows: readonly Row[]): string =>
  `${JSON.stringify(Object.fromEntries(rows.map(({ what, ...row }) => [what, row])), null, 2)}\n`;

const bytes = (value: number | null): string => (value === null ? "" : formatBytes(value));

function asTable(rows: readonly Row[]): string {
  const lines = tableLines(rows, [
    { head: "", value: (row) => row.what },
    { head: "count", value: (row) => (row.what === "all" ? "" : String(row.count)), align: "right" },
    { head: "size", value: (row) => bytes(row.size), align: "right" },
    { head: "on disk", value: (row) => bytes(row.disk), align: "right" },
  ]);
  return lines.map((line) => `${line}\n`).join("");
}
