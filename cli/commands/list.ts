// `imagemake list [GROUP…]`: targets with their output names, without deciding anything.
import { withDate } from "../../engine/names.js";
import { Exit, unwrap } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { readReleases, selectRelease } from "../../engine/release/release.js";
import { openImagefile } from "../open.js";
import { output } from "../output.js";
import { tableWidth } from "../render/renderer.js";
import { tableLines } from "../render/columns.js";
import type { Call } from "../call.js";
import { select } from "../select.js";

/** One line a target: id, output name, and the rule that makes it. */
export async function command(call: Call<"list">): Promise<number> {
  const { graph, project, datecode } = unwrap(await openImagefile(call.options, call.args, false));
  const selected = call.names.length === 0 ? null : new Set(unwrap(select(graph, call.names)).targets);
  const { release } = unwrap(selectRelease(unwrap(readReleases(project)), datecode, Date.now()));
  const relations = relationsOf(graph);
  const rows = graph.targets
    .filter((target) =>
      selected === null ? target.exported || call.options.verbose === true : selected.has(target.id),
    )
    .map(({ id, kind, pattern }) => ({
      id,
      kind,
      output: pattern === null ? null : withDate(pattern, release.datecode),
      rule: relations.producer(id)?.rule ?? "",
    }));
  if (call.options.json === true) {
    output.write(`${JSON.stringify({ targets: rows, groups: graph.groups }, null, 2)}\n`);
    return Exit.done;
  }
  const columns = [
    { head: "target", value: (row: (typeof rows)[number]) => row.id },
    { head: "output", value: (row: (typeof rows)[number]) => row.output ?? `(${row.kind})`, shrinks: true },
    { head: "rule", value: (row: (typeof rows)[number]) => row.rule },
  ];
  const width = tableWidth(output);
  output.write(
    tableLines(rows, columns, { width })
      .map((line) => `${line}\n`)
      .join(""),
  );
  const groups = graph.groups.map((group) => `${group.name}-all`);
  if (output.isTTY) process.stderr.write(`groups: ${groups.join(" ")}\n`);
  return Exit.done;
}
