// `imagemake cache gc`: removes what no target's last build and no release needs; with -n says what that is.
import { Index } from "../../cache/index.js";
import type { Problem } from "../../engine/problem.js";
import { collectGarbage, lookForGarbage, type Found, type Row } from "../garbage.js";
import { output } from "../output.js";
import { formatBytes } from "../render/bytes.js";
import { counted, listed, tallies } from "../render/count.js";
import { tableWidth } from "../render/renderer.js";
import { tableLines } from "../render/table.js";
import { say, type Call } from "../call.js";
import { hasState, projectOfCall } from "../state.js";

/** Removes, or with -n only says; exit 3 when something resisted. */
export async function command(call: Call<"cache gc">): Promise<number> {
  const project = projectOfCall(call);
  if (!hasState(project) || call.options.dryRun === true) {
    const index = Index.look(project.index);
    const found = await lookForGarbage(project, index);
    index.close();
    print(call, found, []);
    return 0;
  }
  const { found, problems } = await collectGarbage(call, project);
  print(call, found, problems);
  return problems.length === 0 ? 0 : 3;
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
