// `imagemake cache gc`: removes what no target's last build and no release needs; with -n says what that is.
import { Index } from "../../cache/index.js";
import { Exit, stop, type Problem, type Result } from "../../engine/problem.js";
import { collectGarbage, leftBy, lookForGarbage, type Found, type Limits, type Row } from "../garbage.js";
import { output } from "../output.js";
import { counted, formatBytes, listed, tallies } from "../render/numbers.js";
import { tableWidth } from "../render/renderer.js";
import { tableLines } from "../render/columns.js";
import { ageIn, bytesIn } from "../settings.js";
import { say, type Call } from "../call.js";
import { hasState, projectOfCall } from "../state.js";

/** Removes, or with -n only says; exit 3 when something resisted. */
export async function command(call: Call<"cache gc">): Promise<number> {
  const project = projectOfCall(call);
  const limits = limitsOf(call.options);
  if (!hasState(project) || call.options.dryRun === true) {
    const index = Index.look(project.index);
    const found = await lookForGarbage(project, index, limits);
    index.close();
    print(call, limits, found, []);
    return Exit.done;
  }
  const { found, problems } = await collectGarbage(call, project, limits);
  print(call, limits, found, problems);
  return problems.length === 0 ? Exit.done : Exit.environment;
}

function limitsOf({ keepReleases, olderThan, maxSize }: Call<"cache gc">["options"]): Limits {
  return {
    ...(keepReleases === undefined ? {} : { keepReleases }),
    ...(olderThan === undefined ? {} : { olderThan: given("--older-than", ageIn(olderThan)) }),
    ...(maxSize === undefined ? {} : { maxSize: given("--max-size", bytesIn(maxSize)) }),
  };
}

const given = (option: string, read: Result<number>): number =>
  read.ok ? read.value : stop(Exit.usage, `${option}: ${read.problem.message}`);

function print(
  call: Call<"cache gc">,
  { maxSize }: Limits,
  { plan, rows }: Found,
  problems: readonly Problem[],
): void {
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
  const left = leftBy(plan.marked);
  if (maxSize !== undefined && left > maxSize)
    said.push(`${formatBytes(left)} stay, more than ${formatBytes(maxSize)}: releases need them`);
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
