// How the command line says a build is to go. It builds nothing.
import { cpus } from "node:os";
import type { BuildEnd, BuildOptions } from "../engine/build/build.js";
import type { RunOptions } from "../engine/build/session.js";
import type { Shared } from "../engine/build/shared.js";
import type { Emit } from "../engine/events.js";
import type { TargetId } from "../engine/model.js";
import { unwrap } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import { relationsOf } from "../engine/relations.js";
import type { CallWith } from "./call.js";
import { runOf, type Opened } from "./open.js";
import type { SharedOption } from "./shared.js";

/** The options of a run over what is wanted. */
export const runOptions = (
  { options }: CallWith<"alwaysMake" | "isolation" | "keepFailed">,
  opened: Opened,
  wanted: Pick<RunOptions, "wanted" | "datecode" | "earlier">,
  emit: Emit,
  shared: Shared | null,
): RunOptions =>
  runOf(opened, {
    ...wanted,
    force: options.alwaysMake === true,
    shared,
    isolated: options.isolation,
    keepFailed: keepsFailed(options),
    emit,
  });

/** Where nobody looks, nobody will enter what failed. */
const keepsFailed = ({
  keepFailed,
  shellOnFailure,
}: Partial<CallWith<"keepFailed" | "shellOnFailure">["options"]>): boolean =>
  shellOnFailure === true || (keepFailed === "auto" ? process.stderr.isTTY : keepFailed === "always");

/** What a build is told beside that. */
export const buildOptions = ({
  options,
}: CallWith<"jobs" | "keepGoing" | "wait">): Pick<BuildOptions, "jobs" | "keepGoing" | "noWait"> => ({
  jobs: options.jobs ?? cpus().length,
  keepGoing: options.keepGoing === true,
  noWait: !options.wait,
});

/** The cache that the command line or settings name; null for none. */
export const sharedOf = async (
  call: CallWith<SharedOption>,
  { project }: Opened,
  emit: Emit,
  changes: boolean,
): Promise<Shared | null> =>
  call.options.cache === undefined && call.options.remoteCache === undefined
    ? null
    : unwrap(await (await import("./shared.js")).sharedOf(call, project, emit, changes));

/** Whether an action asks a person: it gets the terminal alone, and there is no live display. */
export const asksPerson = ({ graph }: Opened, targets: readonly TargetId[]): boolean =>
  graph.actions.some(({ interactive }) => interactive) &&
  relationsOf(graph)
    .closure(targets)
    .some(({ interactive }) => interactive);

/** After a build: the store keeps within what settings allow it. */
export async function keepSpace(
  call: CallWith<"wait">,
  project: Project,
  { built, session }: Pick<BuildEnd, "built" | "session">,
): Promise<void> {
  const limit = call.settings?.maxSize ?? null;
  if (limit !== null && session !== null && built > 0)
    await (await import("./garbage.js")).keepWithin(limit, call, project, session.index);
}
