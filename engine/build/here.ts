// This machine as a build uses it: what executes its actions, and the contents of its store. How actions are kept apart here
// is tried once in a process.
import type { ContentStore } from "../../cache/content-store.js";
import { LocalContents } from "../../cache/local/contents.js";
import type { Executor } from "../execute/executor.js";
import { probeIsolation } from "../execute/local/capability.js";
import { LocalExecutor, type LocalContext } from "../execute/local/executor.js";
import type { Isolation } from "../execute/local/sandbox.js";
import { ok, type Result } from "../problem.js";
import { travelling } from "../tree/travel.js";
import type { Session } from "./session.js";

/** Makes the executor of a build from what there is on this machine. */
export type OpenExecutor = (here: LocalContext) => Executor | Promise<Executor>;

/** What executes the actions of a session; a Problem where actions cannot be kept apart here as was asked for. */
export async function executorOf(
  session: Session,
  open: OpenExecutor = openLocal,
): Promise<Result<Executor>> {
  const here = await hereOf(session);
  return here.ok ? ok(await open(here.value)) : here;
}

/** What an executor on this machine works with. */
export async function hereOf(session: Session): Promise<Result<LocalContext>> {
  const isolation = await isolationOf(session);
  if (!isolation.ok) return isolation;
  const { index, store } = session.decider.context;
  const { project, drivers } = session.options;
  const { whole } = session.decider;
  return ok({ layout: project, index, store, whole, drivers, isolation: isolation.value });
}

const openLocal: OpenExecutor = (here) => new LocalExecutor(here);

/** The contents of the store, by their interface; without isolation, where there is none. */
export async function contentsOf(session: Session): Promise<ContentStore> {
  const isolation = await isolationOf(session);
  const { index, project, store } = session.decider.context;
  const how = isolation.ok ? isolation.value : ({ kind: "process-groups" } as const);
  return new LocalContents(project, index, store, travelling(project, index, how));
}

/**
 * How actions are kept apart: as well as this machine can, or not where that was asked for. It is tried beside the stages:
 * who holds the lock clears those.
 */
const isolationOf = ({ options: { isolated, project } }: Session): Promise<Result<Isolation>> =>
  isolated ? probeIsolation(project.state) : Promise.resolve(ok({ kind: "process-groups" }));
