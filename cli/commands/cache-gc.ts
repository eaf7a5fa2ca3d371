// `imagemake cache gc`: removes what no target's last build and no release needs; with -n says what that is.
import { lstatSync, existsSync, rmSync } from "node:fs";
import { collect, planGc, type Doomed, type Plan } from "../../cache/gc.js";
import { Index } from "../../cache/index.js";
import { diskUse } from "../../engine/execute/disk-use.js";
import { removeTree } from "../../engine/execute/local/remove.js";
import { unwrap, type Problem } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { neededBy, readLines, releasesOver, type Over } from "../../engine/release/needed.js";
import { output } from "../output.js";
import { formatBytes } from "../render/bytes.js";
import { counted, listed, tallies } from "../render/count.js";
import { tableWidth } from "../render/renderer.js";
import { tableLines } from "../render/table.js";
import { say, type Call } from "../call.js";
import { hasState, makersOf, projectOfCall, warn, whileLocked } from "../state.js";

/** Removes, or with -n only says; exit 3 when something resisted. */
export async function command(call: Call<"cache gc">): Promise<number> {
  const project = projectOfCall(call);
  if (!hasState(project) || call.options.dryRun === true) {
    const index = Index.look(project.index);
    const found = await look(project, index);
    index.close();
    print(call, found, []);
    return 0;
  }
  return whileLocked(call, project, async () => {
    const { index, open, noRoom, close } = Index.toFree(project.index, warn);
    try {
      const found = await look(project, index);
      // A release goes before what it pins.
      for (const { file } of found.over) rmSync(file, { force: true });
      const { things, problems } = await collect(open, project, found.plan, removeTree, noRoom);
      const left = new Set(things.map(({ path }) => path));
      print(call, { ...found, rows: found.rows.filter(({ path }) => !left.has(path)) }, problems);
      return problems.length === 0 ? 0 : 3;
    } finally {
      close();
    }
  });
}

/** What goes, for people: each thing with the bytes it frees on the disk and the target it was made for. */
interface Row {
  readonly kind: Doomed["kind"] | "release";
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly target: string | null;
}

interface Found {
  readonly plan: Plan;
  readonly over: readonly Over[];
  readonly rows: readonly Row[];
}

async function look(project: Project, index: Index): Promise<Found> {
  const lines = unwrap(readLines(project));
  const over = releasesOver(lines, index.links(), existsSync, Date.now());
  const plan = planGc(index, project, neededBy(lines, over));
  const makers = makersOf(index);
  const freed = await diskUse(plan.doomed.map(({ path }) => path).filter(isOnlyName));
  const releases = over.map(({ datecode, file }) => ({
    ...{ kind: "release" as const, name: datecode, path: file },
    ...{ bytes: 0, target: null },
  }));
  const things = plan.doomed.map(({ kind, name, path }) => ({
    ...{ kind, name, path, bytes: freed.get(path)?.disk ?? 0 },
    target: makers.get(name)?.action ?? null,
  }));
  return { plan, over, rows: [...releases, ...things] };
}

/** A file that is also linked into the output directory frees nothing. */
function isOnlyName(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && (stats.isDirectory() || stats.nlink === 1);
}

function print(call: Call<"cache gc">, { plan, rows }: Found, problems: readonly Problem[]): void {
  const dryRun = call.options.dryRun === true;
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const { builds = [] } = plan.marked.doomed;
  if (call.options.json === true) {
    const kept = plan.marked.artifacts.size;
    const data = { dryRun, removed: rows, builds: builds.length, bytes, kept, problems };
    output.write(`${JSON.stringify(data, null, 2)}\n`);
    return;
  }
  const said = dryRun || call.options.verbose === true ? table(call, rows) : [];
  const words = [
    ...tallies(rows.map(({ kind }) => kind)),
    ...(builds.length === 0 ? [] : [`the record of ${counted(builds.length, "old build")}`]),
  ];
  said.push(
    words.length === 0
      ? "nothing to remove"
      : `${dryRun ? "would remove" : "removed"} ${listed(words)}: ${formatBytes(bytes)}`,
  );
  output.write(said.map((line) => `${line}\n`).join(""));
  for (const problem of problems) say(problem);
}

/** Packages, manifests and logs are too many to be of interest; -v has them too. */
function table(call: Call<"cache gc">, rows: readonly Row[]): string[] {
  const many: readonly Row["kind"][] = ["package", "manifest", "log"];
  const shown = rows.filter(({ kind }) => call.options.verbose === true || !many.includes(kind));
  if (shown.length === 0) return [];
  return tableLines(
    shown,
    [
      { head: "kind", value: ({ kind }) => kind },
      { head: "frees", value: (row) => formatBytes(row.bytes), align: "right" },
      { head: "made by", value: (row) => row.target ?? "" },
      { head: "name", value: (row) => row.name, shrinks: true },
    ],
    { width: tableWidth(output) },
  );
}
