// `imagemake clean`: removes stages, logs, saved graphs and the links of implicit releases; with -n says which.
import { existsSync } from "node:fs";
import { relative } from "node:path";
import { Index } from "../../cache/index.js";
import {
  clean,
  inputsOf,
  planClean,
  type CleanContext,
  type Kept,
  type Removable,
} from "../../engine/clean.js";
import { Exit, unwrap, type Problem } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { readReleases } from "../../engine/release/release.js";
import { openImagefile } from "../open.js";
import { output } from "../output.js";
import { listed, tallies } from "../render/numbers.js";
import { say, type Call } from "../call.js";
import { hasState, projectOfCall, warn, whileLocked } from "../state.js";

/** Removes, or with -n only says; exit 3 when something resisted. */
export async function command(call: Call<"clean">): Promise<number> {
  const project = projectOfCall(call);
  const dryRun = call.options.dryRun === true;
  if (!hasState(project)) {
    print(call, [], [], []);
    return Exit.done;
  }
  const isInput = await inputs(call, project);
  const run = async (): Promise<number> => {
    const { index, open, close } = Index.toFree(project.index, warn, dryRun);
    try {
      const releases = unwrap(readReleases(project));
      const context: CleanContext = { project, index, releases, isInput };
      const plan = await planClean(context);
      const { removed, problems } = dryRun
        ? { removed: plan.removable, problems: [] }
        : await clean(open, plan);
      print(call, removed, plan.kept, problems);
      return problems.length === 0 ? Exit.done : Exit.environment;
    } finally {
      close();
    }
  };
  return dryRun ? run() : whileLocked(call, project, run);
}

/** Of a broken Imagefile nobody can say what it reads: then every output might be an input. */
async function inputs(call: Call<"clean">, project: Project): Promise<CleanContext["isInput"]> {
  if (!existsSync(project.imagefile)) return () => false;
  const opened = await openImagefile(call.options, call.args, false);
  if (opened.ok) return inputsOf(project, opened.value.graph, opened.value.reads);
  say(opened.problem);
  warn("links stay, because what the Imagefile reads is not known");
  return () => true;
}

function print(
  call: Call<"clean">,
  removed: readonly Removable[],
  kept: readonly Kept[],
  problems: readonly Problem[],
): void {
  const dryRun = call.options.dryRun === true;
  if (call.options.json === true) {
    output.write(`${JSON.stringify({ dryRun, removed, kept, problems }, null, 2)}\n`);
    return;
  }
  const name = (path: string): string => relative(process.cwd(), path) || ".";
  const lines = dryRun || call.options.verbose === true ? removed.map(({ path }) => name(path)) : [];
  const what = listed(tallies(removed.map(({ kind }) => kind)));
  lines.push(what === "" ? "nothing to clean" : `${dryRun ? "would remove" : "removed"} ${what}`);
  output.write(lines.map((line) => `${line}\n`).join(""));
  for (const { path, because } of kept) process.stderr.write(`${name(path)} stays: ${because}\n`);
  for (const problem of problems) say(problem);
  if (problems.length > 0 && process.getuid?.() !== 0)
    process.stderr.write("what root made only root can delete: sudo imagemake clean\n");
}
