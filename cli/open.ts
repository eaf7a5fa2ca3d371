// Opens an Imagefile for a command: its places, its graph (saved or evaluated anew), and the release that
// the command line names. It prints nothing.
import { existsSync, statSync } from "node:fs";
import { reached } from "../cache/steps.js";
import { ownerIn } from "../cache/write.js";
import { cwd } from "node:process";
import type { RunOptions } from "../engine/build/session.js";
import type { Reads } from "../engine/evaluate/fresh.js";
import type { Graph } from "../engine/model.js";
import type { Drivers } from "../engine/packages/driver.js";
import { isDatecode } from "../engine/names.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";
import { projectOf, type Project } from "../engine/project.js";
import { savedGraph, saveGraph, type KnownGraph } from "../engine/remember.js";
import { makeState, trustState } from "../engine/state.js";
import { nearestHint } from "../engine/evaluate/nearest.js";
import { isLimited } from "../engine/release/place.js";

/** Package managers that rules may speak to; each is loaded when first asked for. */
export const drivers: Drivers = {
  apt: async () => (await import("../rules/drivers/apt.js")).driver,
  pacman: async () => (await import("../rules/drivers/pacman.js")).driver,
  dnf: async () => (await import("../rules/drivers/dnf.js")).driver,
  nix: async () => (await import("../rules/drivers/nix.js")).driver,
  xbps: async () => (await import("../rules/drivers/xbps.js")).driver,
};

/** What nobody interrupts. */
const never = new AbortController().signal;

/** The options of a run over an Imagefile: those of one that is told of nothing, but for what `about` says. */
export const runOf = (
  { project, graph }: Pick<Opened, "project" | "graph">,
  about: Pick<RunOptions, "wanted" | "datecode"> & Partial<RunOptions>,
): RunOptions => ({
  ...{ project, graph, drivers },
  ...{ force: false, shared: null, isolated: true, keepFailed: false },
  emit: () => undefined,
  ...{ signal: never, killSignal: never, now: Date.now },
  ...about,
});

/** Exit 2 for a name that the Imagefile does not ask for. */
function requireAsked(vars: Readonly<Record<string, string>>, { args }: Graph): Result<void> {
  const other = Object.keys(vars).find((name) => !Object.hasOwn(args, name));
  return other === undefined
    ? ok(undefined)
    : fail(Exit.usage, `the Imagefile asks for no ${other}`, nearestHint(other, Object.keys(args)));
}

/** An Imagefile, evaluated. */
export interface Opened extends Pick<KnownGraph, "graph" | "reads"> {
  readonly project: Project;
  /** Of a graph that is saved: the same for the same graph only. */
  readonly digest: string | null;
  /** `DATECODE=`, where it was given. */
  readonly datecode: string | null;
}

/** Options of every command that opens an Imagefile. */
export interface OpenOptions {
  readonly directory?: string;
  readonly file?: string;
  readonly release?: string;
}

/**
 * Opens the Imagefile. `save` keeps the evaluated graph for later runs; listings and dry runs do not.
 * VAR=value words are also set in the environment, as DESIGN section 9 has it.
 */
export async function openImagefile(
  options: OpenOptions,
  args: Readonly<Record<string, string>>,
  save: boolean,
  broken?: (reads: Reads) => void,
): Promise<Result<Opened>> {
  const project = projectOf(options.directory ?? cwd(), options.file ?? "Imagefile.ts");
  if (!existsSync(project.imagefile)) {
    return fail(
      Exit.usage,
      `there is no ${project.imagefile}`,
      "imagemake init writes one; -C DIR and -f FILE look elsewhere",
    );
  }
  if (!statSync(project.imagefile).isFile())
    return fail(Exit.usage, `${project.imagefile} is not a regular file`);
  const { DATECODE: datecode, ...vars } = args;
  const dates = [datecode, options.release].filter((date) => date !== undefined && date !== "");
  if (new Set(dates).size > 1) return fail(Exit.usage, `two dates in one run: ${dates.join(" and ")}`);
  const named = dates[0] ?? null;
  if (named !== null && !isDatecode(named)) {
    return fail(Exit.usage, `${named} is not a datecode`, "YYYYMMDD, or YYYYMMDD.1 for a respin");
  }
  const state = save ? makeState(project) : trustState(project);
  if (!state.ok) return state;
  if (save) reached("state made", project.state);
  const asked = isLimited(project) ? await askedFirst(project, vars, save) : ok(undefined);
  if (!asked.ok) return asked;
  const found = await graphOf(project, vars, save, broken);
  return found.ok ? ok({ project, ...found.value, datecode: named }) : found;
}

/**
 * Exit 2 for a name that the Imagefile does not ask for, before it is set: whom sudo lets run an Imagefile would choose what
 * the programs do that it starts (PATH, TAR_OPTIONS). What it asks for may depend on what else it was given.
 */
async function askedFirst(
  project: Project,
  vars: Readonly<Record<string, string>>,
  save: boolean,
): Promise<Result<void>> {
  const given: Record<string, string> = {};
  for (let more = Object.keys(vars); more.length > 0;) {
    const found = await graphOf(project, given, save);
    if (!found.ok) return found;
    const { graph } = found.value;
    const next = more.filter((name) => Object.hasOwn(graph.args, name));
    if (next.length === 0) return requireAsked(vars, graph);
    for (const name of next) given[name] = vars[name] ?? "";
    more = more.filter((name) => !next.includes(name));
  }
  return ok(undefined);
}

/** The saved graph under these words, or the Imagefile evaluated anew. */
async function graphOf(
  project: Project,
  vars: Readonly<Record<string, string>>,
  save: boolean,
  broken?: (reads: Reads) => void,
): Promise<Result<Pick<Opened, "graph" | "reads" | "digest">>> {
  Object.assign(process.env, vars);
  const saved = savedGraph(project, vars, save);
  if (saved !== null) return ok(saved);
  // What jiti writes there would be root's, and a stumbling block for the user whose directory it is.
  const cache = save && ownerIn(project.modules) === null ? { cache: project.modules } : {};
  const { evaluate } = await import("../engine/evaluate/load.js");
  const told = broken === undefined ? {} : { broken };
  const evaluated = await evaluate({ file: project.imagefile, args: vars, ...cache, ...told });
  if (!evaluated.ok) return evaluated;
  const { graph, reads } = evaluated.value;
  const known = requireAsked(vars, graph);
  if (!known.ok) return known;
  return ok(save ? saveGraph(project, vars, graph, reads) : { graph, reads, digest: null });
}
